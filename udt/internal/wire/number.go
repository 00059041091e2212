package wire

// NumberMask selects the bits of a sequence number that travel on the wire.
const NumberMask = 1<<31 - 1

// Message numbers run from MinMessage to MaxMessage and then start again:
// the reference sends neither 0 nor 1<<29 - 1.
const (
	MinMessage  = 1
	MaxMessage  = 1<<29 - 2
	MessageMask = 1<<29 - 1
)

// Number returns the wire form of a packet number.
func Number(n int64) uint32 { return uint32(n) & NumberMask }

// Unwrap returns the packet number nearest to near whose wire form is num.
// The result may be negative. Bit 31 of num is ignored.
func Unwrap(near int64, num uint32) int64 {
	// Shifting left by one drops bit 31 and makes the 31-bit difference a
	// 32-bit one, whose sign extension picks the nearer of the two candidates.
	diff := int32((num-uint32(near))<<1) >> 1
	return near + int64(diff)
}

// Unwrap32 returns the value nearest to near whose low 32 bits are num. It
// serves the counters of extended acknowledgements.
func Unwrap32(near int64, num uint32) int64 {
	return near + int64(int32(num-uint32(near)))
}

// UnwrapMessage returns the value nearest to near whose low bits, as many as a
// message number has, are num.
func UnwrapMessage(near int64, num uint32) int64 {
	diff := int32((num-uint32(near))<<3) >> 3
	return near + int64(diff)
}

// NextMessage returns the message number that follows m.
func NextMessage(m uint32) uint32 {
	if m >= MaxMessage {
		return MinMessage
	}
	return m + 1
}
