package interop_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/interop"
	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
)

// messageSizes has the edges of one packet (1456 bytes), of two, and sizes up
// to what takes hundreds.
var messageSizes = []int64{1, 2, 1455, 1456, 1457, 2912, 2913, 10_000, 100_000, 1_000_000, 1 << 20, 1}

// messageSums are the sums of messages of these sizes, the i-th of which
// holds the pattern of 1 + i.
func messageSums(sizes []int64) []interop.Sum {
	sums := make([]interop.Sum, len(sizes))
	for i, size := range sizes {
		sums[i] = interop.PatternSum(1+uint64(i), size)
	}
	return sums
}

func writeMessages(tb testing.TB, conn *udt.Conn, sizes []int64, o udt.MessageOptions) {
	tb.Helper()
	for i, size := range sizes {
		b := make([]byte, size)
		_, err := io.ReadFull(interop.Pattern(1+uint64(i)), b)
		require.NoError(tb, err)
		require.NoError(tb, conn.WriteMessage(b, o))
	}
}

// readMessages reads until the peer closes or the connection fails, and
// returns the error that ended it.
func readMessages(conn *udt.Conn) (sums []interop.Sum, err error) {
	b := make([]byte, 2<<20)
	for {
		n, err := conn.ReadMessage(b)
		if err != nil {
			return sums, err
		}
		sums = append(sums, sumOfBytes(b[:n]))
	}
}

func sumOfBytes(b []byte) interop.Sum {
	sum, _ := interop.SumOf(bytes.NewReader(b)) // memory does not fail
	return sum
}

// messagesOf returns the sums of the messages that the driver read.
func messagesOf(events []interop.Event) (sums []interop.Sum) {
	for _, e := range events {
		if e.Name == "MSG" {
			sums = append(sums, e.Sum())
		}
	}
	return sums
}

// A reader of the reference that waits for a message loses it if our Shutdown comes
// before it has run again. It may not run for longer than Close gives it, so these
// tests close when it has said that it has the last message.

func TestMessages(t *testing.T) {
	many := make([]int64, 300)
	for i := range many {
		many[i] = int64(i * 11)
	}
	many = many[1:] // an empty message does not exist
	for _, tt := range []struct {
		name    string
		sizes   []int64
		ordered bool
		link    *simnet.Link
	}{
		{"ordered", messageSizes, true, nil},
		{"unordered", messageSizes, false, nil},
		{"ordered through loss", many, true, &simnet.Link{Delay: 2 * time.Millisecond, Loss: 0.01}},
		{"unordered through loss", many, false, &simnet.Link{Delay: 2 * time.Millisecond, Loss: 0.01}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := messageSums(tt.sizes)
			compare := func(t *testing.T, got []interop.Sum) {
				t.Helper()
				if tt.ordered {
					require.Equal(t, want, got)
				} else {
					require.ElementsMatch(t, want, got)
				}
			}
			forBothRoles(t, func(t *testing.T, r role) {
				s := scene{role: r, config: udt.Config{Mode: udt.ModeMessage}, link: tt.link}
				t.Run("sending", func(t *testing.T) {
					s := s
					s.command = "recv"
					conn, ref := s.start(t)
					writeMessages(t, conn, tt.sizes, udt.MessageOptions{Unordered: !tt.ordered})
					var got []interop.Sum
					for range tt.sizes {
						got = append(got, ref.Wait("MSG").Sum())
					}
					require.NoError(t, conn.Close())
					compare(t, append(got, messagesOf(ref.Events())...))
					ref.Done()
				})
				t.Run("receiving", func(t *testing.T) {
					s := s
					ordered := 0
					if tt.ordered {
						ordered = 1
					}
					s.command, s.args = "send", opts("-count 1 -ordered %d -sizes %s", ordered, join(tt.sizes))
					conn, ref := s.start(t)
					got, err := readMessages(conn)
					compare(t, got)
					if tt.link == nil || err == io.EOF {
						require.Equal(t, io.EOF, err)
					} else {
						require.ErrorIs(t, err, udt.ErrPeerTimeout, "the reference sends its shutdown once: it may have been lost")
					}
					ref.Done()
				})
			})
		})
	}
}

// Many of the messages expire before the slow path has carried them. The
// reference obeys our drop requests: what it delivers is whole, in order, and
// ends with the message that does not expire.
func TestMessagesThatExpire(t *testing.T) {
	forBothRoles(t, func(t *testing.T, r role) {
		conn, ref := scene{
			role: r, config: udt.Config{Mode: udt.ModeMessage},
			link:    &simnet.Link{Rate: 1_000_000, Delay: time.Millisecond, Queue: 20},
			command: "recv",
		}.start(t)
		sizes := make([]int64, 101)
		for i := range sizes {
			sizes[i] = 10_000
		}
		writeMessages(t, conn, sizes[:100], udt.MessageOptions{TTL: 50 * time.Millisecond})
		last := make([]byte, 777)
		require.NoError(t, conn.WriteMessage(last, udt.MessageOptions{}))
		var got []interop.Sum
		for len(got) == 0 || got[len(got)-1] != sumOfBytes(last) {
			got = append(got, ref.Wait("MSG").Sum())
		}
		require.NoError(t, conn.Close())

		got = append(got, messagesOf(ref.Events())...)
		require.Less(t, len(got), 101, "some have expired")
		require.Equal(t, sumOfBytes(last), got[len(got)-1])
		requireSubsequence(t, messageSums(sizes[:100]), got[:len(got)-1])
		ref.Done()
	})
}

// requireSubsequence requires that got is want with some left out.
func requireSubsequence(tb testing.TB, want, got []interop.Sum) {
	tb.Helper()
	for _, sum := range got {
		for len(want) > 0 && want[0] != sum {
			want = want[1:]
		}
		require.NotEmpty(tb, want, "%v was not sent, or not in this place", sum)
		want = want[1:]
	}
}

// A message that expires in the reference's send buffer corrupts what it says
// about the following ones (off-by-one ranges, numbers that never existed), so
// not all of them can arrive. What does is whole, and the connection ends.
func TestTheirMessagesThatExpire(t *testing.T) {
	forBothRoles(t, func(t *testing.T, r role) {
		sizes := make([]int64, 100)
		for i := range sizes {
			sizes[i] = 10_000
		}
		conn, ref := scene{
			role: r, config: udt.Config{Mode: udt.ModeMessage},
			link:    &simnet.Link{Rate: 1_000_000, Delay: time.Millisecond, Queue: 20},
			command: "send", args: opts("-count 1 -ttl 50 -linger 5 -sizes %s", join(sizes)),
		}.start(t)
		got, err := readMessages(conn)
		if err != io.EOF && !errors.Is(err, udt.ErrReset) {
			require.ErrorIs(t, err, udt.ErrPeerTimeout)
		}
		require.NotEmpty(t, got)
		requireSubsequence(t, messageSums(sizes), got)
		ref.Done()
	})
}

// A message's time to live does not matter where nothing is late.
func TestMessagesInTime(t *testing.T) {
	forBothRoles(t, func(t *testing.T, r role) {
		conn, ref := scene{
			role: r, config: udt.Config{Mode: udt.ModeMessage},
			command: "send", args: opts("-count 1 -ttl 30000 -sizes %s", join(messageSizes)),
		}.start(t)
		got, err := readMessages(conn)
		require.Equal(t, io.EOF, err)
		require.Equal(t, messageSums(messageSizes), got)
		ref.Done()
	})
}
