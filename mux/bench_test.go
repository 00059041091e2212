package mux_test

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/mux"
	"github.com/udtgo/udtgo/mux/yamux"
	"github.com/udtgo/udtgo/nettest/pipes"
	"github.com/udtgo/udtgo/udt"
)

// transfer writes b.N blocks from one end to the other.
func transfer(b *testing.B, m pipes.Maker) {
	c1, c2, stop, err := m()
	require.NoError(b, err)
	defer stop()
	block := make([]byte, 128<<10)
	b.SetBytes(int64(len(block)))
	b.ReportAllocs()
	done := make(chan error, 1)
	go func() {
		buf := make([]byte, 256<<10)
		for left := b.N * len(block); left > 0; {
			n, err := c2.Read(buf)
			if err != nil {
				done <- err
				return
			}
			left -= n
		}
		done <- nil
	}()
	b.ResetTimer()
	for range b.N {
		_, err := c1.Write(block)
		require.NoError(b, err)
	}
	require.NoError(b, <-done)
	b.StopTimer()
}

func BenchmarkTransfer(b *testing.B) {
	stream := pipes.Stream(nil)
	for _, bb := range []struct {
		name string
		make pipes.Maker
	}{
		{"bare UDT", stream},
		{"mux over messages", pipes.Mux(pipes.Stream(messages), nil)},
		{"mux over stream", pipes.Mux(stream, nil)},
		{"yamux over stream", pipes.Yamux(stream)},
		{"bare TCP", pipes.TCP},
		{"mux over TCP", pipes.Mux(pipes.TCP, nil)},
		{"yamux over TCP", pipes.Yamux(pipes.TCP)},
	} {
		b.Run(bb.name, func(b *testing.B) { transfer(b, bb.make) })
	}
}

// BenchmarkBareMessages is what a session over messages is measured against.
func BenchmarkBareMessages(b *testing.B) {
	c1, c2, stop, err := pipes.Stream(messages)()
	require.NoError(b, err)
	defer stop()
	from, to := c1.(*udt.Conn), c2.(*udt.Conn)
	batch := make([][]byte, 44)
	for i := range batch {
		batch[i] = make([]byte, from.PacketPayload())
	}
	b.SetBytes(int64(len(batch) * from.PacketPayload()))
	b.ReportAllocs()
	done := make(chan error, 1)
	go func() {
		var got [64]udt.Message
		for left := b.N * len(batch); left > 0; {
			n, err := to.ReadMessages(got[:])
			if err != nil {
				done <- err
				return
			}
			for i := range got[:n] {
				got[i].Release()
			}
			left -= n
		}
		done <- nil
	}()
	b.ResetTimer()
	for range b.N {
		_, err := from.WriteMessages(batch, udt.MessageOptions{Unordered: true})
		require.NoError(b, err)
	}
	require.NoError(b, <-done)
	b.StopTimer()
}

func BenchmarkPingPong(b *testing.B) {
	for _, bb := range []struct {
		name string
		make pipes.Maker
	}{
		{"bare UDT", pipes.Stream(nil)},
		{"mux over messages", pipes.Mux(pipes.Stream(messages), nil)},
		{"mux over stream", pipes.Mux(pipes.Stream(nil), nil)},
		{"yamux over stream", pipes.Yamux(pipes.Stream(nil))},
	} {
		b.Run(bb.name, func(b *testing.B) {
			c1, c2, stop, err := bb.make()
			require.NoError(b, err)
			defer stop()
			go echo(c2)
			buf := make([]byte, 100)
			b.ReportAllocs()
			for b.Loop() {
				_, err := c1.Write(buf)
				require.NoError(b, err)
				_, err = io.ReadFull(c1, buf)
				require.NoError(b, err)
			}
		})
	}
}

func echo(c net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if _, err = c.Write(buf[:n]); err != nil {
			return
		}
	}
}

// The cost of opening a stream, a byte each way, and closing it.
func BenchmarkOpenClose(b *testing.B) {
	for _, bb := range []struct {
		name           string
		carrier        pipes.Maker
		client, server func(net.Conn) (mux.Muxer, error)
	}{
		{"mux over messages", pipes.Stream(messages), muxClient, muxServer},
		{"mux over stream", pipes.Stream(nil), muxClient, muxServer},
		{"yamux over stream", pipes.Stream(nil), yamuxClient, yamuxServer},
	} {
		b.Run(bb.name, func(b *testing.B) {
			c1, c2, stop, err := bb.carrier()
			require.NoError(b, err)
			client, err := bb.client(c1)
			require.NoError(b, err)
			server, err := bb.server(c2)
			require.NoError(b, err)
			go answer(server)
			b.ReportAllocs()
			for b.Loop() {
				st, err := client.Open()
				require.NoError(b, err)
				var one [1]byte
				_, err = st.Write(one[:])
				require.NoError(b, err)
				_, err = io.ReadFull(st, one[:])
				require.NoError(b, err)
				require.NoError(b, st.Close())
			}
			stop()
			_ = client.Close()
			_ = server.Close()
		})
	}
}

func muxClient(c net.Conn) (mux.Muxer, error)   { return mux.Client(c, nil) }
func muxServer(c net.Conn) (mux.Muxer, error)   { return mux.Server(c, nil) }
func yamuxClient(c net.Conn) (mux.Muxer, error) { return yamux.Client(c, nil) }
func yamuxServer(c net.Conn) (mux.Muxer, error) { return yamux.Server(c, nil) }

// answer sends a byte back on every stream.
func answer(server mux.Muxer) {
	for {
		st, err := server.Accept()
		if err != nil {
			return
		}
		go func() {
			defer st.Close()
			var one [1]byte
			if _, err := st.Read(one[:]); err == nil {
				_, _ = st.Write(one[:])
			}
		}()
	}
}

// A thousand streams at once, each with a reader and a writer of 16 KiB.
func BenchmarkManyStreams(b *testing.B) {
	const streams, size = 1000, 16 << 10
	for _, bb := range []struct {
		name string
		make pipes.Maker
	}{
		{"messages", pipes.Stream(messages)},
		{"stream", pipes.Stream(nil)},
		{"TCP", pipes.TCP},
	} {
		b.Run(bb.name, func(b *testing.B) {
			client, server := sessions(b, bb.make, &mux.Config{MaxStreams: streams})
			writers := make([]*mux.Stream, streams)
			readers := make([]*mux.Stream, streams)
			for i := range writers {
				var err error
				writers[i], err = client.OpenStream(b.Context())
				require.NoError(b, err)
				readers[i], err = server.AcceptStream(b.Context())
				require.NoError(b, err)
			}
			b.SetBytes(streams * size)
			b.ReportAllocs()
			b.ResetTimer()
			var all sync.WaitGroup
			for i := range writers {
				all.Go(func() {
					block := make([]byte, size)
					for range b.N {
						if _, err := writers[i].Write(block); err != nil {
							b.Error(err)
							return
						}
					}
				})
				all.Go(func() {
					buf := make([]byte, size)
					for left := b.N * size; left > 0; {
						n, err := readers[i].Read(buf)
						if err != nil {
							b.Error(err)
							return
						}
						left -= n
					}
				})
			}
			all.Wait()
			b.StopTimer()
		})
	}
}
