package nettest_test

import (
	"net"
	"testing"

	"github.com/udtgo/udtgo/nettest"
)

// Kernel TCP is what the contract describes, so it satisfies every row but those where sharing a socket or a gentler
// Close makes another transport differ.
func TestDropInTCP(t *testing.T) {
	nettest.TestDropIn(t, listenTCP, nettest.DropInOptions{
		Network: "tcp4",
		Skip: map[string]string{
			"row26": "a kernel connection has a descriptor of its own",
			"row01_unread_data_at_close_does_not_destroy_the_answer": "the kernel answers unread data with a reset",
		},
		Listen:     func(addr net.Addr) (net.Listener, error) { return net.Listen("tcp4", addr.String()) },
		DialSilent: silentTCP(t),
	})
}
