package secure

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// An exchange that is over, in whatever way, has left no goroutine of crypto/tls
// behind: a bubble with one would not end.
func TestNothingRunsOn(t *testing.T) {
	for name, c := range map[string]struct {
		use  func(l *lab)
		end  func(l *lab)
		open bool
	}{
		"open":         {use: func(*lab) {}, open: true},
		"plain peer":   {use: func(l *lab) { l.plain = true }},
		"no answer":    {use: func(l *lab) { l.silent = true }},
		"refused":      {use: func(l *lab) { l.cfg[left].TLS = pinned(t, 1, nil, 9) }},
		"changed":      {use: func(l *lab) { l.cfg[right].Advert.Caps = 9; l.tamper = flipCaps }},
		"timed out":    {use: func(l *lab) { l.tamper = func(to int, b []byte) []byte { return dropSecure(to == left, b) } }},
		"given up":     {use: func(l *lab) { l.tamper = func(to int, b []byte) []byte { return dropSecure(to == left, b) } }, end: abortBoth},
		"not finished": {use: func(l *lab) { l.tamper = func(to int, b []byte) []byte { return dropSecure(to == left, b) } }, end: releaseBoth},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, 1)
				l.usePinned()
				c.use(l)
				l.dial()
				d := time.Minute
				if c.end != nil {
					d = time.Second
				}
				l.run(d)
				if c.end != nil {
					c.end(l)
				}
				require.Equal(t, c.open, l.machines[left].Done())
				l.machines = [2]*Machine{} // whose release the lab would see to
			})
		})
	}
}

func flipCaps(to int, b []byte) []byte {
	if to == left && len(b) == 64 {
		b[16+32+7] ^= 1
	}
	return b
}

func dropSecure(drop bool, b []byte) []byte {
	if drop && len(b) > 64 {
		return nil
	}
	return b
}

func abortBoth(l *lab) {
	for _, m := range l.machines {
		m.Abort()
	}
}

func releaseBoth(l *lab) {
	for _, m := range l.machines {
		m.Release()
	}
}
