package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	ipHeader  = 20
	udpHeader = 8

	// blindClosed is the port that the baseline's packets go to, and come from, so that
	// the kernel's word that it is closed reaches nobody.
	blindClosed = 9

	// blindTick is the time between wake-ups of the attacker.
	blindTick = 250 * time.Microsecond
)

// blindMissing says why nobody can be attacked here, or "".
func blindMissing() string {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return "forging source addresses needs root: " + err.Error()
	}
	unix.Close(fd)
	return ""
}

// A prey is one direction of the connection that is attacked.
type prey struct {
	from, to netip.AddrPort
	id       uint32 // of the socket it goes to
}

// attack is the attacker's process: it waits for the connection to the server at
// j.Addr, and then sends blind packets to it until ctx ends.
func attack(ctx context.Context, j *Job) (*Result, error) {
	server, err := netip.ParseAddrPort(j.Addr)
	if err != nil {
		return nil, err
	}
	if !server.Addr().Is4() {
		return nil, errors.New("blind packets are sent over IPv4 only")
	}
	// Only sends: the kernel gives it no packets.
	out, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	defer unix.Close(out)
	p, err := watch(ctx, server, j.Extra["at_sender"] != 0)
	if err != nil {
		return nil, err
	}
	if j.Extra["closed"] != 0 {
		if err := closed(p.to.Addr()); err != nil {
			return nil, err
		}
		p.from, p.to = netip.AddrPortFrom(p.from.Addr(), blindClosed), netip.AddrPortFrom(p.to.Addr(), blindClosed)
	}
	if j.Contender != udtProtected.Name {
		p.id = 0 // a guess as well: plain mode relies on it
	}
	return p.flood(ctx, out, j.Extra["blind"])
}

// closed returns an error if something listens on the port that must be closed.
func closed(a netip.Addr) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: blindClosed, Addr: a.As4()}); err != nil {
		return fmt.Errorf("port %d is not closed: %w", blindClosed, err)
	}
	return nil
}

// watch tells, as whoever sees the path could, the addresses and the socket ID of one end
// of the server's first connection. It waits for a packet each way that is not a
// handshake: both ends have opened the connection then, and what comes goes there. It
// looks no longer than that, as the kernel has to copy every packet for it.
func watch(ctx context.Context, server netip.AddrPort, atSender bool) (prey, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_UDP)
	if err != nil {
		return prey{}, os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	if err := only(fd, server.Port()); err != nil {
		return prey{}, err
	}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 10_000}); err != nil {
		return prey{}, os.NewSyscallError("setsockopt", err)
	}
	emit(Event{Event: "listening"})
	var toServer, toClient prey
	b := make([]byte, ipHeader+udpHeader+blindHeader)
	for ctx.Err() == nil {
		n, _, err := unix.Recvfrom(fd, b, 0)
		switch {
		case err == unix.EAGAIN || err == unix.EINTR:
			continue
		case err != nil:
			return prey{}, os.NewSyscallError("recvfrom", err)
		case n < len(b) || b[0] != 0x45:
			continue
		}
		u := b[ipHeader:]
		p := prey{
			from: netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[12:])), binary.BigEndian.Uint16(u)),
			to:   netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[16:])), binary.BigEndian.Uint16(u[2:])),
			id:   binary.BigEndian.Uint32(u[udpHeader+12:]),
		}
		switch {
		case p.id == 0 || binary.BigEndian.Uint32(u[udpHeader:]) == controlBit|handshake<<16:
			continue
		case p.to == server:
			toServer = p
		case p.from == server:
			toClient = p
		}
		if toServer.id == 0 || toClient.id == 0 {
			continue
		}
		if atSender {
			return toClient, nil
		}
		return toServer, nil
	}
	return prey{}, errNothingSeen
}

// only makes fd receive what goes to a port or comes from it.
func only(fd int, port uint16) error {
	f := []unix.SockFilter{
		{Code: unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH, K: 0}, // X = length of the IP header
		{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_IND, K: 0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(port), Jt: 2},
		{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_IND, K: 2},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(port), Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: ipHeader + udpHeader + blindHeader},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
	return os.NewSyscallError("setsockopt", unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(f)), Filter: &f[0]}))
}

// flood sends rate packets per second until ctx ends, or fewer if the machine cannot.
func (p *prey) flood(ctx context.Context, out int, rate float64) (*Result, error) {
	b := make([]byte, ipHeader+udpHeader+blindPacket)
	b[0], b[8], b[9] = 0x45, 64, unix.IPPROTO_UDP // the kernel adds the length and the checksum
	from, to := p.from.Addr().As4(), p.to.Addr().As4()
	copy(b[12:], from[:])
	copy(b[16:], to[:])
	u := b[ipHeader:]
	binary.BigEndian.PutUint16(u, p.from.Port())
	binary.BigEndian.PutUint16(u[2:], p.to.Port())
	f := newForger(p.id)
	s := begin()
	for ctx.Err() == nil {
		for due := int(time.Since(s.start).Seconds() * rate); f.sent < due && ctx.Err() == nil; {
			n := udpHeader + f.next(u[udpHeader:])
			binary.BigEndian.PutUint16(u[4:], uint16(n))
			err := unix.Sendto(out, b[:ipHeader+n], 0, &unix.SockaddrInet4{Addr: to})
			if err != nil && err != unix.EINTR {
				return nil, os.NewSyscallError("sendto", err)
			}
		}
		time.Sleep(blindTick)
	}
	r := s.end()
	r.Ops = int64(f.sent)
	r.Extra = map[string]float64{"handshakes": float64(f.handshakes)}
	return r, nil
}

// socketState returns how many bytes of memory wait in the socket at addr to be read, and
// how many datagrams the kernel dropped because it had no room for them.
func socketState(addr string) (queued, drops int64) {
	a, err := netip.ParseAddrPort(addr)
	if err != nil || !a.Addr().Is4() {
		return 0, 0
	}
	ip := a.Addr().As4()
	local := fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(ip[:]), a.Port())
	table, err := os.ReadFile("/proc/self/net/udp")
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) > 4 && f[1] == local {
			_, received, _ := strings.Cut(f[4], ":") // the queues: sent, received
			n, _ := strconv.ParseInt(received, 16, 64)
			queued += n
			n, _ = strconv.ParseInt(f[len(f)-1], 10, 64)
			drops += n
		}
	}
	return queued, drops
}
