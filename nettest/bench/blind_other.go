//go:build !linux

package main

import (
	"context"
	"errors"
)

// blindMissing says why nobody can be attacked here.
func blindMissing() string { return "forging source addresses is done on Linux only" }

func attack(context.Context, *Job) (*Result, error) { return nil, errors.ErrUnsupported }

func socketState(string) (queued, drops int64) { return 0, 0 }
