package proto

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/udtgo/udtgo/udt/internal/cc"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// script is the bytes that steer a fuzzed pair; it reads zeros behind its end.
type script struct{ b []byte }

func (s *script) more() bool { return len(s.b) > 0 }

func (s *script) byte() int {
	if len(s.b) == 0 {
		return 0
	}
	v := s.b[0]
	s.b = s.b[1:]
	return int(v)
}

func (s *script) word() uint32 {
	return uint32(s.byte())<<24 | uint32(s.byte())<<16 | uint32(s.byte())<<8 | uint32(s.byte())
}

// fuzzSide is a Conn whose datagrams wait for the script to deliver them.
type fuzzSide struct {
	t     testing.TB
	c     *Conn
	cfg   Config
	mem   *testMemory
	out   [][]byte // datagrams on their way to the peer
	batch Batch
	held  Reservation // a writer's
}

func (x *fuzzSide) check() {
	if x.c == nil {
		return
	}
	if err := invariants(x.c); err != nil {
		x.t.Fatal(err)
	}
}

// pump polls until nothing is left; the network takes all but the last skip
// datagrams of the first batch.
func (x *fuzzSide) pump(now time.Time, skip int) {
	if x.c == nil {
		return
	}
	for range 10_000 {
		if !poll(x.c, now, &x.batch) {
			if next := nextOf(x.c, now); !next.IsZero() && !next.After(now) {
				x.t.Fatalf("Next is %v ago: %s", now.Sub(next), timers(x.c))
			}
			return
		}
		var all [][]byte
		for _, r := range x.batch.Runs {
			for b := r.B; len(b) > 0; {
				n := len(b)
				if r.Segment > 0 {
					n = min(n, r.Segment)
				}
				all = append(all, append([]byte(nil), b[:n]...))
				b = b[n:]
			}
		}
		take := max(len(all)-skip, 0)
		skip = 0
		x.out = append(x.out, all[:take]...)
		if len(x.out) > 4000 {
			x.out = x.out[2000:]
		}
		x.c.Sent(now, &x.batch, take)
		x.check()
	}
	x.t.Fatal("Poll never stops")
}

// number returns a sequence number worth trying.
func (s *script) number(c *Conn) uint32 {
	d := uint32(int8(s.byte()))
	switch s.byte() % 6 {
	case 0:
		return wire.Number(c.send.buf.una) + d
	case 1:
		return wire.Number(c.send.buf.next) + d
	case 2:
		return wire.Number(c.recv.next) + d
	case 3:
		return wire.Number(c.recv.buf.high) + d
	case 4:
		return wire.Number(c.edge()) + d
	}
	return s.word()
}

