package udt

import (
	"cmp"
	"math"
	"time"
)

// One rule holds for every numeric field of Config, EndpointConfig and Limits. Zero is
// the default. Anything else out of the field's documented range is an error that Is
// ErrConfig, and says which field and what range. A negative number is in the range of
// a field that documents what it means.

// maxDuration is the upper end of the range of every duration: sums of several stay
// far from an overflow.
const maxDuration = 365 * 24 * time.Hour

// within returns an error if v is neither zero nor from low to high.
func within[T int | int64 | Mode](name string, v, low, high T) error {
	if v == 0 || low <= v && v <= high {
		return nil
	}
	return configError("%s is %d, must be from %d to %d", name, v, low, high)
}

// duration returns an error if d is too long. A negative one has a meaning.
func duration(name string, d time.Duration) error {
	if d <= maxDuration {
		return nil
	}
	return configError("%s is %v, must be at most %v, or negative", name, d, maxDuration)
}

// limit returns v, def if v is zero, and as good as no limit if it is negative.
func limit[T int | int64](v, def T) T {
	if v < 0 {
		return T(math.MaxInt)
	}
	return cmp.Or(v, def)
}
