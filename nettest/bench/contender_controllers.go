package main

import "github.com/udtgo/udtgo/udt"

// The stream with each congestion controller by name.
var (
	udtNative = controlled("udt-native", "UDT's own rate control", udt.NewNative)
	udtCTCP   = controlled("udt-ctcp", "the draft's TCP-like controller", udt.NewCTCP)
	udtCubic  = controlled("udt-cubic", "CUBIC with HyStart++", udt.NewCubic)
	udtBBR    = controlled("udt-bbr", "BBRv3 as drafted", udt.NewBBR)
	udtLEDBAT = controlled("udt-ledbat", "LEDBAT++, which yields", udt.NewLEDBAT)
)

func controlled(name, note string, controller func() udt.CongestionControl) *Contender {
	c := udtContender(name, note, func(c *udt.Config) { c.CongestionControl = controller })
	c.Usual = []string{"bulk"}
	return c
}
