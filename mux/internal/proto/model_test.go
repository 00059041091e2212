package proto

import (
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patternAt is byte off of direction from the opener, or to it, of stream id.
func patternAt(id, off int64, back bool) byte {
	b := byte(off*7 + id*31 + off>>8)
	if back {
		b = ^b
	}
	return b
}

// world is two sessions, the packets between them, and what a model says about each
// direction of each stream.
type world struct {
	t       testing.TB
	rng     *rand.Rand
	now     time.Time
	ends    [2]*Session
	streams [2][]*Stream // that the application holds
	wire    [2][][]byte  // packets on their way to each end
	lanes   map[lane]*laneModel
}

// lane is one direction of a stream.
type lane struct {
	id     int64
	client bool // the client sends
}

// laneModel is what the model knows of a lane.
type laneModel struct {
	written, read int64 // bytes taken of the writer, given to the reader
	ended         bool  // CloseWrite
	broken        bool  // a reset or a CloseRead: what arrives is undefined
	sawEOF        bool
	lent          []byte // to be filled
}

func newWorld(t testing.TB, seed uint64) *world {
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(1000, 0), lanes: make(map[lane]*laneModel)}
	for i := range w.ends {
		c := testConfig()
		c.Server = i == 1
		c.Streams = [2]int64{20, EarlyStreams} // none is refused
		w.ends[i] = New(c, w.now)
	}
	return w
}

func (w *world) lane(st *Stream, end int, sends bool) *laneModel {
	k := lane{st.ID(), (end == 0) == sends}
	if w.lanes[k] == nil {
		w.lanes[k] = &laneModel{}
	}
	return w.lanes[k]
}

// step does something at random.
func (w *world) step() {
	w.now = w.now.Add(time.Duration(w.rng.IntN(2_000_000)))
	end := w.rng.IntN(2)
	s := w.ends[end]
	switch w.rng.IntN(10) {
	case 0:
		if st, err := s.Open(Kind(w.rng.IntN(2))); st != nil {
			require.NoError(w.t, err)
			w.streams[end] = append(w.streams[end], st)
		}
	case 1:
		if st := s.Accept(); st != nil {
			w.streams[end] = append(w.streams[end], st)
		}
	case 2, 3:
		w.pack(end)
	case 4, 5:
		w.deliver(end)
	default:
		if n := len(w.streams[end]); n > 0 {
			w.act(end, w.streams[end][w.rng.IntN(n)], w.rng.IntN(40))
		}
	}
	w.check()
}

// act calls a method of a stream.
func (w *world) act(end int, st *Stream, what int) {
	out, in := w.lane(st, end, true), w.lane(st, end, false)
	switch {
	case what < 16:
		w.write(end, st, out)
	case what < 34:
		w.read(end, st, in)
	case what < 36:
		if st.CloseWrite() == nil {
			out.ended = true
			out.written = st.Sent()
		}
	case what < 37:
		if !st.WriteOnly() && st.CloseRead(3) == nil {
			in.broken = true
		}
	case what < 38:
		if st.Reset(uint64(w.rng.IntN(9))) == nil {
			in.broken, out.broken = true, true
		}
	default:
		st.SetPriority(uint8(w.rng.IntN(8)), w.rng.IntN(2) == 0)
	}
}

func (w *world) write(end int, st *Stream, m *laneModel) {
	if st.Left() > 0 {
		if w.rng.IntN(4) == 0 {
			st.Withdraw() // its deadline passed
		}
		return
	}
	b := make([]byte, w.rng.IntN(40_000)+1)
	for i := range b {
		b[i] = patternAt(st.ID(), st.Sent()+int64(i), !st.Local())
	}
	err := st.Offer(b)
	if err == nil {
		require.False(w.t, m.ended, "took bytes after CloseWrite")
		return
	}
	require.True(w.t, m.ended || m.broken || st.ReadOnly() || errors.As(err, new(*StreamError)), "%v", err)
}

