//go:build !linux

package main

import "context"

// wanMissing says why links cannot be made here.
func wanMissing() string { return "network namespaces need Linux" }

func wanWarning() string { return "" }

func (s *wanScenario) run(context.Context, wanEntry, int, float64) wanResult {
	return wanResult{Error: wanMissing()}
}
