// Package truncate is IPv6 packet truncation as draft-leddy-6man-truncate
// describes it: a source marks a packet as eligible; a router that cannot
// forward it for its size cuts the tail off, marks it and forwards it; the
// destination discards what was cut and sends an ICMPv6 Packet Too Big whose
// MTU is the length that arrived.
//
//	source              router (link MTU 1500)          destination
//	Eligible, 9000 B -> Truncated, 1500 B            -> discards
//	                 <- Packet Too Big 1500 (revision T1)
//	                 <- Packet Too Big 1500, from the destination itself
//
// All options stand in a Destination Options header:
//
//	Eligible    | type | 0 |                                       act 00
//	Truncated   | type | 0 |                                       act 10
//	Enhanced    | type | 3 | original payload length 16 | T 1 | reserved 7 |   act 10, T0 only
//
// # Revisions
//
// T1 is the text of 2018-10-10 (revision -05 of the draft) and the default. T0
// is the text of 2018-09-28: it has the Enhanced option, requires that the
// checksum is repaired, and its routers send no Packet Too Big beside the
// truncated packet. IANA never assigned the option types, so they are
// configurable; see [Codes].
//
// # Parts
//
//   - option.go, scan.go: codec, and what the options of a packet add up to.
//   - router.go: [Router.Plan] and [Plan.Apply], for packets that do not fit.
//   - source.go, enhanced.go: when and how [Source] marks a packet.
//   - peer.go: whether marking makes sense for a destination.
//   - notice.go: the source's check of the errors that come back.
//   - destination.go: [Destination].
//
// A validated notice is a plain number, the size of a whole IP packet in
// bytes; the caller hands it to the state machine that probes (plpmtud.Hint).
// Nothing here reads a clock, opens a socket or starts a goroutine.
//
// # Limits
//
// The router repairs the checksums of TCP, UDP and ICMPv6. It cannot repair
// SCTP's CRC, nor the integrity check of ESP, AH or QUIC; a destination that
// knows the option discards such packets before that matters.
package truncate
