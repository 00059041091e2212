package nettest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest"
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
		make nettest.MakePipe
	}{
		{"dialed first", nettest.SimnetPipe(nil, simnet.Config{Default: ideal})},
		{"accepted first", nettest.SwapPipe(nettest.SimnetPipe(nil, simnet.Config{Default: ideal}))},
		{"rendezvous", nettest.SimnetRendezvousPipe(nil, simnet.Config{Default: ideal})},
		{"no delay", nettest.SimnetPipe(nil, simnet.Config{})},
		{"loss, reordering, copies", nettest.SimnetPipe(nil, simnet.Config{Default: far, Seed: 1})},
		{"rendezvous with loss", nettest.SimnetRendezvousPipe(nil, simnet.Config{Default: far, Seed: 2})},
		{"legacy peers", nettest.SimnetPipe(legacy, simnet.Config{Default: ideal})},
		{"legacy peers with loss", nettest.SimnetPipe(legacy, simnet.Config{Default: far, Seed: 3})},
		{"protected", nettest.SimnetPipe(protected, simnet.Config{Default: ideal})},
		{"protected, accepted first", nettest.SwapPipe(nettest.SimnetPipe(protected, simnet.Config{Default: ideal}))},
		{"protected rendezvous", nettest.SimnetRendezvousPipe(protected, simnet.Config{Default: ideal})},
		{"protected, no delay", nettest.SimnetPipe(protected, simnet.Config{})},
		{"protected, loss, reordering, copies", nettest.SimnetPipe(protected, simnet.Config{Default: far, Seed: 4})},
		{"protected rendezvous with loss", nettest.SimnetRendezvousPipe(protected, simnet.Config{Default: far, Seed: 5})},
		{"messages", nettest.SimnetPipe(messages, simnet.Config{Default: ideal})},
		{"protected messages", nettest.SimnetPipe(protectedMessages, simnet.Config{Default: ideal})},
		{"protected messages, loss, reordering, copies", nettest.SimnetPipe(protectedMessages, simnet.Config{Default: far, Seed: 6})},
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
