// Package udpopt implements UDP Options (RFC 9868), and Datagram Packetization
// Layer Path MTU Discovery over them (RFC 9869). It does no I/O: packets are
// byte slices, time is passed in, and randomness comes from a reader. Package
// udpoptsock puts it on sockets.
//
// UDP Options live in the surplus area: what an IP packet holds beyond the UDP
// Length. Receivers that know nothing of them see an ordinary datagram.
//
//	IP header | UDP header |   user data   |         surplus area          |
//	          |<-------- UDP Length ------>|                               |
//	          |<------------------- IP payload --------------------------->|
//	                       |<-- PL size: what PLPMTU and MDS count ------->|
//
//	surplus area:  [0]  OCS OCS  Kind Length value ...  Kind Length value ...  EOL 0 0 0 ...
//	                |      |
//	                |      +-- Internet checksum over the area and its length
//	                +--------- one zero byte, if the user data end at an odd offset
//
// A probe is a datagram without user data that is padded to the size in question:
//
//	UDP Length 8 | OCS OCS | 06 06 token token token token | 00 00 00 ... 00
//	                         REQ                             EOL, padding
//
// and the answer is a small one, or one with data, that echoes the token:
//
//	UDP Length 8 | OCS OCS | 07 06 token token token token
//	                         RES
//
// # Parts
//
// AppendDatagram and the other Append functions encode. Receive takes a packet
// apart and says what to do with it, as RFC 9868 section 14 has it: user data are
// delivered whatever is wrong with the options, and options are believed all or
// not at all. Parse is the part of it that reads a surplus area. A Splitter cuts
// datagrams into UDP fragments, and a Reassembler puts them together within
// bounds.
//
// Tokens issues the tokens of probes and recognises them; a Responder answers
// the probes of any number of peers, within a rate. An Engine joins them and a
// plpmtud.Path: it is DPLPMTUD for one socket pair.
//
// # What the standard leaves open
//
//   - DPLPMTUD is off, and no REQ is answered, until the application enables it.
//   - An option that runs past the surplus area makes all options be ignored
//     (section 10, and the verified erratum 8834 on section 14).
//   - Bytes after EOL are checked to be zero, which section 11.1 allows; options
//     are ignored otherwise.
//   - A FRAG option whose Frag. Start lies outside the packet, or before the end of
//     the option, is malformed.
//   - A datagram of one fragment is sent with Frag. Offset 0, and accepted with 0
//     or 8. Nested fragments are refused.
//   - Any overlap of fragments that is not an exact repetition ends the reassembly,
//     also for fragments still to come.
//   - More than 32 options other than NOP are too many (section 25.3).
//   - The peer's MDS bounds the search only if it comes beside an RES that answers
//     a token of ours, and not below BASE_PLPMTU.
//   - An RES that has to wait for the rate limit is sent late, with the newest
//     token, rather than dropped.
//   - Probes of this package carry no application data in any state; sections 4.3
//     and 4.5 would allow it for two of the three kinds.
//
// Layers that encrypt are better off with DPLPMTUD of their own above this one
// (RFC 9869 section 8); two layers must not probe at the same time.
package udpopt
