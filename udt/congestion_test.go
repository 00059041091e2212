package udt_test

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/simnet"
	"github.com/udtgo/udtgo/udt"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// A recorder is a controller that notes what it is told, and otherwise does what
// set says.
type recorder struct {
	set func(s *udt.CongestionState) // called by Init and OnAck

	inits    int
	state    udt.CongestionState // after the latest call
	acks     []udt.AckSample
	rates    []float64 // packets per second
	lost     int       // packets, less those taken back
	spurious int
	timeouts []time.Time
	outside  int // losses whose ranges do not add up, or are not in the window

	sent, received []int64
	sizes          int
	most           int // greatest number in flight after a packet was sent
	controls       []control
	order          []string
}

type control struct {
	ext  uint16
	info uint32
	body string
}

func (r *recorder) call(name string, s *udt.CongestionState) {
	if r.set != nil && (name == "Init" || name == "OnAck") {
		r.set(s)
	}
	r.state = *s
	if n := len(r.order); n == 0 || r.order[n-1] != name {
		r.order = append(r.order, name)
	}
}

func (r *recorder) Init(_ time.Time, s *udt.CongestionState) {
	r.inits++
	r.call("Init", s)
}

func (r *recorder) OnAck(_ time.Time, s *udt.CongestionState, a *udt.AckSample) {
	r.acks = append(r.acks, *a)
	if a.Interval > 0 {
		r.rates = append(r.rates, float64(a.Delivered)/a.Interval.Seconds())
	}
	r.call("OnAck", s)
}

func (r *recorder) OnLoss(_ time.Time, s *udt.CongestionState, l *udt.LossSample) {
	r.lost += l.Packets - l.Spurious
	r.spurious += l.Spurious
	for _, x := range l.Ranges {
		if x.First >= x.End || x.End > s.NextPacket {
			r.outside++
		}
	}
	r.call("OnLoss", s)
}

func (r *recorder) OnTimeout(now time.Time, s *udt.CongestionState) {
	r.timeouts = append(r.timeouts, now)
	r.call("OnTimeout", s)
}

func (r *recorder) OnPacketSent(_ time.Time, s *udt.CongestionState, packet int64, size int) {
	r.sent = append(r.sent, packet)
	r.sizes += size
	r.most = max(r.most, s.InFlight)
}

func (r *recorder) OnPacketReceived(_ time.Time, _ *udt.CongestionState, packet int64, size int) {
	r.received = append(r.received, packet)
}

func (r *recorder) OnControl(_ time.Time, _ *udt.CongestionState, ext uint16, info uint32, body []byte) {
	r.controls = append(r.controls, control{ext, info, string(body)})
}

// window is a recorder with a fixed window and no pacing.
func window(packets int) *recorder {
	return &recorder{set: func(s *udt.CongestionState) { s.Window, s.SendPeriod = packets, 0 }}
}

func controlled(r *recorder) *udt.Config {
	return &udt.Config{CongestionControl: func() udt.CongestionControl { return r }}
}

// send transfers n bytes from a to b, closes both and returns how long it took.
func send(l *lab, a, b *udt.Conn, n int) time.Duration {
	l.Helper()
	start := time.Now()
	errs := make(chan error, 1)
	go func() {
		_, err := a.Write(make([]byte, n))
		a.Close()
		errs <- err
	}()
	got, err := drain(b)
	took := time.Since(start)
	require.NoError(l, err)
	require.EqualValues(l, n, got)
	require.NoError(l, <-errs)
	b.Close()
	return took
}

// Init is called first and once, on both sides, with the state of the handshake.
func TestControllerInit(t *testing.T) {
	for _, disable := range []bool{false, true} {
		inLab(t, wan, func(l *lab) {
			var r [2]recorder
			var c [2]*udt.Config
			for i := range c {
				c[i] = controlled(&r[i])
				c[i].DisableExtensions = disable
			}
			c[0].MSS, c[0].FlowWindow = 1000, 500
			a, b := l.pair(c[0], c[1])
			send(l, a, b, 10_000)
			for i := range r {
				require.Equal(l, 1, r[i].inits)
				require.Equal(l, "Init", r[i].order[0])
				require.Equal(l, 1000, r[i].state.MSS)
				require.Equal(l, disable, r[i].state.LegacyPeer)
			}
			require.Equal(l, 500, r[1].state.MaxWindow, "the peer's window in the handshake")
		})
	}
}

