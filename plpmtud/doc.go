// Package plpmtud discovers and keeps the largest datagram that a path carries,
// as RFC 8899 (DPLPMTUD) describes, for any protocol over UDP or another
// datagram service.
//
// # Contract
//
// A Path is a state machine without I/O: it opens no socket, starts no
// goroutine, reads no clock, draws no randomness and allocates nothing after
// New. The caller passes the time and sends the probes. One sentence organises
// everything: a hint may change what is probed next, or lower what is used now;
// only an acknowledged probe raises the size in use.
//
//	         ┌──────────┐ Start(confirmed < BASE)   ┌──────┐
//	New ───► │ DISABLED │ ────────────────────────► │ BASE │ ◄─────────────┐
//	         └──────────┘                           └──┬───┘               │
//	              ▲  MIN lost too                 ack  │   │ MAX_PROBES    │
//	           ┌──┴────┐ ◄─────────────────────────────┼───┘ lost          │ black hole,
//	           │ ERROR │                               ▼                   │ PTB below
//	           └──┬────┘ BASE acknowledged    ┌───────────┐                │ PLPMTU
//	              └─────────────────────────► │ SEARCHING │ ───────────────┤
//	                    Start(confirmed) ───► └──┬────────┘                │
//	                                nothing left │    ▲ PMTU_RAISE_TIMER   │
//	                                worth a probe▼    │                    │
//	                                    ┌─────────────────┐                │
//	                                    │ SEARCH_COMPLETE │ ───────────────┘
//	                                    └─────────────────┘
//
// # Use
//
// Create a Path for each pair of addresses, call Start when the peer was
// reached, and then, whenever a datagram could be sent and at the time that Next
// names, Poll. Send what Poll returns as one padded datagram that must not be
// fragmented (package udpsock knows how, per operating system) and report what
// became of it by Acked or Lost. Use datagrams of up to PLPMTU bytes, or MPS
// bytes of the layer's own payload. Report the layer's own packets by
// PacketAcked and PacketLost, so that black and grey holes are noticed, and
// validated messages of others by Hint. Packages udpecho and udpopt are two
// complete users; udppath is the socket for one of your own.
//
// # Units
//
// A PL size is what the packetization layer hands down in one datagram, for
// UDP the payload, in bytes. An MTU is a whole IP packet. Config.Overhead is the
// difference, and the only conversion.
//
// # Congestion control
//
// RFC 8899 section 3 asks of the caller: a lost probe is no congestion signal;
// the congestion window in bytes must not grow because the PLPMTU does; a window
// that counts packets should be scaled when the PLPMTU changes. Probes count
// against the window like other packets; ask Poll only when one may be sent.
//
// # Limits
//
// A path whose members carry different MTUs packet by packet has no single
// PLPMTU; the Path notices that sizes come and go, and retreats (ERROR). A hole
// in the path is only seen by what is sent into it: an application that has
// stopped sending large datagrams is told by a probe, at the raise timer, or, if
// the layer is Unacknowledged, at the confirmation timer. Jumbograms (RFC 2675)
// are out of scope.
package plpmtud
