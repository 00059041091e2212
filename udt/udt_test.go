package udt_test

import (
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/pipes"
	"github.com/udtgo/udtgo/udt"
)

// pair returns both ends of a connection over loopback.
func pair(tb testing.TB, config *udt.Config) (client, server *udt.Conn) {
	tb.Helper()
	config = pipes.Patient(config)
	l, err := udt.Listen("udt", "127.0.0.1:0", config)
	require.NoError(tb, err)
	tb.Cleanup(func() { l.Close() })
	accepted := make(chan *udt.Conn, 1)
	go func() {
		c, _ := l.AcceptUDT()
		accepted <- c
	}()
	client, err = udt.Dial("udt", l.Addr().String(), config)
	require.NoError(tb, err)
	server = <-accepted
	require.NotNil(tb, server)
	tb.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

func TestBulkArrivesIntactAndEndsWithEOF(t *testing.T) {
	client, server := pair(t, nil)
	data := make([]byte, 8<<20)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(data)
	done := make(chan error, 1)
	go func() {
		_, err := client.Write(data)
		if err == nil {
			err = client.Close()
		}
		done <- err
	}()
	h := sha256.New()
	server.SetReadDeadline(time.Now().Add(20 * time.Second))
	n, err := io.Copy(h, server)
	t.Logf("%+v", server.Stats())
	t.Logf("%+v", client.Stats())
	require.NoError(t, err)
	require.EqualValues(t, len(data), n)
	require.NoError(t, <-done)
	want := sha256.Sum256(data)
	require.Equal(t, want[:], h.Sum(nil))
}
