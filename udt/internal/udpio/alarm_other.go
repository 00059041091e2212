//go:build !linux || udtnooffload

package udpio

import (
	"errors"
	"time"
)

// An Alarm is a timer for waits that are too short for those of the runtime.
type Alarm struct{}

// NewAlarm returns errors.ErrUnsupported: there is nothing better here.
func NewAlarm() (*Alarm, error) { return nil, errors.ErrUnsupported }

// Set is never called.
func (*Alarm) Set(time.Duration) {}

// Wait is never called.
func (*Alarm) Wait() error { return errors.ErrUnsupported }

// Close is never called.
func (*Alarm) Close() error { return nil }