// RTT samples are those of the path, whatever the acknowledgement's delay, and
// tell exactly what was delivered.
func TestControllerSeesThePathsRoundTrip(t *testing.T) {
	inLab(t, simnet.Link{Delay: 20 * time.Millisecond}, func(l *lab) {
		r := window(100)
		a, b := l.pair(controlled(r), nil)
		send(l, a, b, 2<<20)
		samples, packets, size := 0, 0, 0
		for _, k := range r.acks {
			packets += k.Packets
			size += k.Bytes
			if k.RTT == 0 {
				continue
			}
			samples++
			require.InDelta(l, 40, float64(k.RTT)/1e6, 0.5, "milliseconds")
		}
		require.Greater(l, samples, 50)
		require.InDelta(l, 40, float64(r.state.RTT)/1e6, 0.5)
		require.InDelta(l, 40, float64(r.state.MinRTT)/1e6, 0.5)
		require.Equal(l, len(r.sent), packets)
		require.EqualValues(l, packets, r.state.Delivered)
		require.InEpsilon(l, r.sizes, size, 0.001, "datagram sizes")
		require.Zero(l, r.lost)
		require.LessOrEqual(l, r.most, 100, "Window is obeyed")
		require.GreaterOrEqual(l, r.most, 90, "and used")
	})
}

// A legacy peer's acknowledgements come up to 100 ms late, but the smallest RTT
// is still the path's.
func TestControllerSeesTheRoundTripToALegacyPeer(t *testing.T) {
	inLab(t, simnet.Link{Delay: 20 * time.Millisecond}, func(l *lab) {
		r := window(100)
		a, b := l.pair(controlled(r), legacy)
		send(l, a, b, 2<<20)
		require.True(l, r.state.LegacyPeer)
		require.InDelta(l, 40, float64(r.state.MinRTT)/1e6, 1)
		require.InDelta(l, 40, float64(r.state.RTT)/1e6, 15)
		require.LessOrEqual(l, r.most, 100)
	})
}

// When the link is the bottleneck, delivery rate samples are its rate.
func TestControllerSeesTheLinksRate(t *testing.T) {
	for _, config := range []*udt.Config{nil, legacy} {
		inLab(t, simnet.Link{Delay: 20 * time.Millisecond, Rate: 30e6, Queue: 1000}, func(l *lab) {
			r := window(300) // the path holds 100
			a, b := l.pair(controlled(r), config)
			send(l, a, b, 8<<20)
			require.Greater(l, len(r.rates), 50)
			slices.Sort(r.rates)
			require.InEpsilon(l, 30e6/8/1500, r.rates[len(r.rates)/2], 0.05, "the median")
			require.InEpsilon(l, 30e6/8, float64(r.state.DeliveryRate), 0.2, "the latest, in bytes per second")
			require.InEpsilon(l, 30e6/8/1500, float64(r.state.RecvRate), 0.1, "the peer's")
		})
	}
}

// The losses reported to the controller are those of the network.
func TestControllerSeesTheLosses(t *testing.T) {
	for _, config := range []*udt.Config{nil, legacy} {
		inLab(t, simnet.Link{Delay: 10 * time.Millisecond, Rate: 100e6}, func(l *lab) {
			r := window(200)
			a, b := l.pair(controlled(r), config)
			time.Sleep(time.Second)
			random := rand.New(rand.NewPCG(1, 1))
			dropped := 0
			l.net.SetFilter(dropData(func(int) bool {
				if random.IntN(50) == 0 {
					dropped++
					return true
				}
				return false
			}))
			send(l, a, b, 4<<20)
			require.Greater(l, dropped, 40)
			require.Zero(l, r.outside)
			s := a.Stats()
			if config == nil {
				require.InDelta(l, dropped, r.lost, 3, "extended acknowledgements count exactly")
				require.EqualValues(l, r.lost, r.state.Lost)
			} else {
				require.InEpsilon(l, dropped, r.lost, 0.2)
			}
			require.InEpsilon(l, dropped, float64(s.PacketsRetransmitted), 0.2, "each is repeated once")
			require.EqualValues(l, len(r.sent), s.PacketsSent)
		})
	}
}

