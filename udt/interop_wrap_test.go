package udt_test

import (
	"flag"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest"
	"github.com/udtgo/udtgo/nettest/interop"
	"github.com/udtgo/udtgo/nettest/pipes"
	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
)

var interopRequired = flag.Bool("interop.required", false, "fail, instead of skipping, where the reference library is missing")

// The accepting side starts at the number of the side that dials, so when ours
// dials just below 2^31, the numbers of both directions wrap around early in
// the transfer: in data, ACKs, and through a lossy path in NAKs.
const (
	nearWrap     = 1<<31 - 100
	pastTheWrap  = 1_000_003 // bytes, hundreds of packets
	wrapDeadline = 50 * time.Second
)

// initControl notes at which number a connection starts.
type initControl struct {
	udt.CongestionControl
	first chan<- int64
}

func (c initControl) Init(now time.Time, s *udt.CongestionState) {
	c.first <- s.NextPacket
	c.CongestionControl.Init(now, s)
}

// dialNearWrap connects to a driver that listens, over a path with the given
// loss.
func dialNearWrap(t *testing.T, mode udt.Mode, loss float64, command string) (*udt.Conn, *interop.Proc) {
	t.Helper()
	driver := interop.Build(t, *interopRequired)
	kind := "stream"
	if mode == udt.ModeMessage {
		kind = "msg"
	}
	ref := driver.Start(t, strings.Fields(fmt.Sprintf("%s -role listen -type %s", command, kind))...)
	address := ref.Addr()
	if loss > 0 {
		link := simnet.Link{Delay: 2 * time.Millisecond, Loss: loss}
		relay, err := nettest.NewRelay(nettest.RelayConfig{Target: address, Up: link, Down: link, Seed: 1})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, relay.Close()) })
		address = relay.Addr().String()
	}
	first := make(chan int64, 1)
	config := &udt.Config{Mode: mode, CongestionControl: func() udt.CongestionControl {
		return initControl{udt.NewNative(), first}
	}}
	udt.SetInitialNumber(config, nearWrap)
	conn, err := udt.Dial("udt", address, pipes.Patient(config))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Abort() })
	require.EqualValues(t, nearWrap, <-first)
	require.NoError(t, conn.SetDeadline(time.Now().Add(wrapDeadline)))
	return conn, ref
}

func TestNumbersWrapTowardsTheReference(t *testing.T) {
	t.Cleanup(func() { require.NoError(t, interop.Cleanup()) })
	for _, loss := range []float64{0, 0.01} {
		t.Run(fmt.Sprintf("we send, loss %v", loss), func(t *testing.T) {
			conn, ref := dialNearWrap(t, udt.ModeStream, loss, "recv")
			_, err := io.CopyN(conn, interop.Pattern(3), pastTheWrap)
			require.NoError(t, err)
			require.NoError(t, conn.Close())
			require.Equal(t, interop.PatternSum(3, pastTheWrap), ref.Wait("RECV").Sum())
			ref.Done()
		})
		t.Run(fmt.Sprintf("it sends, loss %v", loss), func(t *testing.T) {
			conn, ref := dialNearWrap(t, udt.ModeStream, loss, fmt.Sprintf("send -seed 3 -bytes %d", pastTheWrap))
			sum, err := interop.SumOf(io.LimitReader(conn, pastTheWrap))
			require.NoError(t, err)
			require.Equal(t, interop.PatternSum(3, pastTheWrap), sum)
			ref.Done()
		})
	}
	t.Run("messages both ways", func(t *testing.T) {
		const size, count = 50_000, 10
		conn, ref := dialNearWrap(t, udt.ModeMessage, 0, fmt.Sprintf("echo -count %d", count))
		for i := range count {
			out, in := make([]byte, size), make([]byte, size+1)
			_, err := io.ReadFull(interop.Pattern(uint64(i)), out)
			require.NoError(t, err)
			require.NoError(t, conn.WriteMessage(out, udt.MessageOptions{}))
			n, err := conn.ReadMessage(in)
			require.NoError(t, err)
			require.True(t, string(out) == string(in[:n]), "message %d came back changed", i)
		}
		ref.Done()
	})
}
