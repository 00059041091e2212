// Package examples_test builds the examples once and runs them as a user would.
package examples_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/udtgo/udtgo/nettest/testkit"
)

// Every folder is in the list of what is built, and each program says how to use
// it, and ends with status 2 if it is used otherwise.
func TestUsage(t *testing.T) {
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	var folders []string
	for _, e := range entries {
		if e.IsDir() && e.Name() != "internal" {
			if _, err := os.Stat(filepath.Join(e.Name(), "go.mod")); err != nil { // a module of its own tests itself
				folders = append(folders, e.Name())
			}
		}
	}
	require.Equal(t, names, folders)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			help, err := exec.Command(program(t, name), "-h").CombinedOutput()
			require.NoError(t, err)
			require.Contains(t, string(help), "Usage:\n  "+name+" ")
			err = exec.Command(program(t, name), "too", "many", "arguments").Run()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			require.Equal(t, 2, exit.ExitCode())
		})
	}
}

func TestEcho(t *testing.T) {
	server := start(t, "echo", "-listen", "127.0.0.1:0")
	client := start(t, "echo", server.expect("listening on "))
	for _, line := range []string{"hello", "", "again"} {
		client.writeLine(line)
		client.expect(line + " (")
	}
	require.NoError(t, client.in.Close())
	require.Empty(t, client.rest())
	server.interrupt()
}

func TestInterruptedClient(t *testing.T) {
	server := start(t, "echo", "-listen", "127.0.0.1:0")
	client := start(t, "echo", server.expect("listening on "))
	client.writeLine("connected")
	client.expect("connected (")
	client.interrupt()
	server.interrupt()
}

func TestFilecopy(t *testing.T) {
	dir := t.TempDir()
	name, sent := someFile(t)
	server := start(t, "filecopy", "-listen", "127.0.0.1:0", "-dir", dir)
	addr := server.expect("listening on ")
	out := run(t, "filecopy", name, addr)
	require.Len(t, out, 1)
	require.Contains(t, out[0], fmt.Sprintf("sent %d bytes in ", len(sent)))
	server.expect(fmt.Sprintf("received %q, %d bytes, from ", filepath.Base(name), len(sent)))
	got, err := os.ReadFile(filepath.Join(dir, filepath.Base(name)))
	require.NoError(t, err)
	require.True(t, bytes.Equal(sent, got))

	require.NoError(t, os.WriteFile(name, []byte("other"), 0o600))
	again := start(t, "filecopy", name, addr)
	require.Error(t, again.fails())
	got, err = os.ReadFile(filepath.Join(dir, filepath.Base(name)))
	require.NoError(t, err)
	require.True(t, bytes.Equal(sent, got), "an existing file was overwritten")
}

func TestTLS(t *testing.T) {
	server := start(t, "tls", "-listen", "127.0.0.1:0")
	addr := server.expect("listening on ")
	fingerprint := server.expect("fingerprint ")
	client := start(t, "tls", "-pin", fingerprint, addr)
	client.writeLine("in small letters")
	client.expect("IN SMALL LETTERS")
	require.NoError(t, client.in.Close())
	require.Empty(t, client.rest())
	require.Contains(t, client.stderr.String(), "TLS 1.3")

	impostor := start(t, "tls", "-pin", strings.Repeat("00", 32), addr)
	require.ErrorContains(t, impostor.fails(), "another fingerprint")
}

func TestYamux(t *testing.T) {
	server := start(t, "yamux", "-listen", "127.0.0.1:0")
	out := run(t, "yamux", "-streams", "20", server.expect("listening on "))
	require.Len(t, out, 21)
	require.Contains(t, strings.Join(out, "\n"), "you said hello 19")
	require.Contains(t, out[20], "20 answers in ")
	server.interrupt()
}

func TestRendezvous(t *testing.T) {
	a, b := testkit.UnusedPort(t).String(), testkit.UnusedPort(t).String()
	first := start(t, "rendezvous", "-local", a, b)
	second := start(t, "rendezvous", "-local", b, a)
	first.expect("connected: ")
	second.expect("connected: ")
	first.writeLine("hello")
	second.expect("hello")
	second.writeLine("hello to you")
	first.expect("hello to you")
	require.NoError(t, first.in.Close())
	require.Empty(t, first.rest())
	require.Empty(t, second.rest(), "the peer's end is the end")
}

func TestPacket(t *testing.T) {
	hub := start(t, "packet", "-listen", "127.0.0.1:0")
	addr := hub.expect("listening on ")
	var peers []*running
	for _, name := range []string{"first", "second"} {
		peer := start(t, "packet", "-listen", "127.0.0.1:0", "-to", addr)
		own := peer.expect("listening on ")
		peer.writeLine(name)
		hub.expect(own + ": " + name)
		peers = append(peers, peer)
	}
	hub.writeLine("to all")
	for _, peer := range peers {
		peer.expect(addr + ": to all")
		require.NoError(t, peer.in.Close())
		require.Empty(t, peer.rest())
	}
	hub.interrupt()
}

// fails returns the error of a program that has to fail, with what it printed.
func (r *running) fails() error {
	r.t.Helper()
	require.NoError(r.t, r.in.Close())
	for range r.lines {
	}
	err := r.end()
	require.Error(r.t, err)
	return err
}

// someFile returns a file of a few megabytes.
func someFile(t *testing.T) (name string, content []byte) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "some file.bin")
	for i := range 400_000 {
		content = fmt.Appendf(content, "%8d\n", i)
	}
	require.NoError(t, os.WriteFile(name, content, 0o600))
	return name, content
}
