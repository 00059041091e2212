package udt_test

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
)

var (
	scenarioCount = flag.Int("scenarios", 200, "random scenarios to run in virtual time")
	scenarioSeed  = flag.Uint64("scenario", 0, "run only the scenario with this seed")
	allProtected  = flag.Bool("protected", false, "run all random scenarios in protected mode, not a third of them")
)

// A scenario is a connection in virtual time over a random path, with random
// traffic in both directions and a random end.
type scenario struct {
	rng  *rand.Rand
	seed uint64

	link       simnet.Link
	harsh      bool // so lossy that a live peer may be given up
	mode       udt.Mode
	rendezvous bool
	protected  bool
	listener   *udt.Listener
	corrupt    bool
	config     [2]*udt.Config
	size       [2]int           // bytes each side writes
	end        [2]ending        // how each side ends
	endAt      [2]time.Duration // when, for those that do not wait
	vanish     time.Duration    // the path goes down for good; zero never
	last       int              // the side that waits for the other's end before its own; -1 none
}

// ending is how one side finishes.
type ending int

const (
	endClose  ending = iota // Close when everything is written and, if the peer writes, read
	endEarly                // Close at a random moment
	endAbort                // Abort at a random moment
	endLinger               // SetLinger(0), then Close at a random moment
)

func newScenario(seed uint64) *scenario {
	r := rand.New(rand.NewPCG(seed, 0x5ce0))
	s := &scenario{rng: r, seed: seed}
	chance := func(p float64) bool { return r.Float64() < p }
	s.link = simnet.Link{
		Rate:  int64(1e6 * (1 + r.ExpFloat64()*20)),
		Delay: time.Duration(1+r.IntN(80_000)) * time.Microsecond,
	}
	if chance(0.6) {
		s.link.Loss = []float64{0.001, 0.01, 0.05, 0.1, 0.3}[r.IntN(5)]
	}
	if chance(0.2) {
		s.link.Burst = simnet.Burst{Enter: 0.002, Leave: 0.3}
	}
	if chance(0.3) {
		s.link.Jitter = time.Duration(r.IntN(20_000)) * time.Microsecond
	}
	if chance(0.3) {
		s.link.Reorder, s.link.ReorderDelay = 0.05*r.Float64(), time.Duration(r.IntN(20_000))*time.Microsecond
	}
	if chance(0.3) {
		s.link.Duplicate = 0.05 * r.Float64()
	}
	if chance(0.5) {
		s.link.Queue = 20 + r.IntN(500)
	}
	s.harsh = s.link.Loss >= 0.1
	if chance(0.4) {
		s.mode = udt.ModeMessage
	}
	s.rendezvous = chance(0.2)
	s.last = r.IntN(3) - 1
	for i := range s.config {
		c := &udt.Config{Mode: s.mode, HandshakeTimeout: 60 * time.Second, DisableExtensions: chance(0.3)}
		if chance(0.3) {
			c.MSS = 200 + r.IntN(1300)
		}
		if chance(0.3) {
			c.RecvBuffer = 64<<10 + r.IntN(1<<20)
		}
		if chance(0.3) {
			c.SendBuffer = 64<<10 + r.IntN(1<<20)
		}
		if chance(0.5) {
			udt.SetInitialNumber(c, uint32(1<<31-1-r.IntN(200)))
		}
		s.config[i] = c
		if chance(0.8) {
			s.size[i] = r.IntN(1 << (8 + r.IntN(11)))
		}
		if chance(0.25) {
			s.end[i] = ending(1 + r.IntN(3))
			s.endAt[i] = time.Duration(r.ExpFloat64() * float64(time.Second))
		}
	}
	if chance(0.1) {
		s.vanish = time.Duration(r.ExpFloat64() * float64(time.Second))
	}
	s.protect(*allProtected)
	return s
}

// protect turns on protected mode for a third of the scenarios, or for all. What else
// a scenario does not depend on it.
func (s *scenario) protect(all bool) {
	r := rand.New(rand.NewPCG(s.seed, 0x5ec5))
	s.protected = r.IntN(3) == 0 || all
	if !s.protected {
		return
	}
	epoch := uint(0)
	if r.IntN(2) == 0 {
		epoch = 9 + uint(r.IntN(3)) // keys change every few hundred packets
	}
	bind := r.IntN(5) == 0
	for _, c := range s.config {
		c.Security = &udt.Security{PSKs: psk(s.mode).Security.PSKs, BindAddresses: bind}
		if r.IntN(4) == 0 {
			c.Security.Policy = udt.SecurityPrefer
		}
		udt.SetEpochBits(c.Security, epoch)
		c.DisableExtensions = false
		if c.MSS != 0 {
			c.MSS = max(c.MSS, 576)
		}
	}
}

