//go:build linux

package link

import (
	"fmt"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pump carries packets between the two TUN devices. It does so for both
// directions in one thread: to write a packet is to run the receiver's half of
// the kernel's network stack, so the answer is there when write returns and
// nobody need be woken for it.
type pump struct {
	stop  *event
	begin time.Time
	err   error // valid when run has ended

	mu    sync.Mutex // never held during a wait
	lanes [2]lane    // by the side they come from
	tun   [2]int
}

func newPump(c Config, a, b int, stop *event) *pump {
	return &pump{stop: stop, begin: time.Now(), tun: [2]int{A: a, B: b}, lanes: [2]lane{A: newLane(c.Forward), B: newLane(c.Reverse)}}
}

func (p *pump) now() int64 { return int64(time.Since(p.begin)) }

// run works until the stop event is set or a device fails.
func (p *pump) run() {
	// The thread is not given back: it ends with its special priority.
	runtime.LockOSThread()
	hurry()
	for {
		wait, err := p.work()
		if err == nil {
			var stopped bool
			if stopped, err = p.wait(wait); err == nil && !stopped {
				continue
			}
		}
		p.err = err
		return
	}
}

// work takes in what has come and puts out what is due. It returns how long
// there is nothing to do unless something comes: at most idle.
func (p *pump) work() (wait time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	wait = idle
	for side := range p.lanes {
		more, err := p.takeIn(Side(side))
		if err != nil {
			return 0, err
		}
		if more {
			wait = 0
		}
	}
	for side := range p.lanes {
		wait = min(wait, p.putOut(Side(side)))
	}
	return wait, nil
}

// takeIn reads packets, and reports whether there may be more.
func (p *pump) takeIn(from Side) (more bool, err error) {
	lane := &p.lanes[from]
	for range atOnce {
		n, errno := call(unix.SYS_READ, p.tun[from], lane.buffer())
		switch errno {
		case 0:
			lane.accept(p.now(), n)
		case unix.EAGAIN:
			return false, nil
		case unix.EINTR:
		default:
			return false, fmt.Errorf("link: reading a TUN device: %w", errno)
		}
	}
	return true, nil
}

// putOut writes the packets that are due, and returns when the next one will be.
func (p *pump) putOut(from Side) time.Duration {
	lane := &p.lanes[from]
	for {
		packet, arrives := lane.next()
		if packet == nil {
			return idle
		}
		if now := p.now(); arrives > now {
			return time.Duration(arrives - now)
		}
		// ENOBUFS, or a device that is going down: the packet is lost, as
		// in a host that has no memory for it.
		call(unix.SYS_WRITE, p.tun[1-from], packet)
		lane.arrived(p.now())
	}
}

// idle is the longest wait of the pump.
const idle = 100 * time.Millisecond

// wait returns when a packet has come, after the given time, or when the pump is
// to stop.
func (p *pump) wait(limit time.Duration) (stopped bool, err error) {
	fds := [...]unix.PollFd{
		{Fd: int32(p.tun[A]), Events: unix.POLLIN},
		{Fd: int32(p.tun[B]), Events: unix.POLLIN},
		{Fd: int32(p.stop.fd), Events: unix.POLLIN},
	}
	timeout := unix.NsecToTimespec(int64(limit))
	_, _, errno := unix.RawSyscall6(unix.SYS_PPOLL,
		uintptr(unsafe.Pointer(&fds[0])), uintptr(len(fds)), uintptr(unsafe.Pointer(&timeout)), 0, 0, 0)
	if errno != 0 && errno != unix.EINTR {
		return false, fmt.Errorf("link: poll: %w", errno)
	}
	return errno == 0 && fds[2].Revents != 0, nil
}

// call reads or writes a file that does not block. It does not tell the
// scheduler, and neither does wait: a goroutine that comes back from a system
// call may have to queue for a processor, for up to tenths of a second when the
// others are busy. So the pump keeps one of GOMAXPROCS to itself.
func call(number uintptr, fd int, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall(number, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	return int(n), errno
}

func (p *pump) stats(from Side) Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	lane := &p.lanes[from]
	lane.advance(p.now())
	return lane.meter.stats(lane.path)
}

func (p *pump) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.lanes {
		now := p.now()
		p.lanes[i].advance(now)
		p.lanes[i].meter = meter{begin: now, now: now}
	}
}

// hurry has this thread woken on time: it needs little of the processor, but
// needs it when a packet is due, whatever the two ends are doing. Where that is
// not allowed the link is less punctual, which Stats shows.
func hurry() {
	unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	err := unix.SchedSetAttr(0, &unix.SchedAttr{
		Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Flags: unix.SCHED_FLAG_RESET_ON_FORK, Priority: 1,
	}, 0)
	if err != nil {
		unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), -20)
	}
}

// event is something that happens once and that poll can wait for.
type event struct{ fd int }

func newEvent() (*event, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("link: eventfd: %w", err)
	}
	return &event{fd}, nil
}

func (e *event) set() error {
	_, err := unix.Write(e.fd, []byte{1, 0, 0, 0, 0, 0, 0, 1})
	return err
}

func (e *event) close() error { return unix.Close(e.fd) }
