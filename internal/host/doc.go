// Package host is an IPv6 host in user space that answers what measurements
// ask: ICMPv6 echo, UDP echo, the Minimum Path MTU option (RFC 9268), and
// truncated packets (draft-leddy-6man-truncate). It has no socket, clock or
// goroutine: the caller hands it packets that are for one of its addresses,
// and sends what it returns.
//
//	echo request            echo reply of the same size
//	UDP to an echo port     the datagram back
//	UDP with option REQ     answered with RES (RFC 9869)
//	UDP to another port     Destination Unreachable, port
//	Neighbor Solicitation   Neighbor Advertisement (links with addresses only)
//	unknown option, header  as RFC 8200 asks: skip, discard, Parameter Problem
//	option 0x30 with R      the answer rides on the reply, or on an empty datagram
//	Truncated               discarded, Packet Too Big with the length that arrived
//
// Every checksum is verified before anything is answered or believed.
//
// Limits: no reassembly (fragments are dropped and counted), no Duplicate
// Address Detection, no multicast.
package host
