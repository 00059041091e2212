package nettest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/udtgo/udtgo/nettest/internal/require"
	"golang.org/x/crypto/ssh"
)

// sshRows run SSH, whose two sides both speak first and whose known_hosts code parses addresses.
var sshRows = []dropInRow{
	{"row28_ssh_session", rowSSH},
}

// sshHostKey makes the server's key when it is first needed.
var sshHostKey = sync.OnceValues(func() (ssh.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return ssh.NewSignerFromKey(key)
})

// rowSSH runs a command that copies its input to its output over an SSH connection.
func rowSSH(t *testing.T, f *fixture, _ DropInOptions) {
	key, err := sshHostKey()
	require.NoError(t, err)
	sc := &ssh.ServerConfig{NoClientAuth: true}
	sc.AddHostKey(key)
	var sawAddr string
	cc := &ssh.ClientConfig{
		User: "nobody",
		HostKeyCallback: func(host string, remote net.Addr, k ssh.PublicKey) error {
			sawAddr = remote.String()
			return ssh.FixedHostKey(key.PublicKey())(host, remote, k)
		},
	}

	c, s := f.pair(t)
	serving := start(func() error { return serveSSH(s, sc) })
	got := start(func() readResult {
		data, err := runSSH(c, f.Addr().String(), cc, pattern(0, 1<<20))
		return readResult{data, err}
	}).wait(t, "SSH session")
	require.NoError(t, got.err)
	require.Len(t, got.data, 1<<20)
	require.NoError(t, checkPattern(got.data, 0))
	_, _, err = net.SplitHostPort(sawAddr)
	require.NoError(t, err, "known_hosts parses the address")
	require.NoError(t, serving.wait(t, "SSH server"))
}

// runSSH runs the only command there is with an input and returns its output.
func runSSH(c net.Conn, addr string, config *ssh.ClientConfig, input []byte) ([]byte, error) {
	conn, chans, reqs, err := ssh.NewClientConn(c, addr, config)
	if err != nil {
		return nil, err
	}
	client := ssh.NewClient(conn, chans, reqs)
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return nil, err
	}
	stdin, err := session.StdinPipe()
	if err != nil {
		return nil, err
	}
	var output bytes.Buffer
	session.Stdout = &output
	// Not before the server has answered: it ends the session with the input.
	if err := session.Start("cat"); err != nil {
		return nil, err
	}
	go func() {
		_, _ = stdin.Write(input)
		_ = stdin.Close()
	}()
	err = session.Wait()
	return output.Bytes(), err
}

// serveSSH serves one connection until the client ends it.
func serveSSH(c net.Conn, config *ssh.ServerConfig) error {
	conn, chans, reqs, err := ssh.NewServerConn(c, config)
	if err != nil {
		return err
	}
	defer conn.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { ssh.DiscardRequests(reqs) })
	for nc := range chans {
		ch, reqs, err := nc.Accept()
		if err != nil {
			return err
		}
		wg.Go(func() {
			for r := range reqs {
				_ = r.Reply(r.Type == "exec", nil)
			}
		})
		wg.Go(func() {
			defer ch.Close()
			_, _ = io.Copy(ch, ch)
			_ = ch.CloseWrite()
			_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{0}))
		})
	}
	return nil
}
