package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/udtgo/udtgo/mux"
	"github.com/udtgo/udtgo/udt"
)

// A client is a session with a server.
type client struct {
	session *mux.Session
}

// dial connects to a server's UDP address.
func dial(ctx context.Context, address string) (*client, error) {
	conn, err := (&udt.Dialer{Config: config}).DialContext(ctx, "udt", address)
	if err != nil {
		return nil, err
	}
	session, err := mux.Client(conn, nil)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &client{session}, nil
}

func (c *client) close() { c.session.Close() }

// conn returns a gRPC connection, which opens its stream when it is first used.
func (c *client) conn() (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///server", // the name means nothing: the session leads to one server only
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			stream, err := c.session.OpenStream(ctx)
			if err != nil {
				return nil, err
			}
			return stream, nil
		}),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
}

// health asks gRPC's health service.
func (c *client) health(ctx context.Context) (grpc_health_v1.HealthCheckResponse_ServingStatus, error) {
	conn, err := c.conn()
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	answer, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	return answer.GetStatus(), err
}

// readAll reads so many numbers in a call with a stream of its own, and checks each.
func (c *client) readAll(ctx context.Context, size uint64) error {
	conn, err := c.conn()
	if err != nil {
		return err
	}
	defer conn.Close()
	call, err := read(ctx, conn, size)
	if err != nil {
		return err
	}
	at := uint64(0)
	for {
		block, err := call.Recv()
		switch {
		case err == io.EOF && at == size:
			return nil
		case err == io.EOF:
			return fmt.Errorf("the answer ends after %d bytes of %d", at, size)
		case err != nil:
			return err
		case !bytes.Equal(block.GetValue(), content(at, blockSize)[:len(block.GetValue())]):
			return errors.New("the bytes received are not those that were sent")
		}
		at += uint64(len(block.GetValue()))
	}
}

// cancelled begins a call without end and cancels it, which ends it at both sides.
// The connection remains of use.
func (c *client) cancelled(ctx context.Context) error {
	conn, err := c.conn()
	if err != nil {
		return err
	}
	defer conn.Close()
	begun, cancel := context.WithCancel(ctx)
	defer cancel()
	call, err := read(begun, conn, forever)
	if err != nil {
		return err
	}
	if _, err := call.Recv(); err != nil {
		return err
	}
	cancel()
	for err == nil { // what has arrived already may come first
		_, err = call.Recv()
	}
	if status.Code(err) != codes.Canceled {
		return fmt.Errorf("a cancelled call ended with: %w", err)
	}
	_, err = grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	return err
}
