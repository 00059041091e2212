package nettest

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/udtgo/udtgo/nettest/internal/require"
)

// writeUntilError writes small messages until WriteTo fails. A reliable transport blocks on the way, as nobody reads.
func writeUntilError(c net.PacketConn, to net.Addr) ioResult {
	p := make([]byte, 1024)
	for {
		if n, err := c.WriteTo(p, to); err != nil {
			return ioResult{n: n, err: err}
		}
	}
}

// drainUntilError reads and throws away until ReadFrom fails.
func drainUntilError(c net.PacketConn) error {
	buf := make([]byte, 64<<10)
	for {
		if _, _, err := c.ReadFrom(buf); err != nil {
			return err
		}
	}
}

func checkPacketPastReadDeadline(t *testing.T, c1, c2 net.PacketConn, _ PacketOptions) {
	// The first of two messages has arrived, so the second is there or on its way: a past deadline wins over it.
	send(t, c2, []byte("first"), c1.LocalAddr())
	send(t, c2, []byte("second"), c1.LocalAddr())
	buf := make([]byte, 64)
	require.NoError(t, receive(t, c1, buf).err)

	require.NoError(t, c1.SetReadDeadline(longAgo))
	r := receive(t, c1, buf)
	requireTimeout(t, r.err)
	require.Zero(t, r.n)
	send(t, c1, []byte("the other side works"), c2.LocalAddr())

	require.NoError(t, c1.SetReadDeadline(noDeadline))
	r = receive(t, c1, buf)
	require.NoError(t, r.err)
	require.Equal(t, "second", string(buf[:r.n]), "a timeout loses no message")
}

func checkPacketPastWriteDeadline(t *testing.T, c1, c2 net.PacketConn, _ PacketOptions) {
	requireExchange(t, c1, c2)
	for _, set := range []func(time.Time) error{c1.SetWriteDeadline, c1.SetDeadline} {
		require.NoError(t, set(longAgo))
		r := start(func() ioResult {
			n, err := c1.WriteTo([]byte("never sent"), c2.LocalAddr())
			return ioResult{n: n, err: err}
		}).wait(t, "WriteTo with a past deadline")
		requireTimeout(t, r.err)
		require.Zero(t, r.n)
		require.NoError(t, set(noDeadline))
		requireExchange(t, c1, c2)
	}
}

func checkPacketPresentReadDeadline(t *testing.T, c1, c2 net.PacketConn, _ PacketOptions) {
	buf := make([]byte, 64)
	read := start(func() ioResult {
		n, addr, err := c1.ReadFrom(buf)
		return ioResult{n, addr, err}
	})
	read.waitBlocked(t, "ReadFrom")
	require.NoError(t, c1.SetReadDeadline(longAgo))
	r := read.wait(t, "ReadFrom after its deadline was set into the past")
	requireTimeout(t, r.err)
	require.Zero(t, r.n)

	require.NoError(t, c1.SetDeadline(noDeadline))
	requireExchange(t, c1, c2)
}

func checkPacketFutureDeadlines(t *testing.T, c1, c2 net.PacketConn, _ PacketOptions) {
	require.NoError(t, c1.SetDeadline(time.Now().Add(100*time.Millisecond)))
	read := start(func() error { return drainUntilError(c1) })
	write := start(func() ioResult { return writeUntilError(c1, c2.LocalAddr()) })
	requireTimeout(t, read.wait(t, "ReadFrom with a deadline"))
	requireTimeout(t, write.wait(t, "WriteTo with a deadline").err)

	// A deadline that is moved before it passes does not fire.
	require.NoError(t, c1.SetReadDeadline(time.Now().Add(time.Hour)))
	require.NoError(t, c1.SetReadDeadline(noDeadline))
	require.NoError(t, c1.SetWriteDeadline(noDeadline))
	send(t, c2, []byte("still here"), c1.LocalAddr())
	buf := make([]byte, 64)
	r := receive(t, c1, buf)
	require.NoError(t, r.err)
	require.Equal(t, "still here", string(buf[:r.n]))
}

func checkPacketCloseUnblocksRead(t *testing.T, c1, _ net.PacketConn, _ PacketOptions) {
	read := start(func() error { return drainUntilError(c1) })
	read.waitBlocked(t, "ReadFrom")
	require.NoError(t, c1.Close())
	err := read.wait(t, "ReadFrom after Close")
	requireClosed(t, err)
	requireNotTemporary(t, err)
	requireClosed(t, receive(t, c1, make([]byte, 16)).err)
}

