//go:build !linux

package main

import "errors"

func setCongestion(int, string) error { return errors.ErrUnsupported }

func missingCongestion(name string) string {
	if name == "" {
		return ""
	}
	return "TCP_CONGESTION is Linux's"
}