// packet makes one from nothing.
func (s *script) packet(c *Conn) []byte {
	b := make([]byte, wire.HeaderLen, 1500)
	dest := c.cfg.LocalID
	if s.byte()%2 == 0 {
		n := s.byte()
		(&wire.Data{
			Number: s.number(c) & wire.NumberMask, Boundary: wire.Boundary(n & 3), Ordered: n&4 != 0,
			Message: uint32(s.byte()), Time: uint32(int(c.recv.arrivals.largest) + int(int8(s.byte()))), Dest: dest,
		}).Put(b)
		return append(b, make([]byte, []int{0, 1, 20, 600, 1456, 1460}[n>>3%6%6])...)
	}
	h := wire.Control{Dest: dest, Info: s.word()}
	var body []byte
	switch kind := s.byte() % 10; kind {
	case 0:
		h.Type = wire.TypeAck
		ack := wire.Ack{
			Form: wire.AckForm(s.byte() % 4), Next: s.number(c), RTT: s.word(), RTTVar: s.word(), Window: s.word() >> (s.byte() % 32),
			RecvRate: s.word(), Capacity: s.word(), Delay: s.word() >> (s.byte() % 32), HighNext: s.number(c), Clock: s.word(),
			LargestTx: uint32(int(c.send.txNext) + int(int8(s.byte()))), Received: uint32(int(c.send.txNext) + int(int8(s.byte()))),
		}
		for range s.byte() % 4 {
			ack.Missing = binary.BigEndian.AppendUint32(ack.Missing, s.number(c)|uint32(s.byte())<<31)
		}
		body = ack.Append(nil)
	case 1:
		h.Type = wire.TypeNak
		for range 1 + s.byte()%6 {
			body = binary.BigEndian.AppendUint32(body, s.number(c)&wire.NumberMask|uint32(s.byte())<<31)
		}
	case 2:
		h.Type = wire.TypeDropRequest
		body = binary.BigEndian.AppendUint32(body, s.number(c))
		body = binary.BigEndian.AppendUint32(body, s.number(c))
	case 3:
		h.Type = wire.TypeAck2
		if n := len(c.recv.acks.history); n > 0 {
			h.Info = c.recv.acks.history[s.byte()%n].number
		}
	case 4:
		h.Type = wire.TypeShutdown
		h.Info &= 1
		body = append(binary.BigEndian.AppendUint32(nil, uint32(s.byte()%5)), 0, 0, 0, 0)
		binary.BigEndian.PutUint32(body[4:], s.number(c))
	case 5:
		h.Type = wire.TypeHandshake
		p := wire.Handshake{
			Version: uint32(s.byte() % 6), Type: wire.SocketType(s.byte() % 4), Number: s.word(), MSS: s.word() >> (s.byte() % 32),
			FlowWindow: s.word() >> (s.byte() % 32), Request: wire.Request(int8(s.byte()) % 4), SocketID: s.word(), Cookie: c.hs.cookie,
		}
		body = make([]byte, wire.HandshakeLen)
		p.Put(body)
	case 6:
		h.Type, h.Info = wire.TypeKeepAlive, h.Info&1
	default:
		h.Type = wire.Type(s.byte())
		body = make([]byte, s.byte())
	}
	h.Put(b)
	return append(b, body...)
}

func FuzzScript(f *testing.F) {
	r := newRand(1)
	for i := range 16 {
		for _, n := range []int{40, 400} {
			b := make([]byte, n)
			for j := range b {
				b[j] = byte(r.Uint32())
			}
			b[0] = byte(i)
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) { runScript(t, b) })
}

// TestScripts runs random scripts, as FuzzScript does.
func TestScripts(t *testing.T) {
	scenarios(t, 2000, func(t *testing.T, seed uint64) {
		r := newRand(seed)
		b := make([]byte, 1+r.IntN(600))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		defer func() {
			if t.Failed() {
				t.Logf("seed %d", seed)
			}
		}()
		runScript(t, b)
	})
}

