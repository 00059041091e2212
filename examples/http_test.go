package examples_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a newcomer runs first, on a path that needs less time.
func TestHTTPDemonstration(t *testing.T) {
	for name, flags := range map[string][]string{"HTTP over UDT": nil, "HTTPS over UDT": {"-tls"}, "HTTP over protected UDT": {"-secure"}} {
		t.Run(name, func(t *testing.T) {
			out := run(t, "http", append(flags, "-rtt", "20ms", "-loss", "1", "-rate", "50", "-size", "1")...)
			text := strings.Join(out, "\n")
			require.Contains(t, out[0], "by "+name)
			for _, want := range []string{
				"path ", "1.0 MB in ", "\ngoodput ", "% of the link", "\nRTT ", "\nloss ", "\nrepeated ",
				"Mathis", "not a measurement", "as it has to be",
			} {
				require.Contains(t, text, want)
			}
			require.NotContains(t, text, "\x1b", "there is no terminal")
		})
	}
}

// The file is larger than what arrives in the time.
func TestHTTPDemonstrationEndsInTime(t *testing.T) {
	out := strings.Join(run(t, "http", "-rtt", "20ms", "-rate", "10", "-size", "1000", "-time", "1s"), "\n")
	require.Contains(t, out, "\ngoodput ")
	require.Contains(t, out, "as it has to be")
}

func TestHTTPServerAndClient(t *testing.T) {
	name, content := someFile(t)
	for title, flag := range map[string]string{"HTTP": "", "HTTPS": "-tls", "HTTP over protected UDT": "-secure"} {
		t.Run(title, func(t *testing.T) {
			args := []string{"-listen", "127.0.0.1:0", "-root", filepath.Dir(name)}
			secure := flag != ""
			if secure {
				args = append(args, flag)
			}
			server := start(t, "http", args...)
			place := server.expect("serving ")
			addr := place[strings.LastIndex(place, " ")+1:]
			url := "udt://" + addr + "/some%20file.bin"
			copied := filepath.Join(t.TempDir(), "copy")
			client := []string{"-get", url, "-o", copied}
			if secure {
				fingerprint := server.expect("fingerprint ")
				client = append(client, flag, "-pin", fingerprint)
			}
			run(t, "http", client...)
			got, err := os.ReadFile(copied)
			require.NoError(t, err)
			require.True(t, bytes.Equal(content, got))

			missing := start(t, "http", append(client, "-get", url+"x")...)
			require.ErrorContains(t, missing.fails(), "404")
			if secure {
				impostor := start(t, "http", append(client, "-pin", strings.Repeat("00", 32))...)
				require.ErrorContains(t, impostor.fails(), "another fingerprint")
				untrusted := start(t, "http", "-get", url, "-o", copied, flag)
				require.ErrorContains(t, untrusted.fails(), "certificate")
			}
			if flag != "-tls" { // there it has logged the handshakes that failed
				server.interrupt()
			}
		})
	}
}
