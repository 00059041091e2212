// Bench measures this library side by side with other transports. See README.md.
//
//	go run . all                                      everything, on loopback and over long paths
//	go run . loopback -runs 5 -seconds 3              the loopback part
//	go run . mux                                      streams
//	go run . bulk -contenders udt,tcp -runs 5         one work
//	go run . list                                     works and contenders
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// A command is a word that the program takes. Each work is one too.
type command struct {
	name, note string

	// flags, if not nil, adds to the common flags.
	flags func(*flag.FlagSet)

	run func(ctx context.Context, f *Common, r *Report) error

	// inAll means that "all" runs it.
	inAll bool
}

// commands is the table of all of them but for "all", "list" and the works.
var commands = []command{
	{name: "loopback", note: "every work on loopback", run: runLoopback, inAll: true},
	{name: muxGroup, note: "streams: bulk, a thousand at once, opening, idle ones, small requests over a lossy link (Linux, root)", run: runMux, inAll: true},
	{name: "wan", note: "long paths, over links between network namespaces (Linux, root)", flags: registerWAN, run: runWAN, inAll: true},
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "child" {
		os.Exit(childMain())
	}
	os.Exit(realMain())
}

// realMain is main with deferred calls.
func realMain() int {
	defer built.cleanup()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) < 2 {
		usage()
		return 2
	}
	name := os.Args[1]
	if name == "list" {
		list()
		return 0
	}
	chosen, works, err := choose(name)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		usage()
		return 2
	}
	f := Common{Works: works}
	set := flag.NewFlagSet(name, flag.ExitOnError)
	f.register(set)
	for _, c := range chosen {
		if c.flags != nil {
			c.flags(set)
		}
	}
	_ = set.Parse(os.Args[2:]) // exits on an error
	if set.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "unexpected argument %q\n", set.Arg(0))
		return 2
	}
	r := newReport(os.Args[1:])
	status := 0
	for _, c := range chosen {
		if err := c.run(ctx, &f, r); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", c.name, err)
			status = 1
		}
	}
	r.judge()
	printTargets(os.Stdout, r.Targets)
	if f.JSON != "" {
		if err := r.write(f.JSON); err != nil {
			fmt.Fprintln(os.Stderr, err)
			status = 1
		}
	}
	return status
}

// choose returns the commands that a word stands for, and the works it limits
// them to.
func choose(name string) (chosen []command, works string, err error) {
	for _, c := range commands {
		if c.name == name || name == "all" && c.inAll {
			chosen = append(chosen, c)
		}
	}
	if chosen != nil {
		return chosen, "", nil
	}
	if _, err := work(name); err != nil {
		return nil, "", err
	}
	return []command{{name: name, run: runLoopback}}, name, nil
}

func (f *Common) register(set *flag.FlagSet) {
	set.StringVar(&f.Contenders, "contenders", "", "`names` of contenders, separated by commas (default those of the work)")
	set.StringVar(&f.Works, "works", f.Works, "`names` of works, separated by commas (default those of the command)")
	set.IntVar(&f.Runs, "runs", 5, "runs of each contender, which take turns, at most")
	set.Float64Var(&f.Seconds, "seconds", 0, "`length` of a run, in place of the 3 seconds that are usual or of the work's own")
	set.IntVar(&f.Idle, "idle", 10_000, "idle `connections`, or streams")
	set.Float64Var(&f.Blind, "blind", blindRate, "blind `packets` per second")
	set.BoolVar(&f.Syscalls, "syscalls", true, "one more run of each, under perf, to count system calls")
	set.BoolVar(&f.Verify, "verify", false, "compare every byte that arrives, at a price")
	set.BoolVar(&f.Shared, "shared", false, "dial all connections of a process from one port where that is possible")
	set.StringVar(&f.JSON, "json", "", "write everything measured to `file`")
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: bench all | list | command | work  [flags]; command -h lists the flags")
	for _, c := range commands {
		fmt.Fprintf(os.Stderr, "  %-13s %s\n", c.name, c.note)
	}
	for _, w := range works {
		fmt.Fprintf(os.Stderr, "  %-13s %s\n", w.Name, w.Note)
	}
}

func list() {
	for _, w := range works {
		fmt.Printf("work       %-14s %s\n", w.Name, w.Note)
	}
	for _, c := range contenders {
		note := c.Note
		if c.Missing != nil {
			if why := c.Missing(); why != "" {
				note += " (missing: " + why + ")"
			}
		}
		fmt.Printf("contender  %-14s %s\n", c.Name, note)
	}
}
