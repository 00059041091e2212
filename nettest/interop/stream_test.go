package interop_test

import (
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/interop"
	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
)

// sendToReference sends n bytes, closes, and requires that the driver has
// read them all.
func sendToReference(t *testing.T, s scene, n int64) {
	t.Helper()
	s.command = "recv"
	conn, ref := s.start(t)
	_, err := io.CopyN(conn, interop.Pattern(3), n)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.Equal(t, interop.PatternSum(3, n), ref.Wait("RECV").Sum())
	t.Log("reference:", ref.Wait("STATS"))
	ref.Done()
}

// receiveFromReference reads what the driver sends until it closes.
func receiveFromReference(t *testing.T, s scene, n int64) {
	t.Helper()
	s.command, s.args = "send", append(s.args, opts("-flush 1 -seed 3 -bytes %d", n)...)
	conn, ref := s.start(t)
	sum, err := interop.SumOf(conn)
	require.Equal(t, interop.PatternSum(3, n), sum, "reading ended with %v", err)
	if s.link != nil && err != nil {
		require.ErrorIs(t, err, udt.ErrPeerTimeout, "the reference sends its shutdown once: it may have been lost")
	} else {
		require.NoError(t, err)
	}
	t.Log("reference:", ref.Wait("STATS"))
	ref.Done()
}

// exchangeWithReference sends and receives n bytes at the same time.
func exchangeWithReference(t *testing.T, s scene, n int64) {
	t.Helper()
	// Its close must not give up what a slow path still carries.
	s.command, s.args = "both", append(s.args, opts("-linger 300 -seed 3 -bytes %d", n)...)
	conn, ref := s.start(t)
	sent := make(chan error, 1)
	go func() {
		_, err := io.CopyN(conn, interop.Pattern(3), n)
		sent <- err
	}()
	sum, err := interop.SumOf(io.LimitReader(conn, n))
	require.NoError(t, <-sent)
	require.NoError(t, err)
	require.Equal(t, interop.PatternSum(3, n), sum)
	require.NoError(t, conn.Close())
	sums := 0
	for _, e := range ref.Events() {
		switch e.Name {
		case "SENT", "RECV":
			require.Equal(t, interop.PatternSum(3, n), e.Sum(), e.Name)
			sums++
		case "STATS":
			t.Log("reference:", e)
		}
	}
	require.Equal(t, 2, sums, "the driver has sent and received")
	ref.Done()
}

// transfers are the three above.
var transfers = []struct {
	name string
	run  func(t *testing.T, s scene, n int64)
}{
	{"sending", sendToReference},
	{"receiving", receiveFromReference},
	{"both at once", exchangeWithReference},
}

func TestStream(t *testing.T) {
	size := int64(100_000_000)
	if testing.Short() {
		size /= 10
	}
	forBothRoles(t, func(t *testing.T, r role) {
		for _, transfer := range transfers {
			t.Run(transfer.name, func(t *testing.T) { transfer.run(t, scene{role: r}, size) })
		}
	})
}

// Small transfers end in the middle of everything: of a packet, of the first
// window, of the first acknowledgement period.
func TestShortStream(t *testing.T) {
	forBothRoles(t, func(t *testing.T, r role) {
		for _, size := range []int64{1, 1456, 1457, 16 * 1456, 50_000} {
			for _, transfer := range transfers {
				t.Run(fmt.Sprintf("%s %d bytes", transfer.name, size), func(t *testing.T) {
					t.Parallel()
					transfer.run(t, scene{role: r}, size)
				})
			}
		}
	})
}

