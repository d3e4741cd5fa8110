// Package datapath moves IPv6 packets between network interfaces and a
// user-space router or host, many at a time and without an allocation for any
// of them.
//
// A [Port] is one interface. Three kinds exist on Linux:
//
//   - TUN: the packets of a virtual interface, without a link layer;
//   - AF_PACKET: Ethernet frames through a TPACKET_V3 receive ring and a
//     transmit ring shared with the kernel;
//   - AF_XDP: Ethernet frames taken before the kernel's stack by a small XDP
//     program, which can also forward the common packets by itself (see
//     [FastPath]).
//
// The kernel of the network namespace stays the control plane: it owns the
// addresses, answers and asks Neighbor Discovery, and holds the routing table.
// A port leaves Neighbor Discovery, multicast and packets to the kernel's own
// addresses to the kernel and takes everything else away from it, so that no
// packet is forwarded twice. [Neighbours] follows the kernel's neighbour table.
//
// Sockets are opened in the network namespace of the calling thread. A caller
// that wants another one locks its goroutine to a thread, enters the namespace
// and opens the ports there; later calls work from anywhere.
//
// Ports are not safe for concurrent use: one goroutine owns a port. Close is
// the exception; it may be called once, after that goroutine has stopped.
//
// Limits: one transmit queue and, for AF_XDP, one receive queue for each port.
// Frames that a sender's segmentation offload left unsegmented (GSO) can't be
// forwarded by AF_PACKET ports; they are counted in [Stats].GSO and dropped:
// switch tso and gso off at the sender. AF_XDP ports of a veth pair see
// checksums that the sender left to its offload as they are, unfinished; switch
// tx checksumming off at the sender.
package datapath
