package nettest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/udtgo/udtgo/nettest/internal/require"
)

// checkRacyRead: after Read returned, with data or with a timeout, the buffer is the caller's again.
func checkRacyRead(r *connRun) {
	r.background(func() { _ = copyInChunks(r.c2, noise()) })
	racyIO(r, r.c1.Read, r.c1.SetReadDeadline)
}

// checkRacyWrite: the same for Write.
func checkRacyWrite(r *connRun) {
	r.background(func() { _ = copyInChunks(io.Discard, r.c2) })
	racyIO(r, r.c1.Write, r.c1.SetWriteDeadline)
}

// racyIO calls f from many goroutines under deadlines that keep passing, each overwriting its buffer after every call.
func racyIO(r *connRun, f func([]byte) (int, error), setDeadline func(time.Time) error) {
	require.NoError(r, setDeadline(time.Now().Add(time.Millisecond)))
	var calls sync.WaitGroup
	for range 10 {
		calls.Add(1)
		r.do(func() error {
			defer calls.Done()
			mine, scratch := make([]byte, 1024), make([]byte, 1024)
			for range 100 {
				_, err := f(mine)
				copy(mine, scratch)
				if err == nil {
					continue
				}
				if err = timeoutError(err); err != nil {
					return err
				}
				if err = setDeadline(time.Now().Add(time.Millisecond)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	calls.Wait()
}

// checkReadTimeout: a read deadline does not concern Write.
func checkReadTimeout(r *connRun) {
	r.background(func() { _ = copyInChunks(io.Discard, r.c2) })
	require.NoError(r, r.c1.SetReadDeadline(longAgo))
	_, err := r.c1.Read(make([]byte, 1024))
	require.NoError(r, timeoutError(err))
	_, err = r.c1.Write(make([]byte, 1024))
	require.NoError(r, err)
}

// checkWriteTimeout: a write deadline does not concern Read.
func checkWriteTimeout(r *connRun) {
	r.background(func() { _ = copyInChunks(r.c2, noise()) })
	require.NoError(r, r.c1.SetWriteDeadline(longAgo))
	_, err := r.c1.Write(make([]byte, 1024))
	require.NoError(r, timeoutError(err))
	_, err = r.c1.Read(make([]byte, 1024))
	require.NoError(r, err)
}

// checkPastTimeout: a deadline in the past fails both at once and moves nothing; lifting it restores the connection.
func checkPastTimeout(r *connRun) {
	r.echo()
	r.requireRoundTrip()
	require.NoError(r, r.c1.SetDeadline(longAgo))
	began := time.Now()
	for _, f := range []func([]byte) (int, error){r.c1.Write, r.c1.Read} {
		n, err := f(make([]byte, 1024))
		require.Zero(r, n)
		require.NoError(r, timeoutError(err))
	}
	require.Equal(r, began, time.Now(), "a past deadline fails in no (virtual) time")
	r.requireRoundTrip()
}

// checkPresentTimeout: a deadline set into the past wakes the calls that are blocked, at that instant.
func checkPresentTimeout(r *connRun) {
	const delay = 100 * time.Millisecond
	began := time.Now()
	onTime := func(err error) error {
		if d := time.Since(began); d != delay {
			return fmt.Errorf("a call timed out after %v, its deadline was set after %v", d, delay)
		}
		return timeoutError(err)
	}
	var calls sync.WaitGroup
	calls.Add(2)
	r.do(func() error {
		defer calls.Done()
		n, err := r.c1.Read(make([]byte, 1024))
		if n != 0 {
			return fmt.Errorf("a Read returned %d bytes that nobody wrote", n)
		}
		return onTime(err)
	})
	r.do(func() error {
		defer calls.Done()
		return onTime(writeZeros(r.c1))
	})
	time.Sleep(delay)
	require.NoError(r, r.c1.SetReadDeadline(longAgo))
	require.NoError(r, r.c1.SetWriteDeadline(longAgo))
	calls.Wait()
}

// checkFutureTimeout: a deadline in the future fails both when it passes, and the stream is in step afterwards.
func checkFutureTimeout(r *connRun) {
	deadline := time.Now().Add(100 * time.Millisecond)
	require.NoError(r, r.c1.SetDeadline(deadline))
	onTime := func(err error) error {
		if now := time.Now(); !now.Equal(deadline) {
			return fmt.Errorf("a call timed out %v after its deadline", now.Sub(deadline))
		}
		return timeoutError(err)
	}
	var calls sync.WaitGroup
	calls.Add(2)
	r.do(func() error {
		defer calls.Done()
		_, err := r.c1.Read(make([]byte, 1024))
		return onTime(err)
	})
	r.do(func() error {
		defer calls.Done()
		return onTime(writeZeros(r.c1))
	})
	calls.Wait()

	r.echo()
	r.resync()
	r.requireRoundTrip()
}

// checkCloseTimeout: Close ends the calls that are blocked. The peer neither reads nor writes: with an echo over a
// connection without delay there would always be something to do, and the bubble's clock would stand still.
func checkCloseTimeout(r *connRun) {
	require.NoError(r, r.c1.SetDeadline(noDeadline))
	var calls sync.WaitGroup
	calls.Add(2)
	r.do(func() error {
		defer calls.Done()
		buf := make([]byte, 1024)
		for {
			if _, err := r.c1.Read(buf); err != nil {
				return closedError(err)
			}
		}
	})
	r.do(func() error {
		defer calls.Done()
		return closedError(writeZeros(r.c1))
	})
	time.Sleep(100 * time.Millisecond)
	require.NoError(r, r.c1.Close())
	calls.Wait()
}

// writeZeros writes until Write fails.
func writeZeros(c net.Conn) error {
	p := make([]byte, 1024)
	for {
		if _, err := c.Write(p); err != nil {
			return err
		}
	}
}

// closedError returns an error unless err is what a call gets whose connection was closed under it.
func closedError(err error) error {
	if errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe) {
		return nil
	}
	return fmt.Errorf("a call that Close ended returned %T: %w", err, err)
}
