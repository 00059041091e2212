package libudtmodel

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHolesAreASet(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var h holes
	missing := map[int64]bool{}
	end := int64(0)
	for range 2000 {
		if r.IntN(3) == 0 {
			first := end + int64(1+r.IntN(3))
			end = first + int64(1+r.IntN(5))
			h.add(first, end)
			for n := first; n < end; n++ {
				missing[n] = true
			}
		} else {
			n := r.Int64N(end + 1)
			h.remove(n)
			delete(missing, n)
		}
	}
	got := map[int64]bool{}
	last := int64(-1)
	for _, e := range h {
		require.Less(t, last, e.first, "in order")
		require.Less(t, e.first, e.end, "not empty")
		for n := e.first; n < e.end; n++ {
			got[n] = true
		}
		last = e.end - 1
	}
	require.NotEmpty(t, got)
	require.Equal(t, missing, got)
}
