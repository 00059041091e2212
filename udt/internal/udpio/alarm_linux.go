//go:build !udtnooffload

package udpio

import (
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An Alarm is a timer for waits that are too short for those of the runtime, which
// fire up to a millisecond late in an idle process. It is a timerfd that is read
// through the runtime's poller.
type Alarm struct {
	file *os.File
	raw  syscall.RawConn
}

// NewAlarm returns an Alarm that is not set. Where there is nothing better than the
// runtime's timers the error is errors.ErrUnsupported.
func NewAlarm() (*Alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	file := os.NewFile(uintptr(fd), "timerfd")
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, err
	}
	return &Alarm{file: file, raw: raw}, nil
}

// Set makes Wait return in d from now, which replaces what was set before. It may be
// called while another goroutine waits.
func (a *Alarm) Set(d time.Duration) {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(max(d, 1)))} // zero would disarm it
	_ = a.raw.Control(func(fd uintptr) { _ = unix.TimerfdSettime(int(fd), 0, &spec, nil) })
}

// Wait waits until the time that was set has come. After Close it returns an error.
func (a *Alarm) Wait() error {
	var expirations uint64
	_, err := a.file.Read(unsafe.Slice((*byte)(unsafe.Pointer(&expirations)), 8))
	return err
}

// Close ends Wait.
func (a *Alarm) Close() error { return a.file.Close() }
