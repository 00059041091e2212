package nettest

import (
	"bytes"
	"io"
	"net"
	"testing"

	"github.com/udtgo/udtgo/nettest/internal/require"
)

// copyRows say how io.Copy, and so every proxy, fares.
var copyRows = []dropInRow{
	{"row25_io_Copy_into_and_out_of_a_connection", rowCopy},
	{"row25_ReadFrom_and_WriteTo_are_there", rowCopyFastPaths},
	{"row25_io_Copy_obeys_deadlines", rowCopyDeadlines},
	{"row25_proxy_copies_both_ways", rowProxy},
	{"row33_a_wrapper_that_hides_all_but_net_Conn_works", rowWrapped},
}

// onlyConn hides every method of a connection but those of net.Conn, as wrappers in real programs do.
type onlyConn struct{ net.Conn }

// copyResult is what io.Copy returned.
type copyResult struct {
	n   int64
	err error
}

// startCopy copies in a goroutine.
func startCopy(w io.Writer, r io.Reader) *call[copyResult] {
	return start(func() copyResult {
		n, err := io.Copy(w, r)
		return copyResult{n, err}
	})
}

func rowCopy(t *testing.T, f *fixture, _ DropInOptions) {
	client, server := f.pair(t)
	const size = 3<<20 + 1
	in := startCopy(client, onlyReader{bytes.NewReader(pattern(0, size))})
	var sink bytes.Buffer
	out := startCopy(onlyWriter{&sink}, server)
	require.Equal(t, copyResult{n: size}, in.wait(t, "io.Copy into a connection"))
	require.NoError(t, start(client.Close).wait(t, "Close"))
	require.Equal(t, copyResult{n: size}, out.wait(t, "io.Copy out of a connection"), "the end is no error")
	require.NoError(t, checkPattern(sink.Bytes(), 0))
}

// onlyReader and onlyWriter hide the fast paths on the other side of io.Copy, so that it uses the connection's.
type onlyReader struct{ io.Reader }
type onlyWriter struct{ io.Writer }

func rowCopyFastPaths(t *testing.T, f *fixture, _ DropInOptions) {
	client, server := f.pair(t)
	for _, c := range []net.Conn{client, server} {
		_, ok := c.(io.ReaderFrom)
		require.True(t, ok, "%T has no ReadFrom", c)
		_, ok = c.(io.WriterTo)
		require.True(t, ok, "%T has no WriteTo", c)
	}
}

func rowCopyDeadlines(t *testing.T, f *fixture, _ DropInOptions) {
	client, server := f.pair(t)
	require.NoError(t, client.SetDeadline(longAgo))
	r := startCopy(client, onlyReader{bytes.NewReader(make([]byte, 10))}).wait(t, "io.Copy with a past write deadline")
	requireTimeout(t, r.err)
	require.Zero(t, r.n)
	r = startCopy(onlyWriter{io.Discard}, client).wait(t, "io.Copy with a past read deadline")
	requireTimeout(t, r.err)
	require.Zero(t, r.n)
	require.NoError(t, client.SetDeadline(noDeadline))
	requireEcho(t, client, server)

	out := startCopy(onlyWriter{io.Discard}, client)
	out.waitBlocked(t, "io.Copy with nothing to read")
	require.NoError(t, client.SetReadDeadline(longAgo))
	requireTimeout(t, out.wait(t, "io.Copy whose read deadline was set into the past").err)

	in := startCopy(client, onlyReader{noise()})
	in.waitBlocked(t, "io.Copy to a peer that does not read")
	require.NoError(t, client.SetWriteDeadline(longAgo))
	requireTimeout(t, in.wait(t, "io.Copy whose write deadline was set into the past").err)
}

// rowProxy sends bytes through a proxy that knows nothing but io.Copy, over two connections of the transport.
func rowProxy(t *testing.T, f *fixture, _ DropInOptions) {
	client, front := f.pair(t)
	back, server := f.pair(t)
	const size = 1 << 20
	up, down := startCopy(back, front), startCopy(front, back)
	echo := start(func() error {
		buf := make([]byte, size)
		if _, err := io.ReadFull(server, buf); err != nil {
			return err
		}
		_, err := server.Write(buf)
		return err
	})
	writing := startWrite(client, pattern(0, size))
	got := make([]byte, size)
	require.NoError(t, readFull(t, client, got))
	require.NoError(t, checkPattern(got, 0))
	require.NoError(t, writing.wait(t, "Write").err)
	require.NoError(t, echo.wait(t, "server"))

	// Both copies end without an error when the ends do.
	require.NoError(t, start(client.Close).wait(t, "Close"))
	require.Equal(t, copyResult{n: size}, up.wait(t, "copy towards the server"))
	require.NoError(t, start(server.Close).wait(t, "Close"))
	require.Equal(t, copyResult{n: size}, down.wait(t, "copy towards the client"))
}

func rowWrapped(t *testing.T, f *fixture, _ DropInOptions) {
	c, s := f.pair(t)
	client, server := onlyConn{c}, onlyConn{s}
	requireEcho(t, client, server)
	const size = 1 << 20
	in := startCopy(client, bytes.NewReader(pattern(0, size)))
	got := make([]byte, size)
	require.NoError(t, readFull(t, server, got))
	require.NoError(t, checkPattern(got, 0))
	require.Equal(t, copyResult{n: size}, in.wait(t, "io.Copy"))
	require.NoError(t, start(client.Close).wait(t, "Close"))
	all := startReadAll(server).wait(t, "Read to the end")
	require.NoError(t, all.err)
	require.Empty(t, all.data)
}
