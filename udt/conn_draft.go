package udt

import (
	"net"
	"net/netip"

	"github.com/udtgo/udtgo/udt/internal/proto"
	"github.com/udtgo/udtgo/udt/internal/wire"
)

// A connDraft is what a connection will be made of, once its handshake has got so far.
type connDraft struct {
	connParams
	core proto.Config
}

// draft is draftLocked for who does not hold Endpoint.mu.
func (e *Endpoint) draft(config *Config, local, remote netip.AddrPort, rendezvous bool) (*connDraft, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing {
		return nil, net.ErrClosed
	}
	return e.draftLocked(config, local, remote, rendezvous), nil
}

// draftLocked draws the numbers of a new connection; Endpoint.mu must be held.
func (e *Endpoint) draftLocked(config *Config, local, remote netip.AddrPort, rendezvous bool) *connDraft {
	d := &connDraft{
		connParams: connParams{
			endpoint: e, id: e.newIDLocked(), mode: config.Mode, local: local, addr: remote, coarse: config.DisableFineTimer,
		},
		core: config.core(remote, rendezvous),
	}
	d.keepAlivePeriod = max(d.core.KeepAlivePeriod, 0)
	if d.keepAlivePeriod == 0 {
		d.keepAlivePeriod = defaultKeepAlivePeriod
	}
	d.linger = d.core.Linger
	core := &d.core
	core.LocalID = d.id
	core.InitialNumber = uint32(e.random.Uint64()) & wire.NumberMask
	if config.initialNumber != nil {
		core.InitialNumber = *config.initialNumber
	}
	core.Rand = e.newRandLocked()
	core.Memory, core.Pressure = &e.memory, &e.memory
	core.Controller = config.controller()
	core.SocketBuffer = e.share.buffer
	return d
}
