// Package hbh is the IPv6 Minimum Path MTU Hop-by-Hop Option of RFC 9268, for
// hosts and for routers: its codec, the router's rewrite in place, and the
// host's engine of asking and answering.
//
//	 0                   1                   2                   3
//	|  type 0x30   | length 4     |        Min-PMTU (16)         |
//	|         Rtn-PMTU (15 most significant bits)             |R |
//
// A host sends the option with Min-PMTU set to the MTU of its link. Every
// router on the path lowers it to the MTU of the link that it forwards to. The
// receiver returns what arrived in Rtn-PMTU, when the R flag asked for it.
//
// The reported size is a hint: it can be stale, forged, or too large when some
// router does not take part. This package gives it as a plain number, the size
// of a whole IP packet in bytes; the caller hands it to the state machine that
// probes (plpmtud.Hint), where only an acknowledged probe raises the size in
// use.
//
// # Files
//
//   - option.go: the codec; historical.go: layouts of early drafts, decode only.
//   - observe.go: what a received packet says.
//   - router.go: [Rewrite], after the route is known.
//   - flow.go, host.go: [Flow] is the state of one flow, [Host] a bounded table
//     of flows with one budget. Neither reads a clock or a socket.
//
// The sub-package hbhsock carries the option over sockets; nothing here
// imports it.
//
// # Limits
//
// Unicast only; multicast is left for later by RFC 9268 section 1. Packets
// over 65 535 bytes are not covered.
package hbh
