package proto

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

// libudt models a connected peer that behaves as libudt 4.11 does
// (REFERENCE.md): timers run after each packet and every 100 ms otherwise,
// a loss is reported once, ACKs repeat only until their ACK2, and a lost tail
// is repaired by the EXP timer, which any packet puts off.
type libudt struct {
	s    *sim
	to   *side // the Conn it talks to
	out  *link
	peer uint32
	ran  time.Duration // timers

	// Receiver.
	buffer    int64 // packets
	curr      int64
	lastAck   int64
	confirmed int64
	lost      ranges
	have      map[int64][]byte
	read      int64 // next to be read; delivered by full ACKs
	paused    bool
	packets   int
	light     int
	nextAck   time.Duration
	ackNumber uint32
	acks      map[uint32]int64
	lastFull  time.Duration
	got       []byte

	// Sender.
	first, una, dataAck, next, end int64
	sndLost                        ranges
	window                         int64
	cwnd                           int64
	exp                            int
	heard                          time.Duration
	send                           func(n int64) []byte
	scheduled                      bool
	broken                         bool
	lossReports                    int
}

const libudtRTT, libudtRTTVar = 100 * time.Millisecond, 50 * time.Millisecond

func (u *libudt) control(t wire.Type, info uint32, body []byte) {
	p := make([]byte, wire.HeaderLen, 64)
	(&wire.Control{Type: t, Info: info, Dest: u.peer}).Put(p)
	if len(body) == 0 {
		body = make([]byte, wire.PadLen)
	}
	u.out.send(u.s, u.to, append(p, body...))
}

func (u *libudt) handle(b []byte) {
	u.exp, u.heard = 1, u.s.now
	if !wire.IsControl(b) {
		u.data(b)
	} else {
		u.controlPacket(b)
	}
	u.timers()
}

func (u *libudt) data(b []byte) {
	u.packets++
	n := wire.Unwrap(u.lastAck, wire.ParseData(b).Number)
	if n < u.lastAck || n >= u.lastAck+u.available() || u.have[n] != nil {
		return
	}
	payload := append([]byte{}, b[wire.HeaderLen:]...)
	u.have[n] = payload
	if n > u.curr+1 {
		u.lost.add(u.curr+1, n)
		u.control(wire.TypeNak, 0, wire.AppendRange(nil, u.curr+1, n-1))
	}
	if len(payload) != 1456 {
		u.nextAck = 0
	}
	if n > u.curr {
		u.curr = n
	} else {
		u.lost.remove(n, n+1)
	}
}

func (u *libudt) available() int64 { return u.buffer - (u.lastAck - u.read) - 1 }

func (u *libudt) ackPoint() int64 {
	if u.lost.empty() {
		return u.curr + 1
	}
	return u.lost.min()
}

func (u *libudt) timers() {
	now := u.s.now
	u.ran = now
	a := u.ackPoint()
	switch {
	case now > u.nextAck:
		u.nextAck = now + syncPeriod
		u.packets, u.light = 0, 1
		if a == u.confirmed || a < u.lastAck || a == u.lastAck && now-u.lastFull < libudtRTT+4*libudtRTTVar {
			break
		}
		u.lastAck = a
		u.lastFull = now
		u.ackNumber++
		u.acks[u.ackNumber] = a
		body := wire.Ack{
			Form: wire.AckFull, Next: wire.Number(a), RTT: 100_000, RTTVar: 50_000,
			Window: uint32(max(u.available(), 2)), RecvRate: 5000, Capacity: 10000,
		}
		u.control(wire.TypeAck, u.ackNumber, body.Append(nil))
		u.deliver()
	case u.packets >= 64*u.light:
		u.light++
		if a != u.confirmed {
			body := wire.Ack{Form: wire.AckLight, Next: wire.Number(a)}
			u.control(wire.TypeAck, 0, body.Append(nil))
		}
	}
	if now > u.heard+max(time.Duration(u.exp)*(libudtRTT+4*libudtRTTVar)+syncPeriod, time.Duration(u.exp)*300*time.Millisecond) {
		switch {
		case u.exp > 16:
			u.broken = true
		case u.dataAck < u.end:
			if u.sndLost.empty() {
				u.sndLost.add(u.una, u.next)
			}
			u.scheduled = true
		default:
			u.control(wire.TypeKeepAlive, 0, nil)
		}
		u.exp++
		u.heard = now
	}
	u.transmit()
}

// deliver reads what full ACKs have released.
func (u *libudt) deliver() {
	for !u.paused && u.read < u.lastAck {
		u.got = append(u.got, u.have[u.read]...)
		delete(u.have, u.read)
		u.read++
	}
}

