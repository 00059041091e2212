package main

import (
	"encoding/json"
	"os"
	"runtime"
	"strings"
	"time"
)

// A Report is all that one invocation measured; -json writes it.
type Report struct {
	Time    time.Time
	Machine Machine
	Args    []string
	Tables  []*Table
	Targets []Verdict `json:",omitempty"`

	// WAN is the long-path part's.
	WAN any `json:",omitempty"`
}

// Machine says what the figures were taken on.
type Machine struct {
	OS, Arch, Go, Kernel, CPU string
	CPUs                      int
}

func newReport(args []string) *Report {
	return &Report{Time: time.Now().UTC(), Args: args, Machine: Machine{
		OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version(), CPUs: runtime.NumCPU(),
		Kernel: firstField("/proc/sys/kernel/osrelease", ""), CPU: firstField("/proc/cpuinfo", "model name"),
	}}
}

// firstField returns the value of the first line of a file that begins with key.
func firstField(path, key string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			return strings.TrimLeft(strings.TrimSpace(rest), ": \t")
		}
	}
	return ""
}

// table returns the table of a work, or nil.
func (r *Report) table(work string) *Table {
	for _, t := range r.Tables {
		if t.Work == work {
			return t
		}
	}
	return nil
}

func (r *Report) write(path string) error {
	b, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
