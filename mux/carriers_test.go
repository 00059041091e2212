package mux_test

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	xnettest "golang.org/x/net/nettest"

	"github.com/udtgo/udtgo/mux"
	"github.com/udtgo/udtgo/nettest"
	"github.com/udtgo/udtgo/nettest/pipes"
	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
)

var messages = &udt.Config{Mode: udt.ModeMessage}

// protected has every packet encrypted.
var protected = &udt.Config{Mode: udt.ModeMessage, Security: &udt.Security{
	PSKs: []udt.PreSharedKey{{Identity: "mux", Key: bytes.Repeat([]byte{7}, 32)}},
}}

// lossy is a link that loses and reorders, without delay of its own.
var lossy = simnet.Link{Loss: 0.05, Reorder: 0.05, ReorderDelay: 2 * time.Millisecond}

func memoryPipe() (c1, c2 net.Conn, stop func(), err error) {
	c1, c2 = net.Pipe()
	return c1, c2, func() {
		c1.Close()
		c2.Close()
	}, nil
}

// messenger has only the methods that a connection of messages needs.
type messenger interface {
	net.Conn
	Mode() udt.Mode
	ReadMessage(b []byte) (int, error)
	WriteMessage(b []byte, opts udt.MessageOptions) error
}

// wrapped hides all other methods of connections.
func wrapped(m pipes.Maker) pipes.Maker {
	return func() (c1, c2 net.Conn, stop func(), err error) {
		if c1, c2, stop, err = m(); err != nil {
			return nil, nil, nil, err
		}
		type plain struct{ messenger }
		return plain{c1.(messenger)}, plain{c2.(messenger)}, stop, nil
	}
}

// carriers are what sessions run over in real time.
var carriers = []struct {
	name string
	make pipes.Maker
}{
	{"messages", pipes.Stream(messages)},
	{"messages, swapped", pipes.Swap(pipes.Stream(messages))},
	{"messages with loss", pipes.Relay(messages, lossy, lossy, 1)},
	{"protected messages", pipes.Stream(protected)},
	{"protected messages with loss", pipes.Relay(protected, lossy, lossy, 1)},
	{"wrapped messages", wrapped(pipes.Stream(messages))},
	{"stream", pipes.Stream(nil)},
	{"stream with loss", pipes.Relay(nil, lossy, lossy, 1)},
	{"TLS over UDT", pipes.TLS(pipes.Stream(nil))},
	{"TCP", pipes.TCP},
	{"net.Pipe", memoryPipe},
}

// far is a link of the kind that the library is made for.
var far = simnet.Link{
	Rate: 100e6, Delay: 25 * time.Millisecond, Loss: 0.05, Queue: 500,
	Reorder: 0.05, ReorderDelay: 5 * time.Millisecond, Duplicate: 0.01,
}

// virtual are carriers that work in a bubble.
var virtual = []struct {
	name string
	make pipes.Maker
}{
	{"messages", pipes.Simnet(messages, simnet.Config{Default: simnet.Link{Delay: time.Millisecond}})},
	{"messages with loss", pipes.Simnet(messages, simnet.Config{Default: far, Seed: 1})},
	{"protected messages with loss", pipes.Simnet(protected, simnet.Config{Default: far, Seed: 3})},
	{"stream with loss", pipes.Simnet(nil, simnet.Config{Default: far, Seed: 2})},
	{"net.Pipe", memoryPipe},
}

// Streams keep the promises of net.Conn over every carrier.
func TestConn(t *testing.T) {
	for _, c := range carriers {
		t.Run(c.name, func(t *testing.T) {
			if strings.Contains(c.name, "loss") {
				t.Parallel() // it mostly waits
			}
			xnettest.TestConn(t, pipes.Mux(c.make, nil))
		})
	}
}

// They keep them in virtual time too, where a lost wake-up ends the bubble as a
// deadlock.
func TestConnChecks(t *testing.T) {
	for _, c := range virtual {
		for _, check := range nettest.ConnChecks() {
			t.Run(c.name+"/"+check.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c1, c2, stop, err := pipes.Mux(c.make, nil)()
					require.NoError(t, err)
					check.Run(t, c1, c2)
					stop()
				})
			})
		}
	}
}

// sessions makes both sides of a session, which end with the test.
func sessions(t testing.TB, m pipes.Maker, config *mux.Config) (client, server *mux.Session) {
	t.Helper()
	client, server, stop, err := pipes.MuxSessions(m, config)
	require.NoError(t, err)
	t.Cleanup(stop)
	return client, server
}
