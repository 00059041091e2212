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

// draft draws the numbers of a new connection. It is an error if the endpoint closes.
// Config.CongestionControl is the user's, so it is called before the lock is taken.
func (e *Endpoint) draft(config *Config, local, remote netip.AddrPort, rendezvous bool) (*connDraft, error) {
	d := &connDraft{
		connParams: connParams{endpoint: e, mode: config.Mode, local: local, addr: remote, coarse: config.DisableFineTimer},
		core:       config.core(remote, rendezvous),
	}
	d.keepAlivePeriod = max(d.core.KeepAlivePeriod, 0)
	if d.keepAlivePeriod == 0 {
		d.keepAlivePeriod = defaultKeepAlivePeriod
	}
	d.linger = d.core.Linger
	d.core.Memory, d.core.Pressure = &e.memory, &e.memory
	d.core.Controller = config.controller()
	d.core.SocketBuffer = e.share.buffer

	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing {
		return nil, net.ErrClosed
	}
	d.id = e.newIDLocked()
	d.core.LocalID = d.id
	d.core.InitialNumber = uint32(e.random.Uint64()) & wire.NumberMask
	if config.initialNumber != nil {
		d.core.InitialNumber = *config.initialNumber
	}
	d.core.Rand = e.newRandLocked()
	return d, nil
}