func (u *libudt) controlPacket(b []byte) {
	head := wire.ParseControl(b)
	body := b[wire.HeaderLen:]
	switch head.Type {
	case wire.TypeAck2:
		if a, ok := u.acks[head.Info]; ok {
			u.confirmed = max(u.confirmed, a)
			delete(u.acks, head.Info)
		}
	case wire.TypeAck:
		a, err := wire.ParseAck(body)
		require.NoError(u.s.t, err)
		next := wire.Unwrap(u.una, a.Next)
		if a.Form == wire.AckLight {
			u.window -= max(next-u.una, 0)
			u.una = max(u.una, next)
			return
		}
		u.control(wire.TypeAck2, head.Info, nil)
		require.LessOrEqual(u.s.t, next, u.next, "an ACK beyond what was sent breaks the connection")
		require.NotZero(u.s.t, a.RTT)
		if next >= u.una {
			u.window, u.una = int64(a.Window), next
		}
		if next > u.dataAck {
			u.dataAck = next
			u.sndLost.removeBefore(next)
			u.scheduled = true
		}
	case wire.TypeNak:
		list := wire.ParseRanges(body)
		for f, l, ok := list.Next(); ok; f, l, ok = list.Next() {
			first := wire.Unwrap(u.una, f)
			end := wire.Unwrap(first, l) + 1
			require.Less(u.s.t, first, end)
			require.LessOrEqual(u.s.t, end, u.next, "a NAK beyond what was sent breaks the connection")
			if first = max(first, u.una); first < end {
				u.sndLost.add(first, end)
			}
		}
		u.lossReports++
		u.scheduled = true
	case wire.TypeHandshake:
		h, err := wire.ParseHandshake(body)
		require.NoError(u.s.t, err)
		if h.Request > 0 { // 6.8: answered at once
			var r [wire.HandshakeLen]byte
			h = wire.Handshake{Request: wire.RequestConclusion, SocketID: 202}
			h.Put(r[:])
			u.control(wire.TypeHandshake, 0, r[:])
		}
	}
}

// transmit sends while scheduled (REFERENCE.md#sender-of-the-reference).
func (u *libudt) transmit() {
	for u.scheduled && u.send != nil {
		var n int64
		switch {
		case !u.sndLost.empty():
			n = u.sndLost.min()
			u.sndLost.remove(n, n+1)
		case u.next < u.end && u.next-u.una+1 <= min(u.window, u.cwnd):
			n = u.next
			u.next++
		default:
			u.scheduled = false
			return
		}
		if n < u.dataAck {
			continue
		}
		p := make([]byte, wire.HeaderLen, 1500)
		(&wire.Data{Number: wire.Number(n), Boundary: wire.Solo, Message: 1, Dest: u.peer}).Put(p)
		u.out.send(u.s, u.to, append(p, u.send(n)...))
	}
}

// write makes packets available that carry the pattern.
func (u *libudt) write(packets int64, last int) {
	u.end = u.next + packets
	first, end := u.first, u.end
	u.send = func(n int64) []byte {
		size := 1456
		if n == end-1 {
			size = last
		}
		b := make([]byte, size)
		fill(b, (n-first)*1456)
		return b
	}
	u.scheduled = true
	if u.next == u.una {
		u.exp, u.heard = 1, u.s.now
	}
	u.transmit()
}

// withLibudt returns a connected client and a model of libudt behind it.
func withLibudt(t *testing.T, set ...func(s *sim)) (*sim, *libudt) {
	s := newSim(t, 1, kind{})
	for _, f := range set {
		f(s)
	}
	u := &libudt{s: s, to: s.a, out: &s.b.out, peer: 101, buffer: 8192, have: map[int64][]byte{}, acks: map[uint32]int64{}, light: 1, exp: 1, cwnd: 1000}
	s.b.listen = false
	s.b.raw = func(b []byte) {
		if u.ran == 0 {
			// The handshake, as a listener of the reference answers it.
			h, err := wire.ParseHandshake(b[wire.HeaderLen:])
			if err != nil || wire.Dest(b) != 0 {
				return
			}
			if h.Request == wire.RequestInduction {
				h.Cookie = 77
				s.b.out.send(s, s.a, appendHandshake(nil, &h, wire.ParseControl(b).Info, 0, 101))
				return
			}
			u.curr = int64(h.Number) - 1
			for _, n := range []*int64{&u.first, &u.lastAck, &u.confirmed, &u.read, &u.una, &u.dataAck, &u.next, &u.end} {
				*n = int64(h.Number)
			}
			u.ran, u.heard = s.now, s.now
			u.window = int64(h.FlowWindow)
			h.SocketID, h.FlowWindow = 202, 8192
			s.b.out.send(s, s.a, appendHandshake(nil, &h, 0, 0, 101))
			u.tick()
			return
		}
		if wire.Dest(b) == 0 {
			return
		}
		u.handle(b)
	}
	s.a.app = &streamApp{noClose: true}
	s.a.begin(NewClient(s.time(), &s.a.cfg))
	require.True(t, s.run(5*time.Second, s.a.c.Open))
	require.False(t, s.a.c.Extended())
	return s, u
}

func (u *libudt) tick() {
	if u.s.now-u.ran >= 100*time.Millisecond {
		u.timers()
	}
	u.s.after(10*time.Millisecond, u.tick)
}

