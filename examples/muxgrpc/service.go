package main

import (
	"context"
	"encoding/binary"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	serviceName = "udtgo.example.Numbers"
	readMethod  = "/" + serviceName + "/Read"

	blockSize = 32 << 10
	forever   = 0 // bytes to ask for
)

// numbers is a service that sends the numbers from 0 on, eight bytes each.
type numbers struct{}

type (
	readServer = grpc.ServerStreamingServer[wrapperspb.BytesValue]
	readClient = grpc.ServerStreamingClient[wrapperspb.BytesValue]
)

// A reader is what the service needs.
type reader interface {
	read(*wrapperspb.UInt64Value, readServer) error
}

// read sends so many bytes as were asked for.
func (numbers) read(request *wrapperspb.UInt64Value, stream readServer) error {
	size := request.GetValue()
	for at := uint64(0); size == forever || at < size; at += blockSize {
		block := content(at, blockSize)
		if size != forever {
			block = block[:min(size-at, blockSize)]
		}
		if err := stream.Send(wrapperspb.Bytes(block)); err != nil {
			return err // the caller has gone or has cancelled
		}
	}
	return nil
}

// content returns n bytes of what read sends, from a place on. Both are multiples
// of 8.
func content(at uint64, n int) []byte {
	b := make([]byte, 0, n)
	for i := at / 8; len(b) < n; i++ {
		b = binary.BigEndian.AppendUint64(b, i)
	}
	return b
}

// numbersService describes the service, as protoc would from
//
//	service Numbers { rpc Read(google.protobuf.UInt64Value) returns (stream google.protobuf.BytesValue); }
func numbersService() *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: serviceName,
		HandlerType: (*reader)(nil),
		Streams: []grpc.StreamDesc{{
			StreamName:    "Read",
			ServerStreams: true,
			Handler: func(service any, stream grpc.ServerStream) error {
				request := new(wrapperspb.UInt64Value)
				if err := stream.RecvMsg(request); err != nil {
					return err
				}
				return service.(reader).read(request, &grpc.GenericServerStream[wrapperspb.UInt64Value, wrapperspb.BytesValue]{ServerStream: stream})
			},
		}},
	}
}

// read calls the service.
func read(ctx context.Context, conn *grpc.ClientConn, size uint64) (readClient, error) {
	stream, err := conn.NewStream(ctx, &numbersService().Streams[0], readMethod)
	if err != nil {
		return nil, err
	}
	call := &grpc.GenericClientStream[wrapperspb.UInt64Value, wrapperspb.BytesValue]{ClientStream: stream}
	// An io.EOF says that the call has failed; Recv says why.
	if err := call.Send(wrapperspb.UInt64(size)); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return call, call.CloseSend()
}
