package protect

// decodeNumber returns the number nearest to expected whose low 32 bits are low,
// as RFC 9000, appendix A.3 does: of two that are equally near the larger, and
// none below 0 or from maxNumber on. expected is less than maxNumber.
func decodeNumber(expected uint64, low uint32) uint64 {
	const window = 1 << 32
	ahead := low - uint32(expected)
	pn := expected + uint64(ahead)
	if pn >= maxNumber || ahead > window/2 && pn >= window {
		pn -= window
	}
	return pn
}