// Losses that turn out to be reordering are taken back.
func TestControllerSeesSpuriousLosses(t *testing.T) {
	inLab(t, simnet.Link{Delay: 10 * time.Millisecond, Rate: 50e6, Reorder: 0.05, ReorderDelay: 4 * time.Millisecond}, func(l *lab) {
		r := window(150)
		a, b := l.pair(controlled(r), nil)
		send(l, a, b, 4<<20)
		require.NotZero(l, r.spurious)
		require.InDelta(l, 0, r.lost, 3, "nothing was lost")
		require.Zero(l, r.timeouts)
	})
}

// OnTimeout is called when three probes in a row have gone unanswered, not before.
func TestControllerHearsOfTimeouts(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		r := window(100)
		a, _ := l.pair(controlled(r), nil)
		time.Sleep(time.Second)
		l.cut()
		start := time.Now()
		write(l, a, 100_000)
		time.Sleep(5 * time.Second)
		s := a.Stats()
		a.Abort() // no more calls of the controller
		require.Len(l, r.timeouts, 1)
		after := r.timeouts[0].Sub(start)
		require.Greater(l, after, 60*time.Millisecond)
		require.Less(l, after, time.Second)
		require.EqualValues(l, 1, s.Timeouts)
		require.GreaterOrEqual(l, s.Probes, uint64(3))
		require.LessOrEqual(l, s.Probes, uint64(12), "they become rare")
	})
}

// Packet numbers do not wrap, although sequence numbers do.
func TestControllersPacketNumbersDoNotWrap(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		r, peer := window(50), window(50)
		config := controlled(r)
		udt.SetInitialNumber(config, 1<<31-100)
		a, b := l.pair(config, controlled(peer))
		send(l, a, b, 300*1456)
		require.Len(l, r.sent, 300)
		for i, n := range r.sent {
			require.EqualValues(l, int64(1<<31-100)+int64(i), n)
		}
		require.Equal(l, r.sent, peer.received)
		require.EqualValues(l, int64(1<<31+200), r.state.NextPacket)
		require.EqualValues(l, int64(1<<31+200), r.acks[len(r.acks)-1].UpTo)
	})
}

// once makes a controller that keeps a window and calls f at first.
func once(f func(s *udt.CongestionState)) func(*udt.CongestionState) {
	done := false
	return func(s *udt.CongestionState) {
		s.Window = 100
		if !done {
			done = true
			f(s)
		}
	}
}

// Controllers of both sides exchange packets of their own.
func TestControllersExchangeControlPackets(t *testing.T) {
	for _, disable := range []bool{false, true} {
		inLab(t, wan, func(l *lab) {
			var r [2]recorder
			var c [2]*udt.Config
			large := bytes.Repeat([]byte("x"), 1024)
			for i := range r {
				r[i].set = once(func(s *udt.CongestionState) {
					body := []byte{byte(i), 1, 2, 3}
					s.SendControl(uint16(0xFFF0+i), 0xFFFFFFFF-uint32(i), body)
					clear(body) // it is copied
					s.SendControl(5, 6, large)
					s.SendControl(5, 7, append(large, 'x')) // too long: dropped
					s.SendControl(0, 0, nil)
				})
				c[i] = controlled(&r[i])
				c[i].DisableExtensions = disable
			}
			a, b := l.pair(c[0], c[1])
			send(l, a, b, 100_000)
			for i := range r {
				peer := byte(1 - i)
				require.Equal(l, []control{
					{0xFFF0 + uint16(peer), 0xFFFFFFFF - uint32(peer), string([]byte{peer, 1, 2, 3})},
					{5, 6, string(large)},
					{0, 0, string(make([]byte, 4))},
				}, r[i].controls, "side %d", i)
			}
		})
	}
}

