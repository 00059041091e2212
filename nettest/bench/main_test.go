package main

import (
	"os"
	"testing"
)

// TestMain is the main function of the children too: they run this binary.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "child" {
		os.Exit(childMain())
	}
	status := m.Run()
	built.cleanup()
	os.Exit(status)
}
