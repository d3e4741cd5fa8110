// Package tunnel is a UDP tunnel that never breaks the path MTU discovery of
// what it carries.
//
//	 TCP ──► TUN device ──► Tunnel ──► udpecho ──► UDP socket ──► outer path
//	          MTU = MPS ◄──── │ ◄────── OnChange
//	ICMP Packet Too Big ◄──── │ a packet larger than MPS
//	  MSS in SYN lowered ──── │ in both directions
//
// Three things keep inner hosts from sending what the outer path does not
// carry: the device's MTU follows the MPS of the outer path, so that the kernel
// answers for most packets; a packet that is larger nevertheless, because the
// device serves several peers or the path has just shrunk, is answered with an
// inner Packet Too Big; and the MSS of TCP handshakes is clamped, which also
// helps inner hosts that hear no ICMP.
//
// A TCP connection keeps the MSS of its handshake: one that begins before the
// outer path is known stays small. So the tunnel greets its peer as soon as it
// stands.
//
// # Limits
//
// One peer, no encryption: it is an example to read and to copy from. A packet
// of IPv6 needs a link of 1280 bytes; where the outer path leaves less to it
// than that, a tunnel has to fragment (RFC 2473, RFC 8200 section 5), which
// this one does not. A packet of IPv4 without DF that is too big is dropped.
package tunnel