func TestSendToLibudt(t *testing.T) {
	for _, loss := range []float64{0, 0.01, 0.1, 0.3} {
		s, u := withLibudt(t)
		s.every = 50
		s.a.out.loss, s.b.out.loss = loss, loss
		s.a.out.rate, s.a.out.queue = 12.5e6, 1000
		s.a.ctl.window, s.a.ctl.pacing = 200, 10e6
		const size = 4 << 20
		start := s.now
		s.a.write(size)
		require.True(t, s.run(s.now+120*time.Second, func() bool { return len(u.got) == size }), "loss %v: got %d\n%+v", loss, len(u.got), s.a.c.Info())
		require.True(t, matches(u.got, 0))
		t.Logf("loss %v: %v, %+v", loss, s.now-start, s.a.c.Info().Stats)
		limit := map[float64]time.Duration{0: 700 * time.Millisecond, 0.01: 1500 * time.Millisecond, 0.1: 8 * time.Second, 0.3: 60 * time.Second}[loss]
		require.Less(t, s.now-start, limit, "loss %v", loss)
		log := &s.a.c.send.log
		require.Less(t, s.a.c.send.txNext-log.records[log.head].first, int64(2600), "send records are forgotten")
		if loss < 0.3 {
			require.Less(t, s.a.c.stats.PacketsRetransmitted, uint64(float64(size/1456)*(3*loss+0.01)+20), "loss %v", loss)
		}
	}
}

func TestReceiveFromLibudt(t *testing.T) {
	for _, loss := range []float64{0, 0.01, 0.1} {
		s, u := withLibudt(t)
		s.a.out.loss, s.b.out.loss = loss, loss
		start := s.now
		u.write(2000, 700)
		const size = 1999*1456 + 700
		require.True(t, s.run(s.now+120*time.Second, func() bool { return s.a.stream().read == size && u.dataAck == u.end }), "loss %v: read %d of %d, acked %d", loss, s.a.stream().read, size, u.dataAck-u.end)
		require.False(t, u.broken)
		t.Logf("loss %v: %v, %d loss reports, %+v", loss, s.now-start, u.lossReports, s.a.c.stats)
		require.Less(t, s.now-start, map[float64]time.Duration{0: 300 * time.Millisecond, 0.01: 2 * time.Second, 0.1: 10 * time.Second}[loss])
	}
}

// A tail that was lost is repaired by the reference's EXP timer, which our
// own packets must not put off (SPEC.md#silence-for-a-legacy-sender).
func TestLostTailFromLibudt(t *testing.T) {
	s, u := withLibudt(t)
	u.write(10, 1456)
	s.pass(time.Second)
	s.b.out.down = true
	u.write(10, 1456)
	s.b.out.down = false
	start := s.now
	require.True(t, s.run(s.now+10*time.Second, func() bool { return u.dataAck == u.end }))
	require.Less(t, s.now-start, 1500*time.Millisecond)
}

// The two packets beyond a closed window are not acknowledged until the
// reader has drained; one full ACK then wakes the reference at once and
// without a loss event (SPEC.md#reopening-a-window).
func TestClosedWindowWakesLibudt(t *testing.T) {
	s, u := withLibudt(t, func(s *sim) { s.a.cfg.RecvBuffer = 30_000 })
	s.a.stream().paused = true
	u.write(200, 1456)
	s.pass(20 * time.Second)
	require.False(t, u.broken)
	reports := u.lossReports
	held := s.a.c.recv.next
	require.Equal(t, held-2, s.a.c.recv.acks.next, "two are held in reserve")
	start := s.now
	s.a.stream().paused = false
	s.a.pump()
	require.True(t, s.run(s.now+5*time.Second, func() bool { return u.dataAck == u.end }))
	require.Less(t, s.now-start, 500*time.Millisecond)
	require.Equal(t, reports, u.lossReports)
}

// A peer whose reader stops closes its window, and says nothing when it opens
// again; probes find out (REFERENCE.md#receiver-of-the-reference).
func TestLibudtWindowReopens(t *testing.T) {
	s, u := withLibudt(t)
	u.buffer = 64
	u.paused = true
	s.a.write(1 << 20)
	s.pass(20 * time.Second)
	require.True(t, s.a.c.Open(), "%v", s.a.c.Err())
	require.Zero(t, s.a.ctl.timeouts)
	u.paused = false
	u.deliver()
	start := s.now
	require.True(t, s.run(s.now+20*time.Second, func() bool { return len(u.got) == 1<<20 }))
	require.Less(t, s.now-start, 8*time.Second)
	require.True(t, matches(u.got, 0))
}

// A live peer of the reference answers a handshake at once, so that silence
// alone does not end a connection, and one that vanished is noticed
// (SPEC.md#life-signs).
func TestLibudtIsPinged(t *testing.T) {
	s, u := withLibudt(t)
	s.b.out.drop = isType(wire.TypeKeepAlive)
	s.pass(2 * time.Minute)
	require.True(t, s.a.c.Open(), "%v", s.a.c.Err())
	s.b.out.down = true
	start := s.now
	require.True(t, s.run(s.now+time.Minute, s.a.c.Ended))
	require.ErrorIs(t, s.a.c.Err(), ErrPeerTimeout)
	require.LessOrEqual(t, s.now-start, 11*time.Second)
	require.False(t, u.broken)
}