func runScript(t testing.TB, b []byte) {
	s := &script{b}
	now := epoch
	flags := s.byte()
	k := kind{flags&8 != 0, flags&4 != 0, flags&2 != 0, flags&1 != 0}
	var pair [2]*fuzzSide
	for i := range pair {
		x := &fuzzSide{t: t, mem: newTestMemory()}
		x.cfg = baseConfig(uint64(i))
		x.cfg.Message, x.cfg.LocalID, x.cfg.Memory = k.message, uint32(i+1), x.mem
		x.cfg.NoExtensions = []bool{k.legacyA, k.legacyB}[i]
		x.cfg.InitialNumber = wire.NumberMask - 20
		x.cfg.Controller = &fixedController{window: 40}
		if flags&16 != 0 {
			x.cfg.Controller = cc.NewNative(newRand(1).Float64)
		}
		if flags&32 != 0 {
			x.cfg.RecvBuffer, x.cfg.SendBuffer = 30_000, 30_000
		}
		if flags&64 != 0 {
			x.cfg.MSS = MinMSS + 40*i
		}
		pair[i] = x
	}
	a, p := pair[0], pair[1]
	switch {
	case k.rendezvous:
		a.c, p.c = NewRendezvous(now, &a.cfg), NewRendezvous(now, &p.cfg)
	default:
		a.c = NewClient(now, &a.cfg)
	}
	deliver := func(x, y *fuzzSide, b []byte, owned bool) {
		if y.c == nil {
			h, err := wire.ParseHandshake(b[wire.HeaderLen:])
			if err != nil || h.Request == wire.RequestConclusion && (h.MSS < MinMSS || int32(h.FlowWindow) < 1 || h.SocketID == 0) {
				return
			}
			head := wire.ParseControl(b)
			if h.Request == wire.RequestInduction {
				marker := head.Info
				if !y.cfg.NoExtensions {
					marker = uint32(wire.MarkerServer) | 1
				}
				h.Cookie = 5
				y.out = append(y.out, appendHandshake(nil, &h, marker, 0, 1))
			} else if h.Request == wire.RequestConclusion {
				y.c = NewServer(now, &y.cfg, &Acceptance{Handshake: h, Marker: wire.Marker(head.Info), RTT: time.Millisecond})
			}
			return
		}
		if len(b) >= wire.HeaderLen && wire.Dest(b) == 0 && y.c.server {
			y.c.HandleConclusion(now)
			return
		}
		if owned {
			ref := y.mem.ref(append([]byte(nil), b...))
			give(y.c, now, ref.b, 0, ref)
			ref.Release()
			return
		}
		c := append([]byte(nil), b...)
		give(y.c, now, c, 0, nil)
		for i := range c {
			c[i] = poison
		}
	}
	for steps := 0; s.more() && steps < 2000; steps++ {
		x, y := a, p
		op := s.byte()
		if op&1 != 0 {
			x, y = p, a
		}
		switch op >> 1 % 32 {
		case 0, 1, 2, 3, 4, 5: // deliver some packets
			for range 1 + s.byte()%40 {
				if len(x.out) == 0 {
					break
				}
				b := x.out[0]
				x.out = x.out[1:]
				deliver(x, y, b, op&64 != 0)
				y.check()
				y.pump(now, 0)
			}
		case 6: // out of order
			if len(x.out) > 0 {
				i := s.byte() % len(x.out)
				b := x.out[i]
				x.out = append(x.out[:i:i], x.out[i+1:]...)
				deliver(x, y, b, op&64 != 0)
			}
		case 7: // a copy
			if len(x.out) > 0 {
				deliver(x, y, x.out[s.byte()%len(x.out)], op&64 != 0)
			}
		case 8: // loss
			x.out = x.out[min(len(x.out), 1+s.byte()%8):]
		case 9: // damage
			if len(x.out) > 0 {
				b := append([]byte(nil), x.out[0]...)
				for range 1 + s.byte()%4 {
					b[s.byte()%len(b)] ^= byte(1 << (s.byte() % 8))
				}
				if y.c != nil {
					deliver(x, y, b[:max(len(b)-s.byte()%3*7, 0)], false)
				}
			}
		case 10, 11, 12: // a packet from nowhere
			if y.c != nil && !y.c.Connecting() {
				give(y.c, now, s.packet(y.c), 0, nil)
			} else if y.c != nil {
				give(y.c, now, s.packet(y.c), 0, nil)
			}
		case 13, 14, 15, 16: // time
			now = now.Add(time.Duration(1+s.byte()) * []time.Duration{time.Microsecond, 100 * time.Microsecond, time.Millisecond, 20 * time.Millisecond}[s.byte()%4])
		case 17: // the next timer
			if x.c != nil {
				if next := nextOf(x.c, now); next.After(now) {
					now = next
				}
			}
		case 18, 19, 20: // write
			x.write(now, s)
		case 21: // write in two steps
			if x.c != nil && !k.message && x.held.size == 0 {
				x.held = x.c.Reserve(1 + s.byte()*20)
			}
		case 22:
			if x.held.size > 0 {
				x.c.Commit(now, &x.held, min(x.held.size, s.byte()*10))
				x.held = Reservation{}
			}
		case 23, 24, 25: // read
			x.read(now, s)
		case 26:
			if x.c != nil && s.byte()%8 == 0 {
				x.c.Close(now)
			}
		case 27:
			if x.c != nil && s.byte()%16 == 0 {
				x.c.Abort(now, wire.ReasonAborted)
			}
		case 28:
			if x.c != nil {
				x.c.trim()
				x.c.SetMaxBandwidth(int64(s.byte()) * 10_000)
				x.c.Info()
			}
		case 29:
			if x.c != nil {
				x.c.SetLinger(now, time.Duration(s.byte())*time.Millisecond)
				x.c.queueControl(1, 2, make([]byte, s.byte()%20))
			}
		case 30: // the network takes only part
			if x.c != nil {
				x.write(now, s)
				x.pump(now, s.byte()%70)
			}
		case 31:
			if x.c != nil {
				x.c.Poll(now, nil)
				x.c.Stuck()
				x.c.ReadErr()
				x.c.WriteErr()
			}
		}
		for _, z := range pair {
			z.check()
			z.pump(now, 0)
			z.check()
		}
	}
	for _, x := range pair {
		if x.c == nil {
			continue
		}
		if x.held.size > 0 {
			x.c.Commit(now, &x.held, 1)
		}
		x.c.Abort(now, wire.ReasonAborted)
		x.pump(now, 0)
		x.c.Free()
		if err := x.mem.leaks(); err != nil {
			t.Fatal(err)
		}
	}
}

