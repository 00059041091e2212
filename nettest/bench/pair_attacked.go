package main

import (
	"context"
	"fmt"
	"maps"
)

// RunAttacked is Run with a third process, the attacker, which watches from before the
// client begins and works until both ends have done the work: then it stops, and they
// report. If closed, its packets go to a closed port.
func (p *Pair) RunAttacked(ctx context.Context, closed bool) (PairResult, error) {
	var r PairResult
	limit := seconds(p.Client.Timeout)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done within %v", limit))
	defer cancel()
	jobs := *p
	jobs.Server.Role, jobs.Client.Role = "server", "client"
	server, err := StartChild(ctx, jobs.Server)
	if err != nil {
		return r, err
	}
	defer server.Wait()
	if jobs.Client.Addr, err = server.Listening(ctx); err != nil {
		return r, err
	}
	j := jobs.Client
	j.Role, j.Extra = "attacker", maps.Clone(j.Extra)
	if closed {
		j.Extra["closed"] = 1
	}
	attacker, err := StartChild(ctx, j)
	if err != nil {
		return r, err
	}
	defer attacker.Wait()
	if _, err = attacker.Listening(ctx); err != nil {
		return r, err
	}
	client, err := StartChild(ctx, jobs.Client)
	if err != nil {
		return r, err
	}
	defer client.Wait()
	if _, err = client.next(ctx, "moved"); err != nil {
		return r, withServerError(err, server)
	}
	if _, err = server.next(ctx, "moved"); err != nil {
		return r, err
	}
	attacker.Stop()
	a, err := attacker.Result(ctx)
	if err != nil {
		return r, err
	}
	server.Stop()
	if r.Server, err = server.Result(ctx); err != nil {
		return r, err
	}
	client.Stop()
	if r.Client, err = client.Result(ctx); err != nil {
		return r, err
	}
	if !closed {
		end := r.Server
		if j.Extra["at_sender"] != 0 {
			end = r.Client
		}
		r.Attack = newAttack(a, end, j.Contender == udtProtected.Name)
	}
	return r, nil
}
