package main

import (
	"context"
	"errors"

	"github.com/udtgo/udtgo/nettest/bench/link"
)

// RunOver is Run over a link that it makes for it. The client is at the beginning of
// the link's Forward.
func (p *Pair) RunOver(ctx context.Context, c link.Config) (r PairResult, err error) {
	l, err := link.New(c)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	over := *p
	over.Server.Addr = l.Addr(link.B).String() + ":0"
	over.ServerPrefix, over.ClientPrefix = l.Command(link.B), l.Command(link.A)
	r, err = over.Run(ctx)
	forward, reverse := l.Stats()
	r.Link = &PairLink{forward, reverse}
	return r, err
}
