package interop_test

import (
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/interop"
	"github.com/udtgo/udtgo/udt"
)

// connectionLost is the reference's error for a connection that the peer shut
// down, or that died.
const connectionLost = 2001

// endless is more than any of these tests will transfer.
const endless = "4000000000000"

func TestWeClose(t *testing.T) {
	const size = 100_000
	forBothRoles(t, func(t *testing.T, r role) {
		t.Run("right after writing: the peer reads it all", func(t *testing.T) {
			conn, ref := scene{role: r, command: "recv"}.start(t)
			_, err := io.CopyN(conn, interop.Pattern(1), size)
			require.NoError(t, err)
			require.NoError(t, conn.Close())
			require.EqualValues(t, connectionLost, ref.Wait("EOF").Int(0))
			require.Equal(t, interop.PatternSum(1, size), ref.Expect("RECV").Sum())
			ref.Done()
		})
		t.Run("a peer that has not read yet can read it later", func(t *testing.T) {
			conn, ref := scene{role: r, command: "recv", args: opts("-delay 1000")}.start(t)
			_, err := io.CopyN(conn, interop.Pattern(1), size)
			require.NoError(t, err)
			require.NoError(t, conn.Close())
			require.Equal(t, interop.PatternSum(1, size), ref.Wait("RECV").Sum())
			ref.Done()
		})
		t.Run("while the peer waits for data", func(t *testing.T) {
			conn, ref := scene{role: r, command: "recv"}.start(t)
			ref.Wait("CONNECTED")
			require.NoError(t, conn.Close())
			require.EqualValues(t, connectionLost, ref.Expect("EOF").Int(0))
		})
		t.Run("while the peer sends", func(t *testing.T) {
			conn, ref := scene{role: r, command: "send", args: opts("-bytes " + endless)}.start(t)
			_, err := io.CopyN(io.Discard, conn, size)
			require.NoError(t, err)
			require.NoError(t, conn.Close())
			require.EqualValues(t, connectionLost, ref.Wait("ERROR").Int(0))
			ref.Wait("CLOSED")
		})
		t.Run("by Abort", func(t *testing.T) {
			conn, ref := scene{role: r, command: "send", args: opts("-bytes " + endless)}.start(t)
			_, err := io.CopyN(io.Discard, conn, size)
			require.NoError(t, err)
			require.NoError(t, conn.Abort())
			require.EqualValues(t, connectionLost, ref.Wait("ERROR").Int(0))
		})
	})
}

func TestThePeerCloses(t *testing.T) {
	const size = 100_000
	forBothRoles(t, func(t *testing.T, r role) {
		t.Run("after sending: we read it all, then EOF, and cannot write", func(t *testing.T) {
			conn, ref := scene{role: r, command: "send", args: opts("-bytes %d", size)}.start(t)
			ref.Wait("CLOSED") // so that everything is read after the shutdown
			sum, err := interop.SumOf(conn)
			require.NoError(t, err)
			require.Equal(t, interop.PatternSum(1, size), sum)
			_, err = conn.Read(make([]byte, 1))
			require.Equal(t, io.EOF, err)
			_, err = conn.Write([]byte{1})
			require.ErrorIs(t, err, syscall.EPIPE)
			require.NoError(t, conn.Close())
		})
		t.Run("while we wait for data", func(t *testing.T) {
			conn, _ := scene{role: r, command: "connect", args: opts("-delay 300")}.start(t)
			_, err := conn.Read(make([]byte, 1))
			require.Equal(t, io.EOF, err)
		})
		t.Run("while we send", func(t *testing.T) {
			conn, ref := scene{role: r, command: "recv", args: opts("-bytes %d", size)}.start(t)
			_, err := io.Copy(conn, interop.Pattern(1))
			require.ErrorIs(t, err, syscall.EPIPE)
			require.Equal(t, interop.PatternSum(1, size), ref.Wait("RECV").Sum())
		})
		t.Run("at the same time as we", func(t *testing.T) {
			conn, ref := scene{role: r, command: "connect"}.start(t)
			ref.Wait("CONNECTED")
			require.NoError(t, conn.Close())
			ref.Done()
		})
	})
}

// A peer that dies says nothing. We find out because what we send stays
// unanswered.
func TestThePeerVanishes(t *testing.T) {
	forBothRoles(t, func(t *testing.T, r role) {
		// Long enough for a peer that lives but has no CPU time to answer.
		conn, ref := scene{role: r, config: udt.Config{PeerTimeout: 5 * time.Second}, command: "echo"}.start(t)
		_, err := io.CopyN(conn, interop.Pattern(1), 1000)
		require.NoError(t, err)
		sum, err := interop.SumOf(io.LimitReader(conn, 1000))
		require.NoError(t, err)
		require.Equal(t, interop.PatternSum(1, 1000), sum)
		ref.Kill()
		_, err = io.Copy(conn, interop.Pattern(1))
		require.ErrorIs(t, err, udt.ErrPeerTimeout)
	})
}

// The reference gives up a peer that is silent for about 46 seconds. Ours is
// not, although neither program sends anything.
func TestIdleConnectionLives(t *testing.T) {
	if !*long {
		t.Skip("takes a minute: -interop.long")
	}
	forBothRoles(t, func(t *testing.T, r role) {
		t.Parallel()
		conn, ref := scene{
			role: r, limit: 100 * time.Second,
			command: "send", args: opts("-delay 65000 -bytes 1000"),
		}.start(t)
		sum, err := interop.SumOf(conn)
		require.NoError(t, err)
		require.Equal(t, interop.PatternSum(1, 1000), sum)
		ref.Done()
	})
}
