package nettest_test

import (
	"bytes"
	"testing"
	"time"

	xnettest "golang.org/x/net/nettest"

	"github.com/udtgo/udtgo/nettest"
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
		make nettest.MakePipe
	}{
		{"dialed first", nettest.StreamPipe(nil)},
		{"accepted first", nettest.SwapPipe(nettest.StreamPipe(nil))},
		{"rendezvous", nettest.RendezvousPipe(nil)},
		{"relay with loss and reordering", nettest.RelayPipe(nil, lossy, lossy, 1)},
		{"simnet", nettest.SimnetPipe(nettest.Patient(nil), simnet.Config{})},
		{"protected, dialed first", nettest.StreamPipe(protected)},
		{"protected, accepted first", nettest.SwapPipe(nettest.StreamPipe(protected))},
		{"protected rendezvous", nettest.RendezvousPipe(protected)},
		{"relay with loss and reordering, protected", nettest.RelayPipe(protected, lossy, lossy, 1)},
		{"protected simnet", nettest.SimnetPipe(nettest.Patient(protected), simnet.Config{})},
	} {
		t.Run(p.name, func(t *testing.T) { xnettest.TestConn(t, p.make) })
	}
}
