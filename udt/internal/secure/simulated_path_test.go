package secure

import (
	"container/heap"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

const oneWay = 10 * time.Millisecond

var (
	epoch      = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	clientAddr = netip.MustParseAddrPort("192.0.2.1:5000")
	serverAddr = netip.MustParseAddrPort("192.0.2.2:9000")
)

// The sides of a lab. In a rendezvous both have a machine from the start; else
// the second is a listener that makes one of a conclusion.
const (
	left  = 0
	right = 1
)

type flying struct {
	at  time.Time
	seq int
	to  int
	b   []byte
}

type sky []flying

func (s sky) Len() int { return len(s) }
func (s sky) Less(i, j int) bool {
	if s[i].at.Equal(s[j].at) {
		return s[i].seq < s[j].seq
	}
	return s[i].at.Before(s[j].at)
}
func (s sky) Swap(i, j int) { s[i], s[j] = s[j], s[i] }
func (s *sky) Push(x any)   { *s = append(*s, x.(flying)) }
func (s *sky) Pop() any {
	old := *s
	x := old[len(old)-1]
	*s = old[:len(old)-1]
	return x
}

// A lab runs two machines against each other in virtual time.
type lab struct {
	t   testing.TB
	rng *rand.Rand
	now time.Time
	sky sky
	seq int

	loss, dup float64
	jitter    time.Duration
	tamper    func(to int, b []byte) []byte // nil drops

	machines [2]*Machine
	cfg      [2]Config
	jar      *Jar
	prepare  bool // the client
	plain    bool // the listener does not speak protected mode
	silent   bool // nobody answers
	sent     [2]int
	wide     int          // datagrams above the limit
	doneAt   [2]time.Time // first
	failedAt [2]time.Time
	took     [2]*Result
}

func newLab(t testing.TB, seed uint64) *lab {
	l := &lab{t: t, rng: rand.New(rand.NewPCG(seed, 1)), now: epoch, prepare: seed%2 == 1}
	l.cfg[left] = Config{
		Own: wire.Handshake{
			Type: wire.SocketStream, Number: 1234567, MSS: 1500, FlowWindow: 25600, SocketID: 0x11111111,
		},
		Caps: wire.CapExtendedAck, Remote: serverAddr, Local: clientAddr, Random: l.random,
	}
	l.cfg[right] = l.cfg[left]
	l.cfg[right].Own.SocketID = 0x22222222
	l.cfg[right].Own.FlowWindow = 8192
	l.cfg[right].Own.Number = 7654321
	l.cfg[right].Remote, l.cfg[right].Local = clientAddr, serverAddr
	l.cfg[right].Advert = wire.Advert{
		Version: wire.SecureVersion, Flags: wire.AdvertTLS | wire.AdvertRequired, Caps: 0x0102,
	}
	l.jar = NewJar(l.now, serverAddr.Port(), l.random)
	t.Cleanup(func() {
		for _, m := range l.machines {
			if m != nil {
				m.Release()
			}
		}
	})
	return l
}

func (l *lab) random(b []byte) {
	for i := range b {
		b[i] = byte(l.rng.Uint32())
	}
}

func (l *lab) dial() {
	l.machines[left] = NewClient(l.now, &l.cfg[left])
	if l.prepare {
		l.machines[left].Prepare()
	}
}

func (l *lab) meet() {
	for i := range l.machines {
		l.machines[i] = NewRendezvous(l.now, &l.cfg[i])
	}
}

func (l *lab) send(to int, b []byte) {
	l.sent[1-to]++
	if len(b) > wire.MaxSecureLen {
		l.wide++
	}
	b = append([]byte(nil), b...)
	if l.tamper != nil {
		if b = l.tamper(to, b); b == nil {
			return
		}
	}
	copies := 1
	if l.rng.Float64() < l.dup {
		copies = 2
	}
	for range copies {
		if l.rng.Float64() < l.loss {
			continue
		}
		at := l.now.Add(oneWay)
		if l.jitter > 0 {
			at = at.Add(time.Duration(l.rng.Int64N(int64(l.jitter))))
		}
		l.seq++
		heap.Push(&l.sky, flying{at, l.seq, to, b})
	}
}

// run runs until nothing is left to happen, or for d.
func (l *lab) run(d time.Duration) {
	end := l.now.Add(d)
	for {
		l.pollAll()
		next := end
		for _, m := range l.machines {
			if m == nil {
				continue
			}
			if at := m.Next(); !at.IsZero() && at.Before(next) {
				next = at
			}
		}
		if len(l.sky) > 0 && l.sky[0].at.Before(next) {
			next = l.sky[0].at
		}
		if !next.Before(end) {
			return
		}
		require.False(l.t, next.Before(l.now), "a machine wants what it has already got")
		l.now = next
		for len(l.sky) > 0 && !l.sky[0].at.After(l.now) {
			f := heap.Pop(&l.sky).(flying)
			l.deliver(f.to, f.b)
		}
	}
}

func (l *lab) pollAll() {
	var buf [wire.MaxSecureLen]byte
	for i, m := range l.machines {
		if m == nil {
			continue
		}
		for n := 0; ; n++ {
			require.Less(l.t, n, 50, "a machine talks without end")
			b := m.Poll(l.now, buf[:0])
			if b == nil {
				break
			}
			l.send(1-i, b)
		}
		if m.Done() && l.doneAt[i].IsZero() {
			l.doneAt[i] = l.now
			r := *m.Result()
			l.took[i] = &r
		}
		if m.Err() != nil && l.failedAt[i].IsZero() {
			l.failedAt[i] = l.now
		}
	}
}

func (l *lab) deliver(to int, b []byte) {
	if m := l.machines[to]; m != nil {
		m.Handle(l.now, b)
		return
	}
	if to == right && !l.silent {
		l.listen(b)
	}
}

// listen does what an endpoint does with a datagram of no connection.
func (l *lab) listen(b []byte) {
	head := wire.ParseControl(b)
	body, err := wire.ParseHandshake(b[wire.HeaderLen:])
	require.NoError(l.t, err)
	switch {
	case body.Request == wire.RequestInduction:
		a := l.cfg[right].Advert
		body.Cookie, a.Token = l.jar.Make(l.now, clientAddr, &body)
		if !l.plain {
			body.PeerIP = a.Bytes()
		}
		var p [wire.SecureOffset]byte
		(&wire.Control{Type: wire.TypeHandshake, Dest: body.SocketID, Info: head.Info}).Put(p[:])
		body.Put(p[wire.HeaderLen:])
		l.send(left, p[:])
	case body.Request == wire.RequestConclusion && wire.IsSecure(b) && !l.plain:
		she, err := wire.ParseSecure(b[wire.SecureOffset:])
		if err != nil || !l.jar.Valid(l.now, clientAddr, &body, she.Token) {
			return
		}
		m, err := NewServer(l.now, &l.cfg[right], b)
		require.NoError(l.t, err)
		l.machines[right] = m
	}
}

// requireOpen asserts that both sides agree on what an exchange yields.
func (l *lab) requireOpen() {
	l.t.Helper()
	for i, m := range l.machines {
		require.NotNil(l.t, m, "side %d", i)
		require.NoError(l.t, m.Err(), "side %d", i)
		require.True(l.t, m.Done(), "side %d", i)
		require.True(l.t, m.Confirmed(), "side %d", i)
	}
	require.Zero(l.t, l.wide, "datagrams fit every path")
	a, b := l.took[left], l.took[right]
	require.Equal(l.t, a.Suite, b.Suite)
	require.NotEmpty(l.t, a.ReadSecret)
	require.NotEqual(l.t, a.ReadSecret, a.WriteSecret)
	require.Equal(l.t, a.ReadSecret, b.WriteSecret)
	require.Equal(l.t, a.WriteSecret, b.ReadSecret)
	require.NotEqual(l.t, a.Server, b.Server)
	x, err := a.State.ExportKeyingMaterial("label", []byte("context"), 32)
	require.NoError(l.t, err)
	y, err := b.State.ExportKeyingMaterial("label", []byte("context"), 32)
	require.NoError(l.t, err)
	require.Equal(l.t, x, y)
	require.Equal(l.t, l.cfg[right].Own.SocketID, a.Peer.SocketID)
	require.Equal(l.t, l.cfg[right].Own.FlowWindow, a.Peer.FlowWindow)
	require.Equal(l.t, l.cfg[left].Own.Number, b.Peer.Number)
	require.True(l.t, a.Marker.ExtendedAck())
	require.True(l.t, b.Marker.ExtendedAck())
}
