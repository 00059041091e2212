package nettest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/udtgo/udtgo/nettest/internal/require"
)

// A ConnCheck is one of the promises of net.Conn.
type ConnCheck struct {
	// Name is the name of the subtest of golang.org/x/net/nettest.TestConn that checks the same promise.
	Name string

	// Run checks it on a new connection: what is written to c1 is read from c2, and the other way round. It closes
	// both, and returns when all its goroutines have ended. It calls none of t's methods that a testing/synctest
	// bubble forbids.
	Run func(t testing.TB, c1, c2 net.Conn)
}

// ConnChecks returns the eleven checks that golang.org/x/net/nettest.TestConn makes, in a form that runs inside a
// testing/synctest bubble, one bubble for each, where TestConn cannot run because it calls t.Run. They sleep, which
// costs nothing in a bubble, and they rely on its clock: a check that hangs ends as a deadlock of the bubble. The
// connections, and all that is under them, must have been made in the bubble.
func ConnChecks() []ConnCheck {
	return []ConnCheck{
		{"BasicIO", connCheck(checkBasicIO)},
		{"PingPong", connCheck(checkPingPong)},
		{"RacyRead", connCheck(checkRacyRead)},
		{"RacyWrite", connCheck(checkRacyWrite)},
		{"ReadTimeout", connCheck(checkReadTimeout)},
		{"WriteTimeout", connCheck(checkWriteTimeout)},
		{"PastTimeout", connCheck(checkPastTimeout)},
		{"PresentTimeout", connCheck(checkPresentTimeout)},
		{"FutureTimeout", connCheck(checkFutureTimeout)},
		{"CloseTimeout", connCheck(checkCloseTimeout)},
		{"ConcurrentMethods", connCheck(checkConcurrentMethods)},
	}
}

// connRun is one run of a check: the connection, the goroutines it started and the first thing that went wrong in them.
type connRun struct {
	testing.TB
	c1, c2 net.Conn
	wg     sync.WaitGroup

	mu   sync.Mutex
	errs []error
}

// connCheck wraps a check so that it ends with both connections closed, its goroutines gone and their errors reported.
func connCheck(f func(r *connRun)) func(t testing.TB, c1, c2 net.Conn) {
	return func(t testing.TB, c1, c2 net.Conn) {
		r := &connRun{TB: t, c1: c1, c2: c2}
		defer func() {
			_ = c1.Close()
			_ = c2.Close()
			r.wg.Wait()
			require.NoError(t, errors.Join(r.errs...))
		}()
		f(r)
	}
}

// do runs f in a goroutine; what it returns is an error of the check.
func (r *connRun) do(f func() error) {
	r.wg.Go(func() {
		if err := f(); err != nil {
			r.mu.Lock()
			r.errs = append(r.errs, err)
			r.mu.Unlock()
		}
	})
}

// background runs f in a goroutine that ends when the connections are closed; how it ends does not matter.
func (r *connRun) background(f func()) { r.wg.Go(f) }

// echo sends back what arrives on c2.
func (r *connRun) echo() { r.background(func() { _ = copyInChunks(r.c2, r.c2) }) }

// copyInChunks copies through a small buffer, without the fast paths of io.Copy.
func copyInChunks(w io.Writer, r io.Reader) error {
	_, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, make([]byte, 1024))
	return err
}

// noise is an endless source of bytes.
func noise() io.Reader { return rand.NewChaCha8([32]byte{1}) }

// timeoutError returns an error unless err is what a passed deadline has to give.
func timeoutError(err error) error {
	if ne, ok := err.(net.Error); !ok || !ne.Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("a passed deadline gave %T: %v", err, err)
	}
	return nil
}

// requireRoundTrip writes and wants it back, on a connection whose other end echoes.
func (r *connRun) requireRoundTrip() {
	r.Helper()
	require.NoError(r, r.c1.SetDeadline(noDeadline))
	const text = "there and back"
	sent := make(chan error, 1)
	r.background(func() {
		_, err := r.c1.Write([]byte(text))
		sent <- err
	})
	buf := make([]byte, len(text))
	_, err := io.ReadFull(r.c1, buf)
	require.NoError(r, err)
	require.Equal(r, text, string(buf))
	require.NoError(r, <-sent)
}

// resync throws away the echo of earlier writes, which were all zero.
func (r *connRun) resync() {
	r.Helper()
	require.NoError(r, r.c1.SetDeadline(noDeadline))
	const mark = 0xa5
	sent := make(chan error, 1)
	r.background(func() {
		_, err := r.c1.Write([]byte{mark})
		sent <- err
	})
	for buf := make([]byte, 1024); ; {
		n, err := r.c1.Read(buf)
		if n > 0 && buf[n-1] == mark {
			break
		}
		require.NoError(r, err)
	}
	require.NoError(r, <-sent)
}

// checkBasicIO: all that was written before Close arrives, then io.EOF.
func checkBasicIO(r *connRun) {
	want := pattern(0, 1<<20)
	r.do(func() error {
		return errors.Join(copyInChunks(r.c1, bytes.NewReader(want)), r.c1.Close())
	})
	var got bytes.Buffer
	require.NoError(r, copyInChunks(&got, r.c2))
	require.NoError(r, r.c2.Close())
	require.Equal(r, len(want), got.Len())
	require.NoError(r, checkPattern(got.Bytes(), 0))
}

// checkPingPong: a counter goes back and forth; the end that reaches the limit closes, the other reads io.EOF.
func checkPingPong(r *connRun) {
	const limit = 1000
	play := func(c net.Conn) error {
		buf := make([]byte, 8)
		for last := uint64(0); ; {
			if _, err := io.ReadFull(c, buf); err == io.EOF {
				return c.Close()
			} else if err != nil {
				return err
			}
			v := binary.BigEndian.Uint64(buf)
			if last != 0 && v != last+2 {
				return fmt.Errorf("counter went from %d to %d", last, v)
			}
			if last = v; v == limit {
				return c.Close()
			}
			binary.BigEndian.PutUint64(buf, v+1)
			if _, err := c.Write(buf); err != nil {
				return err
			}
		}
	}
	r.do(func() error { return play(r.c1) })
	r.do(func() error { return play(r.c2) })
	_, err := r.c1.Write(make([]byte, 8))
	require.NoError(r, err)
	r.wg.Wait()
}

// checkConcurrentMethods: every method may be called at any time by anyone; the connection works afterwards. When all
// other calls are made a past deadline ends the reads and writes that are left. It must not be left to a deadline in
// the future: writers that queue on a mutex, as those of net.Pipe do, hold the bubble's clock.
func checkConcurrentMethods(r *connRun) {
	r.echo()
	var transfers, rest sync.WaitGroup
	for range 100 {
		transfers.Go(func() { _, _ = r.c1.Read(make([]byte, 1024)) })
		transfers.Go(func() { _, _ = r.c1.Write(make([]byte, 1024)) })
		rest.Go(func() { _ = r.c1.SetDeadline(time.Now().Add(10 * time.Millisecond)) })
		rest.Go(func() { _ = r.c1.SetReadDeadline(longAgo) })
		rest.Go(func() { _ = r.c1.SetWriteDeadline(longAgo) })
		rest.Go(func() { _ = r.c1.LocalAddr() })
		rest.Go(func() { _ = r.c1.RemoteAddr() })
	}
	rest.Wait()
	require.NoError(r, r.c1.SetDeadline(longAgo))
	transfers.Wait()
	r.resync()
	r.requireRoundTrip()
}
