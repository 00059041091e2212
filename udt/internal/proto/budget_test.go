package proto

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A budget gives a thousand ACKs in a second for nothing and two for every packet
// sent, and saves no more than can be answered at once.
func TestBudgetOfAcks(t *testing.T) {
	c := &Conn{peerWindow: 500}
	c.budgets[budgetAck].left = 1000
	spend := func(now time.Duration) (n int) {
		for c.allow(now, budgetAck) {
			n++
		}
		return n
	}
	require.Equal(t, 1000, spend(1))
	require.Equal(t, 0, spend(2))
	require.Equal(t, 10, spend(10*time.Millisecond+1))
	c.stats.PacketsSent += 100
	require.Equal(t, 200, spend(10*time.Millisecond+1))
	require.Equal(t, 1500, spend(time.Hour))
	c.stats.PacketsSent -= 50 // the network took them back
	require.Equal(t, 0, spend(time.Hour))
	require.EqualValues(t, 6, c.stats.OverBudget)
}

// Counts that include a number that was left out are told from those that do not.
func TestSkippedNumbersAreNotCounted(t *testing.T) {
	k := skips{ahead: []int64{10, 20, 30}}
	for tx, made := range map[int64]int64{9: 9, 10: 9, 19: 18, 20: 18, 35: 32} {
		require.Equal(t, made, k.made(tx), "up to %d", tx)
	}
	k.passed(25)
	require.Equal(t, []int64{30}, k.ahead)
	require.EqualValues(t, 2, k.before)
	require.EqualValues(t, 32, k.made(35))
}

// Challenges of a path are answered fifty times a second at most, whatever the window
// and however long there were none.
func TestBudgetOfChallenges(t *testing.T) {
	c := &Conn{peerWindow: 8192, payload: 1440, protected: true, start: time.Unix(0, 0)}
	challenge := func(now time.Duration) (answers int) {
		for range 1000 {
			c.AnswerChallenge(c.start.Add(now), make([]byte, 8))
			answers += len(c.user)
			c.user = nil
		}
		return answers
	}
	require.Equal(t, 50, challenge(time.Minute))
	require.Equal(t, 0, challenge(time.Minute))
	require.Equal(t, 5, challenge(time.Minute+100*time.Millisecond))
	c.stats.PacketsSent, c.stats.PacketsReceived = 1e6, 1e6
	require.Equal(t, 50, challenge(time.Hour))
	require.EqualValues(t, 4000-105, c.stats.OverBudget)
}