func (w *world) read(end int, st *Stream, m *laneModel) {
	b := make([]byte, w.rng.IntN(60_000)+1)
	var n int
	var err error
	if m.lent != nil {
		b, m.lent = m.lent, nil
		n = st.TakeBack(w.now)
	} else if n, err = st.Read(w.now, b); n == 0 && err == nil && w.rng.IntN(2) == 0 && st.Lend(b) {
		require.False(w.t, st.Lend(b), "lent twice")
		m.lent = b
	}
	for i, c := range b[:n] {
		if off := m.read + int64(i); c != patternAt(st.ID(), off, st.Local()) {
			require.FailNow(w.t, "wrong byte", "stream %d at %d", st.ID(), off)
		}
	}
	m.read += int64(n)
	switch {
	case err == io.EOF:
		require.True(w.t, m.ended, "the end of a stream that was not ended")
		require.Equal(w.t, m.written, m.read, "truncated")
		m.sawEOF = true
	case err != nil:
		require.True(w.t, m.broken || st.WriteOnly(), "%v", err)
	}
}

func (w *world) pack(end int) {
	b := make([]byte, MinPacket+w.rng.IntN(2000))
	if n := w.ends[end].Pack(w.now, b); n > 0 {
		w.wire[1-end] = append(w.wire[1-end], b[:n])
	}
}

// deliver gives any packet on its way to end.
func (w *world) deliver(end int) {
	q := w.wire[end]
	if len(q) == 0 {
		return
	}
	i := w.rng.IntN(min(len(q), 20))
	p := q[i]
	w.wire[end] = append(q[:i:i], q[i+1:]...)
	require.NoError(w.t, w.ends[end].HandlePacket(w.now, p))
}

// check holds at any time.
func (w *world) check() {
	for _, s := range w.ends {
		var held, grown int64
		ok := s.sent <= s.sendLimit && int64(s.Len()) <= 2*(s.cfg.Streams[Bidi]+s.cfg.Streams[Uni]+EarlyStreams)
		for _, st := range s.streams {
			held += st.recv.highest - st.recv.buf.start
			if !st.recv.dropping {
				held += int64(st.recv.buf.filled)
			}
			grown += st.recv.window - s.cfg.StreamWindow
			ok = ok && st.recv.highest <= st.recv.limit && st.recv.buf.ready <= st.recv.highest
		}
		if !ok || held != s.received-s.done || grown != s.grown || held > s.cfg.SessionWindow {
			require.FailNow(w.t, "accounts are wrong", "held %d, received %d, done %d, grown %d and %d, sent %d of %d, %d streams",
				held, s.received, s.done, grown, s.grown, s.sent, s.sendLimit, s.Len())
		}
	}
}

// finish lets everything arrive and closes all streams.
func (w *world) finish() {
	for round := 0; round < 10_000; round++ {
		idle := true
		for end, s := range w.ends {
			for st := s.Accept(); st != nil; st = s.Accept() {
				w.streams[end] = append(w.streams[end], st)
			}
			for _, st := range w.streams[end] {
				st.Withdraw()
				out, in := w.lane(st, end, true), w.lane(st, end, false)
				if st.CloseWrite() == nil {
					out.ended, out.written = true, st.Sent()
				}
				w.read(end, st, in)
			}
			for s.Ready() {
				w.pack(end)
				idle = false
			}
			for len(w.wire[end]) > 0 {
				w.deliver(end)
				idle = false
			}
		}
		w.check()
		w.now = w.now.Add(time.Second)
		if idle && w.ends[0].Len() == 0 && w.ends[1].Len() == 0 {
			return
		}
	}
	w.t.Fatalf("streams are left: %d and %d", w.ends[0].Len(), w.ends[1].Len())
}

// Whatever applications do and in whatever order packets arrive: bytes are read as
// they were written, ends are told from resets, counts agree, and in the end nothing
// is left.
func TestModel(t *testing.T) {
	for seed := range uint64(30) {
		w := newWorld(t, seed)
		for range 1500 {
			w.step()
		}
		w.finish()
		whole := 0
		for k, m := range w.lanes {
			if !m.broken && m.sawEOF {
				whole++
			}
			require.True(t, m.broken || m.sawEOF || !m.ended, "seed %d: the end of %v did not arrive", seed, k)
		}
		require.NotZero(t, whole, "seed %d", seed)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
