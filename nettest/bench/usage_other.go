//go:build !linux

package main

import (
	"os"
	"os/exec"
)

func cpuSeconds() float64 { return 0 }

func peakMemory() int64 { return 0 }

func residentMemory() int64 { return 0 }

func openFiles() int { return 1024 }

func ownGroup(*exec.Cmd) {}

func killGroup(p *os.Process) error {
	if p == nil {
		return nil
	}
	return p.Kill()
}
