package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
)

// perfEvent counts the entries into system calls of all threads of a process.
const perfEvent = "raw_syscalls:sys_enter"

// canCountCalls reports whether perf can count system calls here: it must be
// installed and allowed.
var canCountCalls = sync.OnceValue(func() bool {
	return exec.Command("perf", "stat", "-x,", "-o", os.DevNull, "-e", perfEvent, "true").Run() == nil
})

// A callCounter counts the system calls of the two children of one run. They
// are counted from exec to exit, with what the runtime does at its start, a few
// hundred.
type callCounter struct{ dir string }

func newCallCounter() (*callCounter, error) {
	dir, err := os.MkdirTemp("", "udt-bench-perf-")
	if err != nil {
		return nil, err
	}
	return &callCounter{dir}, nil
}

func (c *callCounter) file(side string) string { return filepath.Join(c.dir, side) }

// prefix is the argv that the child of a side is run with.
func (c *callCounter) prefix(side string) []string {
	return []string{"perf", "stat", "-x,", "-o", c.file(side), "-e", perfEvent}
}

// count returns the system calls of a side once its child has ended, or 0.
func (c *callCounter) count(side string) int64 {
	out, err := os.ReadFile(c.file(side))
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(out) {
		if f := bytes.Split(line, []byte(",")); len(f) > 2 && string(f[2]) == perfEvent {
			n, _ := strconv.ParseInt(string(f[0]), 10, 64) // not counted: 0
			return n
		}
	}
	return 0
}

func (c *callCounter) remove() { os.RemoveAll(c.dir) }
