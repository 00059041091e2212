package proto

// dupWindow is how many transmission numbers back a copy made by the network is
// recognised (../wire/SPEC.md#extended-ack).
const dupWindow = 2048

// arrivals counts the data transmissions of an extended peer, each number once.
type arrivals struct {
	largest  int64 // largest transmission number; numbers start at 1
	received int64
	seen     *[dupWindow / 64]uint64 // bit n%dupWindow: n arrived, for the last dupWindow numbers
}

// note records transmission tx and reports whether it is the largest so far.
func (a *arrivals) note(tx int64) (largest bool) {
	if tx <= 0 || tx <= a.largest-dupWindow {
		return false
	}
	if a.seen == nil {
		a.seen = new([dupWindow / 64]uint64)
	}
	if tx > a.largest {
		if tx-a.largest >= dupWindow {
			clear(a.seen[:])
		} else {
			for n := a.largest + 1; n < tx; n++ {
				a.seen[n%dupWindow/64] &^= 1 << (n % 64)
			}
		}
		a.largest = tx
		a.seen[tx%dupWindow/64] |= 1 << (tx % 64)
		a.received++
		return true
	}
	word, bit := &a.seen[tx%dupWindow/64], uint64(1)<<(tx%64)
	if *word&bit == 0 {
		*word |= bit
		a.received++
	}
	return false
}
