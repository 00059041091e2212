//go:build linux

package link

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// prefix begins the names of all our namespaces; the process follows.
const prefix = "udtbench-"

// directory is where the ip command keeps its namespaces.
const directory = "/run/netns"

var links atomic.Int64

// nextID returns a name for a link that no running process uses.
func nextID() string { return fmt.Sprintf("%d-%d", os.Getpid(), links.Add(1)) }

// settings are for the two ends: nothing there should limit a transport before
// the link does, and no run should know what an earlier one learnt.
var settings = map[string]string{
	"net/ipv4/tcp_rmem":                  "4096 131072 134217728",
	"net/ipv4/tcp_wmem":                  "4096 16384 134217728",
	"net/ipv4/tcp_no_metrics_save":       "1",
	"net/ipv6/conf/all/disable_ipv6":     "1", // its router solicitations would use the link
	"net/ipv6/conf/default/disable_ipv6": "1",
}

// namespace is one end of a link.
type namespace struct {
	name string
	tun  int // -1 if there is none
}

// newNamespace makes a namespace with a TUN device that is its only way out.
func newNamespace(name string, addr netip.Addr) (_ *namespace, err error) {
	if err := ip("netns", "add", name); err != nil {
		return nil, err
	}
	s := &namespace{name: name, tun: -1}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	err = s.do(func() error {
		for key, value := range settings {
			err := os.WriteFile(filepath.Join("/proc/sys", key), []byte(value), 0)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
		s.tun, err = openTUN("tun0")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	for _, command := range []string{
		"link set lo up",
		// The queue of the device is none of the link's: it must never be full.
		fmt.Sprintf("link set tun0 mtu %d txqueuelen 10000 up", MTU),
		fmt.Sprintf("addr add %s/24 dev tun0", addr),
		"route add default dev tun0",
	} {
		if err := ip(append([]string{"-n", name}, strings.Fields(command)...)...); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *namespace) close() error {
	var err error
	if s.tun >= 0 {
		err = unix.Close(s.tun)
	}
	return errors.Join(err, ip("netns", "del", s.name))
}

// do calls f on a thread in the namespace.
func (s *namespace) do(f func() error) error {
	result := make(chan error)
	go func() {
		// The thread is not given back, so it ends with the goroutine: no
		// other goroutine ever runs in the wrong namespace.
		runtime.LockOSThread()
		result <- func() error {
			fd, err := unix.Open(filepath.Join(directory, s.name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				return fmt.Errorf("link: namespace %s: %w", s.name, err)
			}
			defer unix.Close(fd)
			if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("link: namespace %s: %w", s.name, err)
			}
			return f()
		}()
	}()
	return <-result
}

// openTUN makes a TUN device in the thread's namespace. Without
// IFF_VNET_HDR it takes and gives single IP packets only.
func openTUN(name string) (fd int, err error) {
	fd, err = unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("/dev/net/tun: %w", err)
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("TUN device %s: %w", name, err)
	}
	return fd, nil
}

// removeLeftovers removes the namespaces of processes that are no more.
func removeLeftovers() error {
	entries, err := os.ReadDir(directory)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("link: %w", err)
	}
	for _, e := range entries {
		rest, ours := strings.CutPrefix(e.Name(), prefix)
		id, _, _ := strings.Cut(rest, "-")
		pid, err := strconv.Atoi(id)
		if !ours || err != nil || unix.Kill(pid, 0) != unix.ESRCH {
			continue
		}
		// Another process may be doing the same.
		if err := ip("netns", "del", e.Name()); err != nil {
			if _, gone := os.Stat(filepath.Join(directory, e.Name())); gone == nil {
				return err
			}
		}
	}
	return nil
}

func ip(args ...string) error {
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("link: ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
