package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/udtgo/udtgo/nettest/bench/link"
)

// A wanScenario is a long path and what is done on it.
type wanScenario struct {
	name    string
	note    string
	rate    int64 // bits per second of IP packets
	rtt     time.Duration
	loss    float64 // of packets on the way to the receiver
	seconds float64 // of each run
	after   float64 // shares count from then on
	kind    wanKind
	sizes   []int64 // start: bytes of each transfer
}

type wanKind int

const (
	wanAlone wanKind = iota // one flow: goodput and queue
	wanTwins                // two flows of one contender: shares
	wanRival                // one flow against one of TCP cubic: shares
	wanStart                // short transfers: time
)

// wanScenarios are those of the targets, in the order of the printed tables.
var wanScenarios = []*wanScenario{
	{name: "A", rate: 100e6, rtt: 100 * time.Millisecond, seconds: 25},
	{name: "B", rate: 100e6, rtt: 100 * time.Millisecond, loss: 0.001, seconds: 25},
	{name: "C", rate: 100e6, rtt: 100 * time.Millisecond, loss: 0.01, seconds: 25},
	{name: "C'", rate: 100e6, rtt: 100 * time.Millisecond, loss: 0.05, seconds: 25},
	{name: "D", rate: 200e6, rtt: 200 * time.Millisecond, loss: 0.0001, seconds: 25},
	{name: "E1", note: "two flows", rate: 50e6, rtt: 20 * time.Millisecond, seconds: 20, after: 5, kind: wanTwins},
	{name: "E2", note: "against one TCP cubic", rate: 50e6, rtt: 20 * time.Millisecond, seconds: 20, after: 5, kind: wanRival},
	wanShort,
}

var wanShort = &wanScenario{name: "start", note: "time of a transfer after the handshake", rate: 100e6, rtt: 100 * time.Millisecond, kind: wanStart, sizes: []int64{100_000, 1_000_000}}

// link returns the path of one run. Its losses are the same for every contender
// in that run, as far as they send alike.
func (s *wanScenario) link(run int) link.Config {
	c := link.Symmetric(s.rate, s.rtt)
	c.Forward.Loss, c.Forward.Seed = s.loss, uint64(run+1)
	return c
}

func (s *wanScenario) String() string {
	t := fmt.Sprintf("%s: %d Mbit/s, %d ms, queue %d packets (1 BDP)", s.name, s.rate/1e6, s.rtt.Milliseconds(), link.BDP(s.rate, s.rtt))
	if s.loss > 0 {
		t += fmt.Sprintf(", %g %% random loss", 100*s.loss)
	}
	if s.note != "" {
		t += ", " + s.note
	}
	return t
}

// A wanEntry is a row of the tables: who sends and who receives.
type wanEntry struct{ sender, receiver string }

// wanDefaults are the rows unless -contenders says otherwise.
const wanDefaults = "udt,udt-native,udt-cubic,udt-bbr,tcp-cubic,tcp-bbr,quic,libudt,udt/libudt"

// parseWANEntry takes a contender's name, or two for a sender and a receiver
// that speak the same protocol: "udt/libudt".
func parseWANEntry(s string) wanEntry {
	sender, receiver, ok := strings.Cut(s, "/")
	if !ok {
		receiver = sender
	}
	return wanEntry{sender, receiver}
}

func (e wanEntry) String() string {
	if e.sender == e.receiver {
		return e.sender
	}
	return e.sender + "/" + e.receiver
}

// missing returns why the entry cannot run here, or "".
func (e wanEntry) missing() string {
	for _, name := range []string{e.sender, e.receiver} {
		c, err := contender(name)
		if err != nil {
			return err.Error()
		}
		if ok, why := c.does("bulk"); !ok {
			return why
		}
	}
	return ""
}

// wanOptions gives the contender called name the buffers that a long path takes
// where its own are smaller: the link is to be the limit. Ours, libudt's and the
// kernel's (see package link) are large enough.
func wanOptions(name string) Options {
	if name == "quic" {
		return Options{RecvBuffer: 32 << 20}
	}
	return Options{}
}
