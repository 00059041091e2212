package main

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// smokeBytes is what each contender transfers: a few windows, not a measurement.
const smokeBytes = 2 << 20

// runPair runs one pair, or skips the test where the contender is missing.
func runPair(t *testing.T, c *Contender, j Job) PairResult {
	t.Helper()
	if ok, why := c.does(j.Work); !ok {
		t.Skipf("%s: %s", c.Name, why)
	}
	j.Contender, j.Timeout = c.Name, 30
	_, err := childArgs(&j) // builds the program if need be, in no time of the run
	require.NoError(t, err)
	p := NewPair(j)
	r, err := p.Run(t.Context())
	require.NoError(t, err)
	return r
}

// Every contender carries a bulk stream from process to process unchanged, and
// both sides agree on its size.
func TestBulkArrivesIntact(t *testing.T) {
	for _, c := range contenders {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			r := runPair(t, c, Job{Work: "bulk", Bytes: smokeBytes, Verify: true, Interval: 10})
			require.EqualValues(t, smokeBytes, r.Server.Bytes)
			require.EqualValues(t, smokeBytes, r.Client.Bytes)
			require.Positive(t, r.Server.Seconds)
			require.LessOrEqual(t, r.Client.Start, r.Server.End, "one clock")
			require.NotZero(t, r.Server.PeakMemory)
			if c.Works == nil || c.Program != nil {
				require.NotEmpty(t, r.Server.Series)
			}
		})
	}
}

// Every contender that does exchanges gives the replies to its requests.
func TestExchangesAnswer(t *testing.T) {
	for _, c := range contenders {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			r := runPair(t, c, Job{Work: "pingpong", Seconds: 0.05})
			require.Positive(t, r.Client.Ops)
			require.GreaterOrEqual(t, r.Server.Ops, r.Client.Ops, "the server answers the warm-up too")
			require.NotNil(t, r.Client.Latency)
			require.LessOrEqual(t, r.Client.Latency.P50, r.Client.Latency.P99)
		})
	}
}

// The other works run to their end over this library and over TCP.
func TestOtherWorks(t *testing.T) {
	jobs := []Job{
		{Work: "bulk8", Bytes: smokeBytes / 8, Verify: true},
		{Work: "write4k", Bytes: smokeBytes, Verify: true},
		{Work: "rr64k", Seconds: 0.05},
		{Work: "setup1", Seconds: 0.05},
		{Work: "setup64", Seconds: 0.05},
		{Work: "idle", Conns: 200, Settle: 0.1, Watch: 0.1},
	}
	for _, j := range jobs {
		for _, c := range []*Contender{udtDefault, tcpDefault} {
			t.Run(j.Work+"/"+c.Name, func(t *testing.T) {
				t.Parallel()
				r := runPair(t, c, j)
				require.Zero(t, r.Client.Failed)
				w, err := work(j.Work)
				require.NoError(t, err)
				for _, m := range w.Metrics[:1] {
					_, ok := m.Of(r)
					require.True(t, ok, "the table's main figure %s", m.Name)
				}
			})
		}
	}
}

// The works about streams run to their end over every contender that is in their
// tables, and what arrives is intact.
func TestStreamWorks(t *testing.T) {
	jobs := []Job{
		{Work: "stream1", Bytes: smokeBytes, Verify: true},
		{Work: "stream1000", Bytes: 50 * streamWrite * 2, Streams: 50, Verify: true},
		{Work: "open", Seconds: 0.05},
		{Work: "idlestreams", Streams: 300, Settle: 0.1, Watch: 0.1},
		{Work: "requests", Streams: 3, Seconds: 0.5, Settle: 0.1},
		{Work: "requests-bulk", Streams: 3, Seconds: 0.5, Settle: 0.1},
		{Work: "requests-slow", Streams: 3, Seconds: 0.5, Settle: 0.1, Every: 0.1},
	}
	for _, j := range jobs {
		w, err := work(j.Work)
		require.NoError(t, err)
		for _, name := range w.Contenders {
			t.Run(j.Work+"/"+name, func(t *testing.T) {
				t.Parallel()
				c, err := contender(name)
				require.NoError(t, err)
				r := runPair(t, c, j)
				_, ok := w.Metrics[0].Of(r)
				require.True(t, ok, "the table's main figure")
				if j.Bytes > 0 {
					require.Equal(t, j.Bytes, r.Client.Bytes)
					require.Equal(t, j.Bytes, r.Server.Bytes)
				}
				if w == stream1000 && c.Sessions != nil {
					require.Equal(t, slices.Repeat([]int64{2 * streamWrite}, 50), r.Server.Shares)
				}
			})
		}
	}
}

// Requests over a link take a round trip at least, and all are answered.
func TestRequestsOverALink(t *testing.T) {
	if why := wanMissing(); why != "" {
		t.Skip("no links here: ", why)
	}
	p := Plan{Work: requests, Contenders: []*Contender{muxOverMessages}, Runs: 1, Job: Job{Streams: 5, Seconds: 1, Settle: 0.2}}
	row := p.Run(t.Context(), io.Discard).row("mux")
	require.Empty(t, row.Errors)
	require.GreaterOrEqual(t, row.Figures["p50"].Median, 100.)
	require.GreaterOrEqual(t, row.Figures["requests"].Median, 5*8.)
}

