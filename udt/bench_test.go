package udt_test

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/udt"
)

// BenchmarkBulk moves a stream over loopback within one process. An operation is
// one Write.
func BenchmarkBulk(b *testing.B) {
	for _, bench := range []struct {
		name   string
		size   int
		config *udt.Config
	}{
		{"64KiB", 64 << 10, nil},
		{"4KiB", 4 << 10, nil},
		{"64KiB/no offload", 64 << 10, &udt.Config{Endpoint: &udt.EndpointConfig{DisableOffload: true}}},
	} {
		b.Run(bench.name, func(b *testing.B) { benchmarkBulk(b, bench.size, bench.config) })
	}
}

func benchmarkBulk(b *testing.B, size int, config *udt.Config) {
	client, server := pair(b, config)
	buf := make([]byte, size)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	done := make(chan error, 1)
	go func() {
		in := make([]byte, 256<<10)
		for left := b.N * size; left > 0; {
			n, err := server.Read(in[:min(left, len(in))])
			if err != nil {
				done <- err
				return
			}
			left -= n
		}
		done <- nil
	}()
	for range b.N {
		if _, err := client.Write(buf); err != nil {
			b.Fatal(err)
		}
	}
	require.NoError(b, <-done)
}

// BenchmarkPingPong is 64 bytes there and back. An operation is one round trip.
func BenchmarkPingPong(b *testing.B) {
	client, server := pair(b, nil)
	done := make(chan error, 1)
	exchange := func(c *udt.Conn, first bool, n int) error {
		buf := make([]byte, 64)
		for range n {
			if first {
				if _, err := c.Write(buf); err != nil {
					return err
				}
			}
			if _, err := io.ReadFull(c, buf); err != nil {
				return err
			}
			if !first {
				if _, err := c.Write(buf); err != nil {
					return err
				}
			}
		}
		return nil
	}
	b.ReportAllocs()
	b.ResetTimer()
	go func() { done <- exchange(server, false, b.N) }()
	require.NoError(b, exchange(client, true, b.N))
	require.NoError(b, <-done)
}

// BenchmarkDial opens a connection, exchanges a byte each way, and closes it. With
// "endpoint" all dials share one socket.
func BenchmarkDial(b *testing.B) {
	l, err := udt.Listen("udt", "127.0.0.1:0", nil)
	require.NoError(b, err)
	b.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c) // ends with the client
			}()
		}
	}()
	own, err := udt.Listen("udt", "127.0.0.1:0", nil)
	require.NoError(b, err)
	b.Cleanup(func() { own.Close() })
	for name, d := range map[string]*udt.Dialer{"socket": {}, "endpoint": {Endpoint: own.Endpoint()}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			buf := make([]byte, 1)
			for b.Loop() {
				c, err := d.Dial("udt", l.Addr().String())
				require.NoError(b, err)
				_, err = c.Write(buf)
				require.NoError(b, err)
				_, err = io.ReadFull(c, buf)
				require.NoError(b, err)
				require.NoError(b, c.Close())
			}
		})
	}
}
