package testkit

import (
	"bytes"
	"runtime"
	"strings"
)

// Goroutine returns the number of the calling goroutine as the runtime prints it.
func Goroutine() string {
	buf := make([]byte, 64)
	buf = buf[:runtime.Stack(buf, false)]
	id, _, _ := strings.Cut(strings.TrimPrefix(string(buf), "goroutine "), " ")
	return id
}

// Parked reports whether the goroutine exists and waits for something other than a processor.
func Parked(id string) bool {
	for _, g := range bytes.Split(Stacks(), []byte("\n\n")) {
		rest, ok := bytes.CutPrefix(g, []byte("goroutine "+id+" ["))
		if !ok {
			continue
		}
		state, _, _ := bytes.Cut(rest, []byte("]"))
		for _, busy := range []string{"running", "runnable", "syscall"} {
			if bytes.HasPrefix(state, []byte(busy)) {
				return false
			}
		}
		return true
	}
	return false
}

// Stacks returns the stacks of all goroutines.
func Stacks() []byte {
	for size := 256 << 10; ; size *= 2 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, true); n < size {
			return buf[:n]
		}
	}
}