func (s *scenario) String() string {
	return fmt.Sprintf("seed %d: %+v mode %v rendezvous %v protected %v sizes %v ends %v at %v vanish %v configs %+v %+v",
		s.seed, s.link, s.mode, s.rendezvous, s.protected, s.size, s.end, s.endAt, s.vanish, s.config[0], s.config[1])
}

var (
	addrA = netip.MustParseAddrPort("10.0.0.1:4000")
	addrB = netip.MustParseAddrPort("10.0.0.2:5000")
)

// connect returns both ends, or the errors of an attempt that the path allowed to
// fail.
func (s *scenario) connect(t *testing.T, n *simnet.Network) (conns [2]*udt.Conn, endpoints [2]*udt.Endpoint) {
	for i, a := range []netip.AddrPort{addrA, addrB} {
		under, err := n.Listen(a)
		require.NoError(t, err)
		var pc net.PacketConn = under
		if s.corrupt && s.protected {
			pc = newMangler(under, s.seed<<1|uint64(i))
		}
		endpoints[i], err = udt.NewEndpoint(pc, nil)
		require.NoError(t, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	if s.rendezvous {
		var wg sync.WaitGroup
		for i, to := range []netip.AddrPort{addrB, addrA} {
			wg.Go(func() {
				d := udt.Dialer{Rendezvous: true, Endpoint: endpoints[i], Config: s.config[i]}
				conns[i], _ = d.DialUDT(ctx, "udt", netip.AddrPort{}, to)
			})
		}
		wg.Wait()
		return conns, endpoints
	}
	l, err := endpoints[1].Listen(s.config[1])
	require.NoError(t, err)
	s.listener = l
	conns[0], err = endpoints[0].DialContext(ctx, "udt", addrB.String(), s.config[0])
	if err != nil {
		var timeout net.Error
		require.True(t, errors.As(err, &timeout) && timeout.Timeout() || s.corrupt, "dial: %v\n%v", err, s)
		return conns, endpoints
	}
	l.SetDeadline(time.Now().Add(10 * time.Second))
	conns[1], err = l.AcceptUDT()
	require.True(t, err == nil || s.corrupt || s.protected && s.harsh, "accept: %v\n%v", err, s)
	return conns, endpoints
}

// run plays the scenario in the calling bubble.
func (s *scenario) run(t *testing.T) {
	n := simnet.New(simnet.Config{Seed: s.seed, Default: s.link})
	defer n.Close()
	conns, endpoints := s.connect(t, n)
	defer func() {
		for _, e := range endpoints {
			e.Close()
			require.Zero(t, e.Stats().MemoryHeld, s)
		}
	}()
	if conns[0] == nil || conns[1] == nil {
		require.True(t, s.harsh, s)
		if c := conns[0]; c != nil && s.protected {
			// A server that has not got the client's last flight in time has given
			// up, and its client finds out.
			_, err := c.Read(make([]byte, 1))
			require.True(t, err != nil && err != io.EOF, "read: %v\n%v", err, s)
		}
		return
	}
	if s.vanish > 0 {
		time.AfterFunc(s.vanish, func() { n.SetDefault(simnet.Link{Down: true}) })
	}
	var sides [2]*side
	for i := range sides {
		sides[i] = &side{s: s, i: i, conn: conns[i]}
	}
	sides[0].peer, sides[1].peer = sides[1], sides[0]
	var wg sync.WaitGroup
	for _, d := range sides {
		wg.Go(d.write)
		wg.Go(d.read)
		wg.Go(d.finish)
	}
	wg.Wait()
	for _, d := range sides {
		if !s.corrupt || s.protected {
			d.check(t, d.peer)
		}
	}
	if s.corrupt && s.protected && s.listener != nil {
		// A conclusion that was cut off is one of plain UDT: a server that only prefers
		// protection makes a connection of it beside the true one.
		s.listener.Close()
	}
	// Let the background finish: lingering, repeated Shutdowns.
	time.Sleep(4 * time.Minute)
	for _, e := range endpoints {
		require.Zero(t, e.Stats().Connections, s)
	}
}

// side is what one end does and sees.
type side struct {
	s    *scenario
	i    int
	conn *udt.Conn
	peer *side

	mu        sync.Mutex
	written   int // bytes, or messages, accepted
	writeDone bool
	writeErr  error
	got       int // bytes, or messages; written by read only
	readErr   error
	readDone  bool
	bad       string // first violation
	closed    bool
	messages  map[uint64]bool
}

// content is what position i of every stream contains.
var content = func() []byte {
	b := make([]byte, 65521)
	rand.NewChaCha8([32]byte{7}).Read(b)
	return b
}()

func fillContent(b []byte, from int) {
	for len(b) > 0 {
		n := copy(b, content[from%len(content):])
		b, from = b[n:], from+n
	}
}

func checkContent(b []byte, from int) bool {
	for len(b) > 0 {
		c := content[from%len(content):]
		n := min(len(b), len(c))
		if string(b[:n]) != string(c[:n]) {
			return false
		}
		b, from = b[n:], from+n
	}
	return true
}

func (d *side) violation(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.bad == "" {
		d.bad = fmt.Sprintf(format, args...)
	}
}

func (d *side) write() {
	r := rand.New(rand.NewPCG(d.s.seed, uint64(d.i)+100))
	var err error
	for sent := 0; sent < d.s.size[d.i] && err == nil; {
		if r.IntN(20) == 0 {
			// A deadline at a random moment; what was accepted counts.
			d.conn.SetWriteDeadline(time.Now().Add(time.Duration(r.IntN(2)) * time.Millisecond))
		}
		n := 1 + r.IntN(1<<(4+r.IntN(13)))
		if d.s.mode == udt.ModeMessage {
			n = min(n, d.conn.MaxMessage())
			err = d.writeMessage(r, n)
			sent += n
		} else {
			b := make([]byte, n)
			fillContent(b, sent)
			n, err = d.conn.Write(b)
			sent += n
			d.mu.Lock()
			d.written = sent
			d.mu.Unlock()
			clear(b) // the caller may reuse its buffer
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			d.conn.SetWriteDeadline(time.Time{})
			err = nil
		}
		if st := d.conn.Stats(); st.SendBuffered > max(d.s.config[d.i].SendBuffer, 48<<20) {
			d.violation("%d bytes in the send buffer", st.SendBuffered)
		}
	}
	d.mu.Lock()
	d.writeDone, d.writeErr = true, err
	d.mu.Unlock()
}

// messageKind tells what may be expected of message number k.
func ordered(k uint64) bool { return k%3 == 0 }

func (d *side) writeMessage(r *rand.Rand, n int) error {
	d.mu.Lock()
	k := uint64(d.written)
	d.mu.Unlock()
	b := make([]byte, max(n, 9))
	binary.BigEndian.PutUint64(b, k)
	fillContent(b[8:], int(k))
	err := d.conn.WriteMessage(b, udt.MessageOptions{Unordered: !ordered(k)})
	if err == nil {
		d.mu.Lock()
		d.written++
		d.mu.Unlock()
	}
	clear(b)
	return err
}

func (d *side) read() {
	d.messages = make(map[uint64]bool)
	r := rand.New(rand.NewPCG(d.s.seed, uint64(d.i)+200))
	b := make([]byte, 1<<20)
	var err error
	for {
		if r.IntN(20) == 0 {
			d.conn.SetReadDeadline(time.Now().Add(time.Duration(r.IntN(2)) * time.Millisecond))
		}
		if r.IntN(50) == 0 {
			time.Sleep(time.Duration(r.IntN(300)) * time.Millisecond)
		}
		var n int
		if d.s.mode == udt.ModeMessage {
			n, err = d.conn.ReadMessage(b)
			if err == nil {
				d.gotMessage(b[:n])
			}
		} else {
			n, err = d.conn.Read(b[:1+r.IntN(1<<(1+r.IntN(17)))])
			if !checkContent(b[:n], d.got) {
				d.violation("wrong content at %d", d.got)
			}
			d.mu.Lock()
			d.got += n
			d.mu.Unlock()
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			d.conn.SetReadDeadline(time.Time{})
			continue
		}
		if err != nil {
			break
		}
		if st := d.conn.Stats(); st.RecvBuffered > max(d.s.config[d.i].RecvBuffer, 48<<20) {
			d.violation("%d bytes in the receive buffer", st.RecvBuffered)
		}
	}
	d.mu.Lock()
	d.readErr, d.readDone = err, true
	d.mu.Unlock()
}

func (d *side) gotMessage(b []byte) {
	if len(b) < 9 {
		d.violation("message of %d bytes", len(b))
		return
	}
	k := binary.BigEndian.Uint64(b)
	if !checkContent(b[8:], int(k)) {
		d.violation("message %d has wrong content", k)
	}
	d.mu.Lock()
	twice := d.messages[k]
	d.messages[k] = true
	missing := -1
	if ordered(k) {
		for j := range k {
			if !d.messages[j] {
				missing = int(j)
				break
			}
		}
	}
	d.got++
	d.mu.Unlock()
	if twice {
		d.violation("message %d came twice", k)
	}
	if missing >= 0 {
		d.violation("ordered message %d came before message %d", k, missing)
	}
}

// finish ends the side in its way.
func (d *side) finish() {
	switch d.s.end[d.i] {
	case endClose:
		// Until both have written everything and this side has it, or it is over.
		// A last message whose boundary was damaged never becomes complete, and
		// no receiver can know: the applications' patience ends the wait.
		patience := time.Now().Add(time.Hour)
		for !d.complete() && !(d.s.corrupt && time.Now().After(patience)) {
			time.Sleep(10 * time.Millisecond)
		}
		d.conn.Close()
	case endEarly:
		time.Sleep(d.s.endAt[d.i])
		d.conn.Close()
	case endAbort:
		time.Sleep(d.s.endAt[d.i])
		d.conn.Abort()
	case endLinger:
		time.Sleep(d.s.endAt[d.i])
		d.conn.SetLinger(0)
		d.conn.Close()
	}
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
}

// complete reports that nothing more will come or go.
func (d *side) complete() bool {
	d.peer.mu.Lock()
	peerDone, peerWritten := d.peer.writeDone, d.peer.written
	d.peer.mu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.writeDone && (d.readDone || d.i != d.s.last && peerDone && d.got >= peerWritten)
}

// check compares what d read with what the peer wrote.
func (d *side) check(t *testing.T, peer *side) {
	t.Helper()
	require.Empty(t, d.bad, d.s)
	require.LessOrEqual(t, d.got, peer.written, d.s)
	if !d.s.corrupt {
		stats := d.conn.Stats()
		require.Zero(t, stats.OverBudget, "honest peers meet no budget\n%v\n%+v", d.s, stats)
		require.Zero(t, stats.OptimisticAcks, "nor are they taken for liars\n%v\n%+v", d.s, stats)
	}
	disturbed := d.s.end[0] != endClose || d.s.end[1] != endClose || d.s.vanish > 0 || d.s.harsh || d.s.corrupt
	switch err := d.readErr; {
	case errors.Is(err, net.ErrClosed):
		// Closed here while reading.
	case err == io.EOF:
		inOrder := d.s.end[d.i] == endClose && peer.s.end[peer.i] == endClose && d.s.mode == udt.ModeStream && !d.s.corrupt
		if inOrder || d.s.protected {
			require.Equal(t, peer.written, d.got, "io.EOF before the end\n%v", d.s)
		}
	case errors.Is(err, udt.ErrOptimisticACK):
		require.True(t, d.s.corrupt, d.s)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, udt.ErrPeerTimeout):
		require.True(t, disturbed, "read: %v\n%v\n%+v", err, d.s, d.conn.Stats())
	default:
		require.Fail(t, "unexpected error", "read: %v\n%v", err, d.s)
	}
	switch err := d.writeErr; {
	case err == nil, errors.Is(err, net.ErrClosed), errors.Is(err, syscall.EPIPE):
	case errors.Is(err, udt.ErrOptimisticACK):
		require.True(t, d.s.corrupt, d.s)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, udt.ErrPeerTimeout):
		require.True(t, disturbed, "write: %v\n%v", err, d.s)
	default:
		require.Fail(t, "unexpected error", "write: %v\n%v", err, d.s)
	}
	if !disturbed && d.s.mode == udt.ModeStream {
		require.Equal(t, peer.written, d.got, d.s)
	}
}

