package examples_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every way loads the page with the right bytes, on a path that needs less time.
func TestMuxHTTPDemonstration(t *testing.T) {
	out := run(t, "muxhttp", "-rtt", "20ms", "-loss", "1", "-rate", "50", "-objects", "40", "-loads", "2")
	text := strings.Join(out, "\n")
	require.Contains(t, out[0], "40 objects")
	for _, way := range []string{"mux over UDT messages", "mux over one UDT stream", "yamux over UDT", "HTTP/2 over TLS over UDT"} {
		row := regexp.MustCompile(`(?m)^` + way + `( +\d+){7}$`) // what was lost, four figures of objects, two of pages
		require.Regexp(t, row, text)
	}
	require.Equal(t, "all bytes as they have to be", out[len(out)-1])
}

func TestMuxHTTPServerAndClient(t *testing.T) {
	root := t.TempDir()
	var names []string
	for i := range 30 {
		names = append(names, fmt.Sprintf("file %d", i))
		content := bytes.Repeat(fmt.Appendf(nil, "%d,", i), 20_000)
		require.NoError(t, os.WriteFile(filepath.Join(root, names[i]), content, 0o600))
	}
	for _, over := range []string{"messages", "stream", "yamux"} {
		t.Run(over, func(t *testing.T) {
			server := start(t, "muxhttp", "-listen", "127.0.0.1:0", "-root", root, "-over", over)
			place := server.expect("serving ")
			addr := place[strings.LastIndex(place, " ")+1:]
			dir := t.TempDir()
			run(t, "muxhttp", append([]string{"-get", addr, "-dir", dir, "-over", over}, names...)...)
			for _, name := range names {
				want, err := os.ReadFile(filepath.Join(root, name))
				require.NoError(t, err)
				got, err := os.ReadFile(filepath.Join(dir, name))
				require.NoError(t, err)
				require.True(t, bytes.Equal(want, got), name)
			}
			missing := start(t, "muxhttp", "-get", addr, "-dir", dir, "-over", over, names[0], "none")
			require.ErrorContains(t, missing.fails(), "none: 404")
			server.interrupt()
		})
	}
}
