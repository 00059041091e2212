package nettest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest"
	"github.com/udtgo/udtgo/nettest/pipes"
	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
)

// Connections keep the promises of net.Conn in virtual time, where a lost wake-up
// ends the bubble as a deadlock, on good links and on bad ones.
func TestConnChecksUDT(t *testing.T) {
	ideal := simnet.Link{Delay: time.Millisecond}
	far := simnet.Link{
		Rate: 100e6, Delay: 25 * time.Millisecond, Loss: 0.05, Queue: 500,
		Reorder: 0.05, ReorderDelay: 5 * time.Millisecond, Duplicate: 0.01,
	}
	legacy := &udt.Config{DisableExtensions: true}
	messages := &udt.Config{Mode: udt.ModeMessage}
	protectedMessages := protected.Clone()
	protectedMessages.Mode = udt.ModeMessage
	for _, p := range []struct {
		name string
		make pipes.Maker
	}{
		{"dialed first", pipes.Simnet(nil, simnet.Config{Default: ideal})},
		{"accepted first", pipes.Swap(pipes.Simnet(nil, simnet.Config{Default: ideal}))},
		{"rendezvous", pipes.SimnetRendezvous(nil, simnet.Config{Default: ideal})},
		{"no delay", pipes.Simnet(nil, simnet.Config{})},
		{"loss, reordering, copies", pipes.Simnet(nil, simnet.Config{Default: far, Seed: 1})},
		{"rendezvous with loss", pipes.SimnetRendezvous(nil, simnet.Config{Default: far, Seed: 2})},
		{"legacy peers", pipes.Simnet(legacy, simnet.Config{Default: ideal})},
		{"legacy peers with loss", pipes.Simnet(legacy, simnet.Config{Default: far, Seed: 3})},
		{"protected", pipes.Simnet(protected, simnet.Config{Default: ideal})},
		{"protected, accepted first", pipes.Swap(pipes.Simnet(protected, simnet.Config{Default: ideal}))},
		{"protected rendezvous", pipes.SimnetRendezvous(protected, simnet.Config{Default: ideal})},
		{"protected, no delay", pipes.Simnet(protected, simnet.Config{})},
		{"protected, loss, reordering, copies", pipes.Simnet(protected, simnet.Config{Default: far, Seed: 4})},
		{"protected rendezvous with loss", pipes.SimnetRendezvous(protected, simnet.Config{Default: far, Seed: 5})},
		{"messages", pipes.Simnet(messages, simnet.Config{Default: ideal})},
		{"protected messages", pipes.Simnet(protectedMessages, simnet.Config{Default: ideal})},
		{"protected messages, loss, reordering, copies", pipes.Simnet(protectedMessages, simnet.Config{Default: far, Seed: 6})},
	} {
		for _, check := range nettest.ConnChecks() {
			t.Run(p.name+"/"+check.Name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c1, c2, stop, err := p.make()
					require.NoError(t, err)
					check.Run(t, c1, c2)
					stop()
				})
			})
		}
	}
}
