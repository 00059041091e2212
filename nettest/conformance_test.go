package nettest_test

import (
	"bytes"
	"testing"
	"time"

	xnettest "golang.org/x/net/nettest"

	"github.com/udtgo/udtgo/nettest/pipes"
	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
)

// protected is a Config with which every packet is sealed.
var protected = &udt.Config{Security: &udt.Security{
	PSKs: []udt.PreSharedKey{{Identity: "nettest", Key: bytes.Repeat([]byte{7}, 32)}},
}}

// lossy is a link that loses and reorders, without delay of its own.
var lossy = simnet.Link{Loss: 0.05, Reorder: 0.05, ReorderDelay: 2 * time.Millisecond}

// Every kind of connection keeps the promises of net.Conn in real time.
func TestConn(t *testing.T) {
	for _, p := range []struct {
		name string
		make pipes.Maker
	}{
		{"dialed first", pipes.Stream(nil)},
		{"accepted first", pipes.Swap(pipes.Stream(nil))},
		{"rendezvous", pipes.Rendezvous(nil)},
		{"relay with loss and reordering", pipes.Relay(nil, lossy, lossy, 1)},
		{"simnet", pipes.Simnet(pipes.Patient(nil), simnet.Config{})},
		{"protected, dialed first", pipes.Stream(protected)},
		{"protected, accepted first", pipes.Swap(pipes.Stream(protected))},
		{"protected rendezvous", pipes.Rendezvous(protected)},
		{"relay with loss and reordering, protected", pipes.Relay(protected, lossy, lossy, 1)},
		{"protected simnet", pipes.Simnet(pipes.Patient(protected), simnet.Config{})},
	} {
		t.Run(p.name, func(t *testing.T) { xnettest.TestConn(t, p.make) })
	}
}
