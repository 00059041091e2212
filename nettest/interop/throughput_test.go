package interop_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/interop"
)

var (
	bench      = flag.Bool("interop.bench", false, "compare our throughput on loopback with the reference's")
	benchBytes = flag.Int64("interop.bench.bytes", 1<<30, "bytes per transfer of the comparison")
	benchRuns  = flag.Int("interop.bench.runs", 5, "transfers of each library in the comparison")
	benchPeer  = flag.String("interop.bench.peer", "", "set by the comparison in its second process: where to send to")
)

// What each call of the application transfers, in the driver as well.
const (
	benchWrite = 1 << 16
	benchRead  = 1 << 18
)

// TestThroughput transfers the same from process to process through the
// reference and through package udt, in turn, and logs both rates and their
// ratio. Both run with their defaults. The time is the receiver's, from the
// accepted connection to the last byte. It requires only that everything
// arrives: what the rates should be is for the reader to judge.
//
//	go test ./nettest/interop -run TestThroughput$ -v -interop.bench
func TestThroughput(t *testing.T) {
	if !*bench {
		t.Skip("takes a minute and all cores: -interop.bench")
	}
	driver := interop.Build(t, *required)
	var reference, ours, ratio []float64
	for i := range *benchRuns {
		reference = append(reference, referenceRate(t, driver))
		ours = append(ours, ourRate(t))
		ratio = append(ratio, ours[i]/reference[i])
		t.Logf("run %d: reference %.0f Mbit/s, udt %.0f Mbit/s, ratio %.2f", i+1, reference[i], ours[i], ratio[i])
	}
	t.Logf("reference %s Mbit/s", spread(reference, 0))
	t.Logf("udt       %s Mbit/s", spread(ours, 0))
	t.Logf("ratio     %s", spread(ratio, 2))
}

// spread returns the median and the range of v.
func spread(v []float64, digits int) string {
	v = slices.Sorted(slices.Values(v))
	return fmt.Sprintf("%.*f (%.*f to %.*f)", digits, (v[(len(v)-1)/2]+v[len(v)/2])/2, digits, v[0], digits, v[len(v)-1])
}

func referenceRate(t *testing.T, driver *interop.Driver) float64 {
	receiver := driver.Start(t, opts("drain -role listen -timeout 600 -bytes %d", *benchBytes)...)
	sender := driver.Start(t, opts("blast -timeout 600 -port %d -bytes %d", receiver.Port(), *benchBytes)...)
	took := receiver.Wait("TOOK")
	require.GreaterOrEqual(t, took.Int(0), *benchBytes)
	receiver.Done()
	sender.Done()
	return mbits(time.Duration(took.Int(1)) * time.Microsecond)
}

func ourRate(t *testing.T) float64 {
	l := listen(t, loopback, nil)
	defer l.Close()
	self, err := os.Executable()
	require.NoError(t, err)
	sender := exec.CommandContext(t.Context(), self, "-test.run=^TestThroughputPeer$",
		"-interop.bench.peer="+l.Addr().String(), "-interop.bench.bytes="+strconv.FormatInt(*benchBytes, 10))
	sender.Stderr = os.Stderr
	require.NoError(t, sender.Start())
	conn, err := l.AcceptUDT()
	require.NoError(t, err)
	defer conn.Close()
	start := time.Now()
	buf := make([]byte, benchRead)
	for got := int64(0); got < *benchBytes; {
		n, err := conn.Read(buf)
		require.NoError(t, err)
		got += int64(n)
	}
	took := time.Since(start)
	require.NoError(t, sender.Wait())
	return mbits(took)
}

func mbits(took time.Duration) float64 { return float64(*benchBytes) * 8 / 1e6 / took.Seconds() }

// TestThroughputPeer is the second process of TestThroughput.
func TestThroughputPeer(t *testing.T) {
	if *benchPeer == "" {
		t.Skip("the second process of TestThroughput")
	}
	conn := dial(t, *benchPeer, nil)
	buf := make([]byte, benchWrite)
	for left := *benchBytes; left > 0; {
		n, err := conn.Write(buf[:min(left, benchWrite)])
		require.NoError(t, err)
		left -= int64(n)
	}
	require.NoError(t, conn.Close())
}
