package udt_test

import (
	"bytes"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/udt"
)

type writerFunc func(b []byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// forged injects a packet into the connection from addrA to addrB that its peer has
// not sealed.
func (l *lab) forged(id uint32) {
	p := make([]byte, 100)
	p[12], p[13], p[14], p[15] = byte(id>>24), byte(id>>16), byte(id>>8), byte(id)
	l.net.Inject(p, addrA, addrB)
}

// A Logger's handler may use the connection that the event is about, and its endpoint.
func TestLoggerMayUseTheConnection(t *testing.T) {
	inLab(t, fastLink, func(l *lab) {
		config := psk(udt.ModeStream)
		var server *udt.Conn
		config.Endpoint = &udt.EndpointConfig{Logger: slog.New(slog.NewTextHandler(writerFunc(func(b []byte) (int, error) {
			require.NotZero(l, server.Stats().PacketsForged)
			require.NotZero(l, server.Endpoint().Stats().Connections)
			_, err := server.Write([]byte("help"))
			require.NoError(l, err)
			require.NoError(l, server.Close())
			return len(b), nil
		}), nil))}
		a, b, ids, _, _ := protectedLab(l, config)
		server = b
		l.forged(ids[1])
		got, err := io.ReadAll(a)
		require.NoError(l, err)
		require.Equal(l, "help", string(got))
	})
}

// A handler that blocks holds up nothing but the log: of that the oldest lines are
// kept, and the line after the gap says how many are missing.
func TestSlowLoggerHoldsUpNothing(t *testing.T) {
	inLab(t, fastLink, func(l *lab) {
		config := psk(udt.ModeStream)
		var text bytes.Buffer
		blocked := make(chan struct{})
		config.Endpoint = &udt.EndpointConfig{Logger: slog.New(slog.NewTextHandler(writerFunc(func(b []byte) (int, error) {
			<-blocked
			return text.Write(b)
		}), nil))}
		a, b, ids, _, _ := protectedLab(l, config)
		const n = 500
		for range n {
			l.forged(ids[1])
			time.Sleep(time.Second / 5)
		}
		l.requireAlive(a, b)
		close(blocked)
		synctest.Wait()
		const kept = 257 // one in the handler, 256 waiting
		require.Equal(l, kept, strings.Count(text.String(), "forged packet"))
		l.forged(ids[1])
		time.Sleep(time.Second)
		synctest.Wait()
		require.Contains(l, text.String(), "unlogged="+strconv.Itoa(n-kept)+"\n")
		require.EqualValues(l, n+1, b.Stats().PacketsForged)
	})
}
