// Package udpoptsock runs DPLPMTUD over UDP Options (RFC 9868, RFC 9869) on real
// sockets. The protocol is in package udpopt, which does no I/O.
//
// A UDP socket can't send a datagram with a surplus area, nor see one: the kernel
// delivers what UDP Length says and cuts off the rest. So a raw socket, which
// needs CAP_NET_RAW, goes beside it:
//
//	          Conn: net.Conn          Listener: net.PacketConn
//	              |                          |
//	  +-----------+-----------+              |
//	  | udpopt.Engine, clock  |       udpopt.Responder
//	  +--+--------+--------+--+         |         |
//	     |        |        |            |         |
//	   UDP      raw UDP  raw ICMP      UDP     raw UDP
//	data as    what has  Packet Too   data    REQ in,
//	  ever    a surplus    Big                RES out
//	             area
//
// The UDP socket holds the port, so that the kernel sends no port unreachable,
// and does what a UDP socket does with datagrams that have no options; the kernel
// verifies their checksums, which a raw socket may see before they are computed.
// Datagrams with a surplus area come from the raw socket, and udpopt.Receive
// verifies them. Socket filters share the datagrams out, so that none comes
// twice, and keep other flows' traffic away from the raw sockets.
//
// Don't Fragment is set, and the kernel's cached path MTU put out of action, on
// every socket that sends (RFC 9869 section 3.2); IPv6 never fragments then.
//
// # What Linux does
//
// All of this was observed, and is checked by the tests:
//
//   - The UDP length may be less than the IP payload: the kernel trims the datagram
//     and delivers the user data. A peer that knows no options thus gets its data;
//     a probe reaches it as an empty datagram.
//   - Routers forward such packets, and quote them in a Packet Too Big up to 576
//     bytes over IPv4 and 1280 over IPv6: the REQ token is always in there.
//   - Options behind IPv6 extension headers are not processed here; the user data
//     is delivered.
//
// Only Linux is supported; elsewhere Dial and Listen return an error for which
// errors.Is with errors.ErrUnsupported holds.
package udpoptsock
