package simnet

import (
	"fmt"
	"io"
	"net/netip"
	"time"
)

// recordHead is how much of a payload a Record keeps, in bytes: the headers of
// most protocols.
const recordHead = 32

// A Record is a line in the log of a [Network]. There is one for each copy of
// a datagram when it is sent, and another if the copy is dropped on arrival.
type Record struct {
	Time     time.Duration // since the network was made
	Delay    time.Duration // until it arrives, if Verdict is Pass
	From, To netip.AddrPort
	Size     int // of the payload, in bytes
	Verdict  Verdict

	head [recordHead]byte
}

// Head returns the first bytes of the payload as it arrives, at most 32.
func (r *Record) Head() []byte {
	return r.head[:min(r.Size, recordHead)]
}

// String returns the record as one line of text without its end.
func (r Record) String() string {
	fate := r.Verdict.String()
	if r.Verdict == Pass {
		fate = "+" + r.Delay.String()
	}
	return fmt.Sprintf("%v %v > %v %d bytes, %s: %x", r.Time, r.From, r.To, r.Size, fate, r.Head())
}

// log is a ring of the last records.
type log struct {
	ring  []Record // empty if there is no log
	total int      // records ever written
}

func newLog(size int) log {
	return log{ring: make([]Record, max(size, 0))}
}

func (l *log) add(now, delay time.Duration, b []byte, from, to netip.AddrPort, v Verdict) {
	if len(l.ring) == 0 {
		return
	}
	r := &l.ring[l.total%len(l.ring)]
	l.total++
	*r = Record{Time: now, Delay: delay, From: from, To: to, Size: len(b), Verdict: v}
	copy(r.head[:], b)
}

// Log returns the last datagrams, oldest first, at most [Config].Log of them.
func (n *Network) Log() []Record {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := &n.log
	count := min(l.total, len(l.ring))
	records := make([]Record, count)
	for i := range records {
		records[i] = l.ring[(l.total-count+i)%len(l.ring)]
	}
	return records
}

// WriteLog writes the records of [Network.Log] to w as lines of text, for the
// report of a failed test. The error is the first one of w.
func (n *Network) WriteLog(w io.Writer) error {
	for _, r := range n.Log() {
		if _, err := fmt.Fprintln(w, r); err != nil {
			return err
		}
	}
	return nil
}
