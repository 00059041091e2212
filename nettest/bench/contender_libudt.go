package main

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed libudt/udtbench.cpp
var libudtSource []byte

var libudt = &Contender{
	Name: "libudt", Note: "the C++ library, libudt 4.11",
	// It sets up some hundred connections per second: ten thousand idle ones
	// would take minutes.
	Works:   []string{"bulk", "bulk8", "write4k", "pingpong", "rr1k", "rr64k", "setup1", "setup64"},
	Program: buildLibudt,
	Missing: func() string {
		if _, err := buildLibudt(); err != nil {
			return err.Error()
		}
		return ""
	},
}

// buildLibudt builds the program that does the works with the C++ library.
func buildLibudt() (string, error) {
	return built.program("udtbench", func(path string) error {
		source := filepath.Join(filepath.Dir(path), "udtbench.cpp")
		if err := os.WriteFile(source, libudtSource, 0o600); err != nil {
			return err
		}
		cmd := exec.Command("g++", "-std=c++17", "-O2", "-o", path, source, "-ludt", "-lpthread")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("libudt: %w (g++, libudt and its header are needed) %s", err, firstLine(out))
		}
		return nil
	})
}

func firstLine(b []byte) string {
	for i, c := range b {
		if c == '\n' {
			return string(b[:i])
		}
	}
	return string(b)
}
