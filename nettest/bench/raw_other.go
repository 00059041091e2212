//go:build !linux

package main

import (
	"errors"
	"net"
)

func missingRaw() string { return "UDP segmentation offload is Linux's" }

func listenRaw(string, bool) (net.Listener, error) { return nil, errors.ErrUnsupported }

func dialRaw(string, bool) (net.Conn, error) { return nil, errors.ErrUnsupported }