// A transfer goes on under blind packets, of which the end that is attacked refuses
// all, and beside it there is one whose packets went elsewhere.
func TestBlindPackets(t *testing.T) {
	if why := blindMissing(); why != "" {
		t.Skip("nobody can be attacked here: ", why)
	}
	for _, w := range []*Work{blind, blindSender} {
		for _, c := range []*Contender{udtDefault, udtProtected} {
			t.Run(w.Name+"/"+c.Name, func(t *testing.T) {
				var row *Row
				for seconds := 0.3; seconds < 10; seconds *= 4 {
					p := Plan{Work: w, Contenders: []*Contender{c}, Runs: 1, Job: Job{Seconds: seconds}}
					row = p.Run(t.Context(), io.Discard).row(c.Name)
					if !attackedTooLittle(row) {
						break
					}
				}
				require.Empty(t, row.Errors)
				require.Contains(t, row.Figures, "goodput")
				a := row.Runs[0].Attack
				require.Greater(t, a.Sent, int64(100), "each kind at least once")
				require.Positive(t, a.Refused, "they reach the connection")
				require.Zero(t, a.Accepted)
				require.Nil(t, row.Runs[0].Baseline.Attack)
				require.Zero(t, row.Runs[0].Baseline.Server.Stats["forged"], "its packets go elsewhere")
			})
		}
	}
}

// attackedTooLittle reports that the transfer of a row was over before the attacker had
// enough CPU time, which is no failure of a short transfer.
func attackedTooLittle(row *Row) bool {
	if len(row.Runs) > 0 {
		return row.Runs[0].Attack.Sent <= 100
	}
	return len(row.Errors) > 0 && strings.Contains(row.Errors[0], errNothingSeen.Error())
}

// What an end has not refused, and not lost, it has accepted.
func TestAcceptedIsTheRest(t *testing.T) {
	attacker := &Result{Ops: 100, Extra: map[string]float64{"handshakes": 5}}
	end := &Result{Stats: map[string]float64{"forged": 80, "replayed": 9}, Extra: map[string]float64{"socket_drops": 3}}
	require.EqualValues(t, 3, newAttack(attacker, end, true).Accepted)
	end.Stats["unknown_ids"] = 3
	require.Zero(t, newAttack(attacker, end, true).Accepted)
}

// Work for streams is not given to contenders that have none.
func TestNoStreams(t *testing.T) {
	ok, why := tcpDefault.does("open")
	require.False(t, ok)
	require.Equal(t, "has no streams", why)
	ok, _ = tcpDefault.does("stream1000")
	require.True(t, ok, "with one connection")
}

// Eight connections at once are received in full, each of them.
func TestSharesAddUp(t *testing.T) {
	r := runPair(t, tcpDefault, Job{Work: "bulk8", Bytes: 64 << 10})
	require.Equal(t, slices.Repeat([]int64{64 << 10}, 8), r.Server.Shares)
}

// A contender that fails leaves its error in its row, and the others are measured.
func TestFailureStaysInItsRow(t *testing.T) {
	bad := &Contender{Name: "nobody"}
	missing := &Contender{Name: "absent", Missing: func() string { return "not installed" }}
	p := Plan{
		Work: bulk, Contenders: []*Contender{bad, missing, tcpDefault}, Runs: 3,
		Job: Job{Bytes: 64 << 10, Timeout: 20},
	}
	table := p.Run(t.Context(), io.Discard)
	require.Len(t, table.row("nobody").Errors, maxErrors, "it is given up after these")
	require.Equal(t, "not installed", table.row("absent").Skipped)
	require.Len(t, table.row("tcp").Runs, 3)
	require.Contains(t, table.row("tcp").Figures, "rate")
}

// A server whose client never comes ends when it is told to stop, as it does when
// its parent dies: both close its standard input.
func TestChildEndsWithItsInput(t *testing.T) {
	for _, c := range []*Contender{udtDefault, tcpDefault} {
		p := NewPair(Job{Contender: c.Name, Work: "bulk"})
		p.Server.Role = "server"
		child, err := StartChild(t.Context(), p.Server)
		require.NoError(t, err)
		_, err = child.Listening(t.Context())
		require.NoError(t, err)
		child.Wait()
		require.True(t, child.cmd.ProcessState.Exited(), "%s: it ended by itself, unkilled", c.Name)
	}
}

// The time limit of a run ends both children.
func TestTimeoutEndsTheRun(t *testing.T) {
	p := NewPair(Job{Contender: "tcp", Work: "bulk", Seconds: 3600, Timeout: 0.2})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := p.Run(ctx)
	require.Error(t, err)
	require.NoError(t, ctx.Err())
}
