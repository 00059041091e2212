// Package link emulates a long network path on one machine, for programs that
// know nothing of it. A [Link] is two network namespaces, a TUN device in each,
// and a loop in this process that carries IP packets between the devices with a
// rate, a delay, random loss and a queue for each direction. What runs in the
// namespaces uses the kernel's real sockets and the kernel's real TCP.
//
// It needs Linux, root, /dev/net/tun and the ip command. The TUN devices offer
// no segmentation offload, so the kernel cuts what senders hand over in one
// piece (TCP, and UDP with UDP_SEGMENT) into packets before the emulator sees
// them: queue and loss act on packets as on a real wire.
package link
