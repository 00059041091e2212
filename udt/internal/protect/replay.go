package protect

// wordBits is how many numbers one word of a replayWindow stands for.
const wordBits = 64

// A replayWindow remembers which numbers have been seen, as far back as it
// reaches, in a ring of bitmap words as in RFC 6479.
//
// The ring starts small. It grows when otherwise a number would leave it that has
// not been seen; so until it has its full size, all numbers before it are seen
// ones, and it decides as one of the full size would.
type replayWindow struct {
	words []uint64 // the word for numbers 64i to 64i+63 is words[i%len]
	last  uint64   // index of the newest word
	max   int      // full size, a power of two
}

// minWords is the size in words of a new ring.
const minWords = 2

// init prepares for a full size of bits, at least MinWindow, rounded up to a power
// of two.
func (r *replayWindow) init(bits int) {
	r.words = make([]uint64, minWords)
	r.max = minWords
	for r.max*wordBits < bits {
		r.max *= 2
	}
}

func (r *replayWindow) word(i uint64) *uint64 { return &r.words[i&uint64(len(r.words)-1)] }

// first returns the index of the oldest word.
func (r *replayWindow) first() uint64 {
	if n := uint64(len(r.words)); r.last >= n {
		return r.last - n + 1
	}
	return 0
}

// has reports whether pn was seen, or is too old to tell.
func (r *replayWindow) has(pn uint64) bool {
	i := pn / wordBits
	switch {
	case i > r.last:
		return false
	case i < r.first():
		return true
	}
	return *r.word(i)>>(pn%wordBits)&1 != 0
}

// add notes that pn, which has was false for, has been seen.
func (r *replayWindow) add(pn uint64) {
	i := pn / wordBits
	if i > r.last {
		r.advance(i)
	}
	*r.word(i) |= 1 << (pn % wordBits)
}

// advance makes i, larger than last, the newest word.
func (r *replayWindow) advance(i uint64) {
	for len(r.words) < r.max && r.loses(i) {
		r.grow()
	}
	n := uint64(len(r.words))
	for j := max(r.last+1, i-min(i, n-1)); j <= i; j++ {
		*r.word(j) = 0
	}
	r.last = i
}

// loses reports whether numbers that have not been seen leave the ring when i
// becomes the newest word.
func (r *replayWindow) loses(i uint64) bool {
	n := uint64(len(r.words))
	if i >= r.last+1+n {
		return true // words that never began
	}
	for j := r.first(); j+n <= i; j++ {
		if *r.word(j) != ^uint64(0) {
			return true
		}
	}
	return false
}

// grow doubles the ring. All numbers before it have been seen.
func (r *replayWindow) grow() {
	old, first := *r, r.first()
	r.words = make([]uint64, 2*len(old.words))
	for i := r.first(); i <= r.last; i++ {
		if i < first {
			*r.word(i) = ^uint64(0)
		} else {
			*r.word(i) = *old.word(i)
		}
	}
}