func (x *fuzzSide) write(now time.Time, s *script) {
	c := x.c
	if c == nil || x.held.size > 0 {
		return
	}
	if x.cfg.Message && c.MessageLeft() == 0 {
		if c.Connecting() {
			return
		}
		n := 1 + s.byte()*30
		if n > c.MaxMessage() || !c.BeginMessage(now, n, time.Duration(s.byte()%4)*5*time.Millisecond, s.byte()%2 == 0) {
			return
		}
	}
	n := 1 + s.byte()*s.byte()
	r := c.Reserve(n)
	if r.Size() == 0 {
		return
	}
	r.Copy(0, make([]byte, r.Size()))
	if x.cfg.Message {
		n = r.Size()
	}
	c.Commit(now, &r, min(n, r.Size()))
}

func (x *fuzzSide) read(now time.Time, s *script) {
	c := x.c
	if c == nil || !c.Readable() {
		return
	}
	pieces := c.Pieces(1+s.byte()*30, make([][]byte, 0, 20))
	n := 0
	for _, p := range pieces {
		n += len(p)
	}
	switch {
	case !x.cfg.Message:
		if n == 0 {
			x.t.Fatal("readable, but nothing to read")
		}
		c.Consume(now, 1+s.byte()%n)
	case s.byte()%2 == 0:
		if n != c.MessageSize() {
			x.t.Fatalf("message of %d bytes, size %d", n, c.MessageSize())
		}
		c.ConsumeMessage(now)
	default:
		parts := c.TakeMessage(nil)
		c.Taken(now)
		for _, p := range parts {
			n -= len(p.B)
		}
		if n != 0 {
			x.t.Fatalf("%d bytes of the message were not taken", n)
		}
		releaseAll(parts)
	}
}

func FuzzHandshake(f *testing.F) {
	h := wire.Handshake{Version: 4, Type: 1, Number: 7, MSS: 1500, FlowWindow: 8192, Request: 1, SocketID: 9, Cookie: 3}
	for _, request := range []wire.Request{1, -1, 0, -2, 1002} {
		h.Request = request
		f.Add(byte(0), appendHandshake(nil, &h, uint32(wire.MarkerServer)|1, 5, 1))
		f.Add(byte(1), appendHandshake(nil, &h, uint32(wire.MarkerRendezvous)|1, 5, 1))
	}
	f.Fuzz(func(t *testing.T, role byte, b []byte) {
		x := &fuzzSide{t: t, mem: newTestMemory()}
		x.cfg = baseConfig(1)
		x.cfg.Memory, x.cfg.Controller, x.cfg.LocalID, x.cfg.InitialNumber = x.mem, &fixedController{window: 16}, 1, 7
		x.c = NewClient(epoch, &x.cfg)
		if role&1 != 0 {
			x.c = NewRendezvous(epoch, &x.cfg)
		}
		now := epoch
		for len(b) > 0 {
			x.pump(now, 0)
			n := min(len(b), wire.HeaderLen+wire.HandshakeLen)
			give(x.c, now, b[:n], 0, nil)
			b = b[n:]
			x.check()
			now = now.Add(100 * time.Millisecond)
		}
		x.pump(now, 0)
		x.c.Close(now)
		x.pump(now, 0)
		x.c.Free()
		if err := x.mem.leaks(); err != nil {
			t.Fatal(err)
		}
	})
}