// In protected mode the extended types from 0xFF00 on are not for controllers.
func TestControllersDoNotSendOurOwnControlPackets(t *testing.T) {
	inLab(t, wan, func(l *lab) {
		var r [2]recorder
		var c [2]*udt.Config
		for i := range r {
			r[i].set = once(func(s *udt.CongestionState) {
				for range 60 { // more than a peer answers in a second
					s.SendControl(wire.ExtPathChallenge, 1, []byte("12345678"))
				}
				s.SendControl(0xFEFF, 1, []byte("12345678"))
			})
			c[i] = controlled(&r[i])
			c[i].Security = psk(udt.ModeStream).Security
		}
		a, b := l.pair(c[0], c[1])
		send(l, a, b, 100_000)
		for i := range r {
			require.Equal(l, []control{{0xFEFF, 1, "12345678"}}, r[i].controls, "side %d", i)
		}
		require.Zero(l, a.Stats().OverBudget)
		require.Zero(l, b.Stats().OverBudget)
	})
}

// PacingRate, SendPeriod, MaxBandwidth and Window set the pace exactly, on a path
// that could carry anything.
func TestControllersPaceIsObeyed(t *testing.T) {
	const size = 1000 * 1456 // 1000 packets
	limited := window(1 << 20)
	for _, test := range []struct {
		name   string
		config *udt.Config
		want   time.Duration
	}{
		{"PacingRate", controlled(&recorder{set: func(s *udt.CongestionState) {
			s.Window, s.SendPeriod, s.PacingRate = 1<<20, time.Second, 500_000
		}}), size * time.Second / 500_000},
		{"SendPeriod", controlled(&recorder{set: func(s *udt.CongestionState) {
			s.Window, s.SendPeriod = 1<<20, 3*time.Millisecond
		}}), 3 * time.Second},
		{"Window", controlled(window(10)), 100 * 20 * time.Millisecond},
		{"MaxBandwidth", &udt.Config{MaxBandwidth: 500_000}, size * time.Second / 500_000},
		{"MaxBandwidth below PacingRate", &udt.Config{
			MaxBandwidth: 500_000, CongestionControl: func() udt.CongestionControl { return limited },
		}, size * time.Second / 500_000},
	} {
		for _, server := range []*udt.Config{nil, legacy} {
			inLab(t, wan, func(l *lab) {
				a, b := l.pair(test.config, server)
				took := send(l, a, b, size)
				high := 1.05
				if test.name == "Window" {
					high = 1.6 // acknowledgements of several packets
				}
				require.Greater(l, took, test.want*95/100, test.name)
				require.Less(l, float64(took), float64(test.want)*high, "%s, legacy %v", test.name, server == legacy)
			})
		}
	}
}

// SetMaxBandwidth changes the pace of a connection at once, and zero lifts it.
func TestSetMaxBandwidth(t *testing.T) {
	inLab(t, simnet.Link{Delay: 5 * time.Millisecond, Rate: 100e6, Queue: 1000}, func(l *lab) {
		a, b := l.pair(nil, nil)
		require.ErrorIs(l, a.SetMaxBandwidth(-1), udt.ErrConfig)
		require.NoError(l, a.SetMaxBandwidth(100_000))
		go func() {
			a.Write(make([]byte, 3<<20))
			a.Close()
		}()
		time.Sleep(2 * time.Second)
		require.InEpsilon(l, 200_000, b.Stats().BytesReceived, 0.1)
		require.NoError(l, a.SetMaxBandwidth(0))
		start := time.Now()
		_, err := drain(b)
		require.NoError(l, err)
		l.requireTook(start, 0, 3*time.Second, "the rest")
	})
}