func TestStreamThroughLoss(t *testing.T) {
	for _, tt := range []struct {
		name        string
		link        simnet.Link
		short, full int64
	}{
		{"1 % loss", simnet.Link{Delay: 2 * time.Millisecond, Loss: 0.01}, 2_000_000, 20_000_000},
		{"5 % loss", simnet.Link{Delay: 2 * time.Millisecond, Loss: 0.05}, 300_000, 5_000_000},
		{"reordering and duplicates", simnet.Link{
			Delay: 2 * time.Millisecond, Reorder: 0.01, ReorderDelay: time.Millisecond, Duplicate: 0.01,
		}, 2_000_000, 20_000_000},
	} {
		size, limit := tt.short, 55*time.Second
		if *long {
			size, limit = tt.full, 5*time.Minute
		}
		t.Run(tt.name, func(t *testing.T) {
			forBothRoles(t, func(t *testing.T, r role) {
				for _, transfer := range transfers {
					t.Run(transfer.name, func(t *testing.T) {
						transfer.run(t, scene{role: r, link: &tt.link, limit: limit}, size)
					})
				}
			})
		})
	}
}

// The two sides need not agree on anything but the protocol. In rendezvous the
// reference takes over our packet size whatever its own is, and states ours in
// its later handshakes: we must send no larger packets than the smallest it
// ever stated, for it cuts off the rest, and must take as large ones as ours.
func TestStreamParameters(t *testing.T) {
	usual := []role{dialing, listening}
	for _, tt := range []struct {
		name  string
		roles []role
		s     scene
	}{
		{"their smaller packets", append(usual, rendezvous), scene{args: opts("-mss 1000")}},
		{"our smaller packets", append(usual, rendezvous), scene{config: udt.Config{MSS: 1000}}},
		{"their small window", usual, scene{args: opts("-fc 64 -sndbuf 100000 -rcvbuf 100000")}},
		{"our small window", usual, scene{config: udt.Config{FlowWindow: 64, SendBuffer: 100_000, RecvBuffer: 100_000}}},
		{"their late reader", usual, scene{args: opts("-delay 1500 -rcvbuf 200000")}},
		{"their limited rate", usual, scene{args: opts("-maxbw 2000000")}},
		{"our limited rate", usual, scene{config: udt.Config{MaxBandwidth: 2_000_000}}},
		{"IPv6", append(usual, rendezvous), scene{host: "::1", args: opts("-mss 1480")}},
	} {
		for _, r := range tt.roles {
			for _, transfer := range transfers {
				t.Run(fmt.Sprintf("%s %s %s", tt.name, r, transfer.name), func(t *testing.T) {
					t.Parallel()
					if tt.s.host != "" {
						needHost(t, tt.s.host)
					}
					s := tt.s
					s.role = r
					transfer.run(t, s, 1_000_003)
				})
			}
		}
	}
}

// Our reader comes late: the reference must stop at our window and go on when
// it opens.
func TestOurLateReader(t *testing.T) {
	forBothRoles(t, func(t *testing.T, r role) {
		const size = 4_000_000
		conn, ref := scene{
			role: r, config: udt.Config{RecvBuffer: 200_000},
			command: "send", args: opts("-sndbuf 12000000 -bytes %d", size),
		}.start(t)
		ref.Wait("SENT") // everything is in its send buffer, most of it more than we take
		sum, err := interop.SumOf(conn)
		require.NoError(t, err)
		require.Equal(t, interop.PatternSum(1, size), sum)
		ref.Done()
	})
}

// The library's file calls are a stream like any other.
func TestFile(t *testing.T) {
	const size = 20_000_003
	forBothRoles(t, func(t *testing.T, r role) {
		t.Run("recvfile", func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			conn, ref := scene{role: r, command: "recvfile", args: opts("-bytes %d -file %s", size, out)}.start(t)
			_, err := io.CopyN(conn, interop.Pattern(5), size)
			require.NoError(t, err)
			require.NoError(t, conn.Close())
			require.EqualValues(t, size, ref.Wait("RECV").Int(0))
			ref.Done()
			got, err := interop.FileSum(out)
			require.NoError(t, err)
			require.Equal(t, interop.PatternSum(5, size), got)
		})
		t.Run("sendfile", func(t *testing.T) {
			in := writePattern(t, 5, size)
			conn, ref := scene{role: r, command: "sendfile", args: opts("-bytes %d -file %s", size, in)}.start(t)
			sum, err := interop.SumOf(conn)
			require.NoError(t, err)
			require.Equal(t, interop.PatternSum(5, size), sum)
			ref.Done()
		})
	})
}
