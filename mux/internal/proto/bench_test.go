package proto

import (
	"testing"
	"time"
)

// BenchmarkBulk moves one stream's data in packets as large as a message-mode
// connection carries; ns/op are per packet.
func BenchmarkBulk(b *testing.B) {
	now := time.Now()
	newSession := func(server bool) *Session {
		return New(Config{
			Server: server, Messages: true, MaxFrame: 16 << 10,
			StreamWindow: 1 << 20, MaxStreamWindow: 1 << 20, SessionWindow: 1 << 20,
			Streams: [2]int64{100, 100}, Backlog: 100,
			NewStream: func() *Stream { return new(Stream) },
		}, now)
	}
	from, to := newSession(false), newSession(true)
	packets := make([][1456]byte, 64)
	sizes := make([]int, len(packets))
	exchange := func(from, to *Session) int {
		n := 0
		for n < len(packets) {
			if sizes[n] = from.Pack(now, packets[n][:]); sizes[n] == 0 {
				break
			}
			n++
		}
		for i := range n {
			if err := to.HandlePacket(now, packets[i][:sizes[i]]); err != nil {
				b.Fatal(err)
			}
		}
		return n
	}
	exchange(from, to)
	exchange(to, from)
	out, err := from.Open(Bidi)
	if err != nil {
		b.Fatal(err)
	}
	exchange(from, to)
	in := to.Accept()
	data, buf := make([]byte, 64<<10), make([]byte, 128<<10)
	b.ReportAllocs()
	for n := 0; n < b.N; {
		if out.Left() == 0 {
			if err := out.Offer(data); err != nil {
				b.Fatal(err)
			}
		}
		in.Lend(buf)
		n += exchange(from, to)
		in.TakeBack(now)
		from.TakeWoken()
		to.TakeWoken()
		in.TakeWake()
		out.TakeWake()
		now = now.Add(50 * time.Microsecond)
		exchange(to, from)
	}
}