// UDT's own control fills a clean path towards extended and legacy peers alike: an
// early loss slows it down, but as the peers tell it the capacity of the link it
// comes back.
func TestNativeFillsThePath(t *testing.T) {
	for _, config := range []*udt.Config{nil, legacy} {
		inLab(t, simnet.Link{Delay: 15 * time.Millisecond, Rate: 100e6, Queue: 250}, func(l *lab) {
			a, b := l.pair(&udt.Config{CongestionControl: udt.NewNative}, config)
			go a.Write(make([]byte, 256<<20))
			go drain(b)
			var got [2]uint64
			for i := range got {
				before := b.Stats().BytesReceived
				time.Sleep(5 * time.Second)
				got[i] = b.Stats().BytesReceived - before
			}
			s := a.Stats()
			require.InEpsilon(l, 100e6/8, float64(s.LinkCapacity), 0.1, "as the peer estimates it")
			require.Greater(l, 8*float64(got[1])/5, 0.7*100e6, "bit/s after five seconds")
			require.Less(l, s.PacketsRetransmitted, s.PacketsSent/20)
			a.Abort()
			b.Abort()
		})
	}
}

// Counters are what the network saw.
func TestStatsAreExact(t *testing.T) {
	for _, config := range []*udt.Config{nil, legacy} {
		inLab(t, simnet.Link{Delay: 10 * time.Millisecond, Rate: 50e6, Loss: 0.02, Duplicate: 0.05}, func(l *lab) {
			a, b := l.pair(config, config)
			time.Sleep(time.Second)
			type counts struct{ data, payload, acks, ack2s, naks uint64 }
			var saw counts
			before := a.Stats()
			require.Zero(l, before.PacketsSent)
			require.True(l, before.ExtendedPeer == (config == nil))
			acks, ack2s := b.Stats().AcksSent, a.Stats().Ack2sSent
			l.net.SetFilter(func(p []byte, from, _ netip.AddrPort) simnet.Verdict {
				switch {
				case from == addrA && isData(p):
					saw.data++
					saw.payload += uint64(len(p) - 16)
				case from == addrB && p[0] == 0x80 && p[1] == 2:
					saw.acks++
				case from == addrB && p[0] == 0x80 && p[1] == 3:
					saw.naks++
				case from == addrA && p[0] == 0x80 && p[1] == 6:
					saw.ack2s++
				}
				return simnet.Pass
			})
			const size = 1 << 19
			exchange(l, a, b, size)
			time.Sleep(5 * time.Second)
			s, r := a.Stats(), b.Stats()
			require.Equal(l, saw.data, s.PacketsSent)
			require.Equal(l, saw.payload, s.BytesSent)
			require.Equal(l, saw.acks, r.AcksSent-acks)
			require.Equal(l, saw.naks, r.NaksSent)
			require.Equal(l, saw.ack2s, s.Ack2sSent-ack2s)
			require.EqualValues(l, size, r.BytesReceived)
			unique := s.PacketsSent - s.PacketsRetransmitted
			require.Equal(l, unique, r.PacketsReceived-r.PacketsDuplicate)
			require.NotZero(l, s.PacketsRetransmitted)
			require.NotZero(l, s.PacketsLostSend)
			require.NotZero(l, r.PacketsLostRecv)
			require.NotZero(l, r.PacketsDuplicate)
			require.Zero(l, s.InFlight)
			require.Zero(l, s.SendBuffered)
			require.Zero(l, r.RecvBuffered)
			require.Zero(l, s.Malformed+r.Malformed)
			require.Equal(l, udt.StopApplication, s.Stopped)
			require.Equal(l, "application", s.Stopped.String())
			require.Equal(l, "invalid", udt.StopReason(200).String())
			require.InDelta(l, 20, float64(s.MinRTT)/1e6, 2)
			require.InDelta(l, 20, float64(s.RTT)/1e6, 30)
			require.Equal(l, time.Now(), s.Time)
			a.Abort()
			b.Abort()
		})
	}
}