func checkPacketCloseEndsWrite(t *testing.T, c1, c2 net.PacketConn, _ PacketOptions) {
	requireExchange(t, c1, c2)
	write := start(func() ioResult { return writeUntilError(c1, c2.LocalAddr()) })
	require.NoError(t, start(c1.Close).wait(t, "Close while messages are written"))
	requireClosed(t, write.wait(t, "WriteTo after Close").err)
	require.Error(t, c1.SetDeadline(noDeadline), "SetDeadline after Close")
}

func checkPacketCloseTwice(t *testing.T, c1, c2 net.PacketConn, _ PacketOptions) {
	requireExchange(t, c1, c2)
	var calls []*call[error]
	for range 20 {
		calls = append(calls, start(c1.Close))
	}
	for _, c := range calls {
		if err := c.wait(t, "one of many Close calls"); err != nil {
			require.ErrorIs(t, err, net.ErrClosed, "Close after Close")
		}
	}
}

// checkPacketRacyReaders lets the race detector see a transport that keeps a buffer after ReadFrom returned.
func checkPacketRacyReaders(t *testing.T, c1, c2 net.PacketConn, _ PacketOptions) {
	writer := start(func() ioResult { return writeUntilError(c2, c1.LocalAddr()) })
	var readers []*call[error]
	for range 8 {
		readers = append(readers, start(func() error {
			mine, scratch := make([]byte, 1024), make([]byte, 1024)
			for range 100 {
				_ = c1.SetReadDeadline(time.Now().Add(time.Millisecond))
				_, _, err := c1.ReadFrom(mine)
				copy(mine, scratch)
				if ne, ok := err.(net.Error); err != nil && (!ok || !ne.Timeout()) {
					return err
				}
			}
			return nil
		}))
	}
	for _, r := range readers {
		require.NoError(t, r.wait(t, "reader"))
	}
	require.NoError(t, c2.SetWriteDeadline(longAgo))
	requireTimeout(t, writer.wait(t, "writer").err)
}

// checkPacketRacyWriters does the same for WriteTo, and looks at what arrives: only whole messages as they were when
// WriteTo was called.
func checkPacketRacyWriters(t *testing.T, c1, c2 net.PacketConn, _ PacketOptions) {
	const poison = 0xff
	reader := start(func() error {
		buf := make([]byte, 2048)
		for {
			n, _, err := c2.ReadFrom(buf)
			if err != nil {
				return err
			}
			for _, b := range buf[:n] {
				if b == poison || b != buf[0] {
					return errMixedMessage
				}
			}
		}
	})
	var writers []*call[error]
	for id := range byte(8) {
		writers = append(writers, start(func() error {
			p := make([]byte, 1024)
			for range 100 {
				fill(p, id)
				_, err := c1.WriteTo(p, c2.LocalAddr())
				fill(p, poison)
				if err != nil {
					return err
				}
			}
			return nil
		}))
	}
	for _, w := range writers {
		require.NoError(t, w.wait(t, "writer"))
	}
	require.NoError(t, c2.SetReadDeadline(longAgo))
	requireTimeout(t, reader.wait(t, "reader"))
}

// checkPacketConcurrentMethods calls everything at once. The results mean nothing; the race detector watches, and the
// connection works afterwards.
func checkPacketConcurrentMethods(t *testing.T, c1, c2 net.PacketConn, _ PacketOptions) {
	echo := start(func() error { return drainUntilError(c2) })
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { _, _, _ = c1.ReadFrom(make([]byte, 1024)) })
		wg.Go(func() { _, _ = c1.WriteTo(make([]byte, 1024), c2.LocalAddr()) })
		wg.Go(func() { _ = c1.SetDeadline(time.Now().Add(10 * time.Millisecond)) })
		wg.Go(func() { _ = c1.SetReadDeadline(longAgo) })
		wg.Go(func() { _ = c1.SetWriteDeadline(longAgo) })
		wg.Go(func() { _ = c1.LocalAddr() })
	}
	all := start(func() bool { wg.Wait(); return true })
	all.wait(t, "concurrent calls with deadlines")

	require.NoError(t, c2.SetReadDeadline(longAgo))
	requireTimeout(t, echo.wait(t, "reader"))
	require.NoError(t, c1.SetDeadline(noDeadline))
	require.NoError(t, c2.SetDeadline(noDeadline))
	send(t, c2, []byte("alive"), c1.LocalAddr())
	buf := make([]byte, 2048)
	r := receive(t, c1, buf)
	require.NoError(t, r.err)
	require.Equal(t, "alive", string(buf[:r.n]))
}
