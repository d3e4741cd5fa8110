// Package router decides what an IPv6 router does with one packet: forward it
// (changed in place), drop it, answer it with an ICMPv6 error, or leave it to
// the router's own host. It has no socket, clock, goroutine or randomness: the
// caller passes packets and the time, and sends what [Router.Forward] returns.
//
// In this order a packet is
//
//	validated            RFC 8200, RFC 4291 (addresses that must not be forwarded)
//	looked up            longest prefix match in a Table
//	checked              hop limit (Time Exceeded), scope, point-to-point loops
//	processed            Hop-by-Hop options, as RFC 9673 asks, by the policy of the
//	                     ingress interface; Min-PMTU is lowered (RFC 9268) here, when
//	                     the egress MTU is known
//	fitted               too big: cut (draft-leddy-6man-truncate) or Packet Too Big
//	sent                 hop limit less one
//
// Forward allocates nothing. A Router belongs to one goroutine; a [Table] is
// immutable and may be shared.
//
// Limits: one next hop for each prefix; unicast only (multicast goes to the
// router's own host); no Redirect messages (RFC 4861 section 8 makes them a
// SHOULD); the only Hop-by-Hop option that is processed is 0x30, so that a
// Router Alert can be skipped or discarded, and never reaches a control plane.
package router
