package udt_test
import ("testing";"time";"github.com/udtgo/udtgo/nettest/simnet")
func TestDbg(t *testing.T) {
		inLab(t, simnet.Link{Delay: 15 * time.Millisecond, Rate: 200e6, Queue: 500}, func(l *lab) {
			a, b := l.pair(nil, nil)
			go func() { a.Write(make([]byte, 600<<20)); a.Close() }()
			go func() { drain(b) }()
			last := uint64(0)
			for range 20 {
				time.Sleep(time.Second)
				s, r := a.Stats(), b.Stats()
				t.Logf("%v: goodput %.2f period %v lost %d cap %d recv %d rtt %v", s.Time.Format("05.0"), float64(r.BytesReceived-last)*8/200e6, s.SendPeriod, s.PacketsLostSend, s.LinkCapacity/1500, s.RecvRate/1500, s.RTT)
				last = r.BytesReceived
			}
			a.Abort(); b.Abort()
		})
}
func TestDbgLoop(t *testing.T) {
	a, b := pair(t, nil)
	start := time.Now()
	go func() { a.Write(make([]byte, 300<<20)); a.Close() }()
	n, err := drain(b)
	t.Log(n, err, float64(n)*8/time.Since(start).Seconds()/1e9, "Gbit/s")
	s := a.Stats(); t.Logf("lost %d cap %d recv %d period %v", s.PacketsLostSend, s.LinkCapacity, s.RecvRate, s.SendPeriod)
}
