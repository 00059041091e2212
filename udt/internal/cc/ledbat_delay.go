package cc

import "time"

const (
	ledbatHistory = 10 // minutes that the base delay is remembered (RFC 6817, section 2.4.2)
	ledbatFilter  = 4  // samples of which the smallest is the current delay
)

// A ledbatDelay separates the delay of the path from that of its queues. It
// takes round trips, as LEDBAT++ does: clocks do not matter to these, and what
// the queue of the way back adds is a reason to yield as well.
type ledbatDelay struct {
	minutes [ledbatHistory]time.Duration // the smallest sample of each; zero if none
	minute  int                          // the present one
	since   time.Time                    // when it began
	base    time.Duration                // the smallest of all; zero if none

	recent [ledbatFilter]time.Duration
	at     int
}

// sample takes a round trip.
func (d *ledbatDelay) sample(now time.Time, rtt time.Duration) {
	if rtt <= 0 {
		return
	}
	d.roll(now)
	if m := d.minutes[d.minute]; m == 0 || rtt < m {
		d.minutes[d.minute] = rtt
	}
	if d.base == 0 || rtt < d.base {
		d.base = rtt
	}
	d.recent[d.at] = rtt
	d.at = (d.at + 1) % ledbatFilter
}

// roll begins a new minute when it is time, and forgets the oldest.
func (d *ledbatDelay) roll(now time.Time) {
	if d.since.IsZero() {
		d.since = now
	}
	passed := now.Sub(d.since) / time.Minute
	if passed <= 0 {
		return
	}
	d.since = d.since.Add(passed * time.Minute)
	for range min(passed, ledbatHistory) {
		d.minute = (d.minute + 1) % ledbatHistory
		d.minutes[d.minute] = 0
	}
	d.base = 0
	for _, m := range d.minutes {
		if m > 0 && (d.base == 0 || m < d.base) {
			d.base = m
		}
	}
}

// queue returns how long packets wait in queues.
func (d *ledbatDelay) queue() time.Duration {
	var current time.Duration
	for _, r := range d.recent {
		if r > 0 && (current == 0 || r < current) {
			current = r
		}
	}
	return max(current-d.base, 0)
}