// TestRandomScenarios: every byte arrives once and in order, or the connection
// ends with the right error; nothing is left behind.
func TestRandomScenarios(t *testing.T) {
	if *scenarioSeed != 0 {
		s := newScenario(*scenarioSeed)
		t.Log(s)
		synctest.Test(t, s.run)
		return
	}
	first := uint64(1)
	for seed := first; seed < first+uint64(*scenarioCount); seed++ {
		synctest.Test(t, newScenario(seed).run)
		if t.Failed() {
			t.Fatalf("replay with -run %s -scenario %d", t.Name(), seed)
		}
	}
}

// TestCorruptedPacketsDoNoHarm: where the UDP checksum does not protect them,
// packets with flipped bits may spoil what is delivered, but nothing panics or
// grows, and Close ends every connection.
func TestCorruptedPacketsDoNoHarm(t *testing.T) { testCorrupted(t, false) }

// TestCorruptedPacketsSpoilNothingProtected: in protected mode they do not even
// that. Packets with flipped bits, cut ones, lengthened ones, copies of old ones and
// of the receiver's own come to nothing: every byte arrives, or the connection ends
// with an error.
func TestCorruptedPacketsSpoilNothingProtected(t *testing.T) { testCorrupted(t, true) }

func testCorrupted(t *testing.T, protected bool) {
	first, last := uint64(1), uint64(max(*scenarioCount/4, 1))
	if *scenarioSeed != 0 {
		first, last = *scenarioSeed, *scenarioSeed
	}
	for seed := first; seed <= last; seed++ {
		s := newScenario(seed)
		s.corrupt, s.harsh = true, true
		s.link.Corrupt = 0.02
		if s.protected && !protected {
			continue // its counterpart has it
		}
		s.protect(protected)
		synctest.Test(t, s.run)
		if t.Failed() {
			t.Fatalf("replay with -run %s -scenario %d", t.Name(), seed)
		}
	}
}
