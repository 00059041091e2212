// Package udpio gives and takes UDP datagrams in batches.
//
// On Linux a batch is one sendmsg with UDP_SEGMENT (GSO) and one recvmsg with
// UDP_GRO; both can fail at run time and are then given up, for the socket or for
// one peer. Without them it is one sendmmsg or recvmmsg. Elsewhere, every datagram is
// one call of package net; with the build tag udtnooffload on Linux too, except that
// x/net sends several in a call. Any other net.PacketConn can be wrapped too, which
// makes simulated networks and synctest bubbles possible.
//
// The package knows nothing of UDT: it moves bytes, hides what is transient in a
// socket's errors, and starts no goroutine. One goroutine of the caller at a
// time calls Recv; any number may call Send, each with Peers of its own.
package udpio

import (
	"context"
	"errors"
	"net/netip"
	"syscall"

	"github.com/udtgo/udtgo/udt/internal/wire"
)

var (
	// ErrWouldBlock is returned by Socket.Send without wait when the socket has no
	// room. The datagrams that were not counted were not sent.
	ErrWouldBlock = errors.New("udpio: no room in the socket")

	// ErrNoBuffers is returned by Socket.Send when a queue of the system is full
	// (ENOBUFS). Waiting for room in the socket does not help: the datagrams that
	// were not counted were not sent and are best sent a little later.
	ErrNoBuffers = errors.New("udpio: no buffers in the system")

	// ErrInterrupted is returned by Socket.Recv after Socket.Interrupt.
	ErrInterrupted = errors.New("udpio: interrupted")
)

// A Run is one or more datagrams that lie one after another in B: each is Segment
// bytes long, the last may be shorter. Segment 0, or one that is not less than
// len(B), means one datagram. A Run with an empty B holds no datagram.
type Run = wire.Run

// Received describes what Socket.Recv has put into its buffer.
type Received struct {
	// N is the number of bytes in the buffer, at least 1.
	N int
	// Segment is the size of each datagram in it but the last, which may be
	// shorter; it is N if there is one datagram.
	Segment int
	// From is who sent the datagrams, never an IPv4-mapped IPv6 address.
	From netip.AddrPort
	// Local is the address that the datagrams were sent to, without a zone and
	// never IPv4-mapped; invalid if the system does not say.
	Local netip.Addr
}

// A Socket sends and receives datagrams in batches.
type Socket interface {
	// Recv waits until datagrams arrive and reads them into b, which should have
	// 64 KiB: what does not fit is lost. All of them are from one peer and went
	// to one local address. Datagrams of 0 bytes are skipped. One goroutine at a
	// time may call it.
	//
	// Transient errors are counted and the read is repeated, with pauses if it
	// keeps failing. The errors returned are net.ErrClosed (test with errors.Is),
	// and ErrInterrupted and *RefusedError, after which the socket goes on
	// working.
	Recv(b []byte) (Received, error)

	// Interrupt makes the present call of Recv, or the next one if there is none,
	// return ErrInterrupted. It does nothing unless Info.Interruptible.
	Interrupt()

	// Send gives the datagrams of runs to the network, in order, and returns how
	// many datagrams were taken. It may be called concurrently with different
	// Peers, and allocates nothing. It does not keep runs.
	//
	// With wait unset it does not wait for room in the socket, nor for another
	// goroutine that does: it returns ErrWouldBlock. With wait set it waits for
	// room. (Where datagrams go out by package net, that call decides: systems
	// other than Linux refuse a datagram with ENOBUFS rather than wait. A wrapped
	// net.PacketConn always decides itself.)
	//
	// The errors are ErrWouldBlock, ErrNoBuffers and net.ErrClosed. A datagram
	// that the system refuses for any other reason counts as taken, as if it had
	// been lost on the path, and is counted in Info.TransientErrors.
	Send(p *Peer, runs []Run, wait bool) (n int, err error)

	// NotifyRefused turns reporting of refused datagrams on an unconnected socket
	// on or off. Calls are counted: it is off again after as many calls with off
	// as with on. It is for the short time in which an answer to a first datagram
	// is awaited, because while it is on, refusals of any peer disturb the sends
	// to others. Only Linux can do it; a connected socket reports refusals anyway.
	NotifyRefused(on bool)

	// LocalAddr returns the address the socket is bound to, never IPv4-mapped. It
	// may be the wildcard, which is [::] on a socket for both families.
	LocalAddr() netip.AddrPort

	// Info returns what the socket can do at the moment, and its counters.
	Info() Info

	// SyscallConn gives access to the system's socket, or an error if there is
	// none.
	SyscallConn() (syscall.RawConn, error)

	// Close closes the socket. A blocked Recv returns net.ErrClosed, as do blocked
	// and later Sends.
	Close() error
}

// Info describes a Socket.
type Info struct {
	// GSO and GRO tell whether the system cuts batches of datagrams and puts them
	// together.
	GSO, GRO bool
	// RecvBuffer and SendBuffer are the sizes in bytes that the system granted; 0
	// if unknown. On Linux they are half of what getsockopt reports, which counts
	// the kernel's bookkeeping as well: the same figure that one asks for.
	RecvBuffer, SendBuffer int
	// TransientErrors is the number of errors of the system that were dealt with
	// inside.
	TransientErrors uint64
	// SegmentationFallbacks is how often a segmented send was refused and GSO was
	// given up, for a peer or for the socket.
	SegmentationFallbacks uint64
	// Interruptible tells whether Interrupt works. It does not on a wrapped
	// net.PacketConn, whose deadlines may not be what they should.
	Interruptible bool
	// MaxRun is how many datagrams one system call may send.
	MaxRun int
}

// A RefusedError reports that a datagram was answered by ICMP port unreachable: no
// socket is bound there. It does not end the socket's use.
type RefusedError struct {
	// Addr is where the datagram was sent, never IPv4-mapped.
	Addr netip.AddrPort
	// Request is the beginning of the refused datagram, as much of it as the ICMP
	// message had; empty if unknown.
	Request []byte
}

// Error describes the refusal.
func (e *RefusedError) Error() string { return "udpio: " + e.Addr.String() + " refused a datagram" }

// Options configures a Socket. The zero value is good.
type Options struct {
	// RecvBuffer and SendBuffer ask for socket buffers of so many bytes; 0 leaves
	// the system's. The system may grant less: see Info.
	RecvBuffer, SendBuffer int

	// DisableOffload turns GSO and GRO off.
	DisableOffload bool

	// Control is called after the socket is made and before it is bound, as in
	// net.ListenConfig. Wrap ignores it.
	Control func(network, address string, c syscall.RawConn) error

	// ControlContext is the same with the context given to Listen or Connect; if
	// it is set, Control is ignored, as in net.Dialer. Wrap ignores it.
	ControlContext func(ctx context.Context, network, address string, c syscall.RawConn) error
}
