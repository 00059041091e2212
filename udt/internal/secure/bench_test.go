package secure

import (
	"crypto/tls"
	"net"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// straight runs one exchange without a path: what a client with the cookie reply
// in hand and its server cost.
func straight(b testing.TB, l *lab, buf []byte) {
	c := NewClient(l.now, &l.cfg[left])
	reply := l.cookieReply(c.Poll(l.now, buf))
	c.Handle(l.now, reply)
	var s *Machine
	for !c.Confirmed() && c.Err() == nil {
		for d := c.Poll(l.now, buf); d != nil; d = c.Poll(l.now, buf) {
			if s == nil {
				var err error
				s, err = NewServer(l.now, &l.cfg[right], d)
				require.NoError(b, err)
				continue
			}
			s.Handle(l.now, d)
		}
		for d := s.Poll(l.now, buf); d != nil; d = s.Poll(l.now, buf) {
			c.Handle(l.now, d)
		}
	}
	require.NoError(b, c.Err())
	require.NoError(b, s.Err())
}

func (l *lab) cookieReply(request []byte) []byte {
	body, err := wire.ParseHandshake(request[wire.HeaderLen:])
	require.NoError(l.t, err)
	a := l.cfg[right].Advert
	body.Cookie, a.Token = l.jar.Make(l.now, clientAddr, &body)
	body.PeerIP = a.Bytes()
	p := make([]byte, wire.SecureOffset)
	(&wire.Control{Type: wire.TypeHandshake, Dest: body.SocketID}).Put(p)
	body.Put(p[wire.HeaderLen:])
	return p
}

// BenchmarkExchange and BenchmarkTLSOverPipe do the same handshakes, with the
// same certificates and both sides in one thread of control.
func BenchmarkExchange(b *testing.B) {
	for name, use := range benchCredentials {
		b.Run(name, func(b *testing.B) {
			l := newLab(b, 1)
			use(l)
			buf := make([]byte, 0, wire.MaxSecureLen)
			b.ReportAllocs()
			for b.Loop() {
				straight(b, l, buf)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "handshakes/s")
		})
	}
}

func BenchmarkTLSOverPipe(b *testing.B) {
	for name, use := range benchCredentials {
		b.Run(name, func(b *testing.B) {
			l := newLab(b, 1)
			use(l)
			b.ReportAllocs()
			for b.Loop() {
				p, q := net.Pipe()
				c, s := tls.Client(p, l.cfg[left].TLS), tls.Server(q, l.cfg[right].TLS)
				failed := make(chan error, 1)
				go func() { failed <- s.Handshake() }()
				require.NoError(b, c.Handshake())
				require.NoError(b, <-failed)
				p.Close()
				q.Close()
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "handshakes/s")
		})
	}
}

var benchCredentials = map[string]func(*lab){
	"X509":   credentials["X509"],
	"pinned": credentials["pinned"],
	"PSK":    credentials["PSK"],
}

// BenchmarkHalfOpen reports what a server keeps for a client that says no more
// after its ClientHello.
func BenchmarkHalfOpen(b *testing.B) {
	l := newLab(b, 1)
	l.usePinned()
	c := NewClient(l.now, &l.cfg[left])
	defer c.Release()
	c.Handle(l.now, l.cookieReply(c.Poll(l.now, nil)))
	var hello [][]byte
	for d := c.Poll(l.now, nil); d != nil; d = c.Poll(l.now, nil) {
		hello = append(hello, d)
	}
	const many = 256
	var heap, stack float64
	buf := make([]byte, 0, wire.MaxSecureLen)
	for b.Loop() {
		before := memory()
		machines := make([]*Machine, many)
		for i := range machines {
			m, err := NewServer(l.now, &l.cfg[right], hello[0])
			require.NoError(b, err)
			for _, d := range hello[1:] {
				m.Handle(l.now, d)
			}
			for m.Poll(l.now, buf) != nil {
			}
			machines[i] = m
		}
		after := memory()
		heap += (float64(after.HeapAlloc) - float64(before.HeapAlloc)) / many
		stack += (float64(after.StackInuse) - float64(before.StackInuse)) / many
		for _, m := range machines {
			m.Release()
		}
	}
	b.ReportMetric(heap/float64(b.N), "heap-B/half-open")
	b.ReportMetric(stack/float64(b.N), "stack-B/half-open")
}

func memory() (m runtime.MemStats) {
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m
}
