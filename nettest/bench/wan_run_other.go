//go:build !linux

package main

import (
	"context"
	"errors"

	"github.com/udtgo/udtgo/nettest/bench/link"
)

// wanMissing says why links cannot be made here.
func wanMissing() string { return "network namespaces need Linux" }

func wanWarning() string { return "" }

func (s *wanScenario) run(context.Context, wanEntry, int, float64) wanResult {
	return wanResult{Error: wanMissing()}
}

// RunOver would run both over a link.
func (p *Pair) RunOver(context.Context, link.Config) (PairResult, error) {
	return PairResult{}, errors.New(wanMissing())
}
