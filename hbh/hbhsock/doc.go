// Package hbhsock carries the option of package hbh over sockets: on UDP
// datagrams, on ICMPv6 echo messages, and on any datagram that the caller
// builds itself, such as one with UDP Options (RFC 9868) behind its payload.
//
//	carrier             socket                     packet without application data
//	plain UDP           NewUDP(*net.UDPConn)       a datagram that the protocol on top ignores
//	UDP with options    OpenRaw(17, local)         a datagram of length 8 with REQ or RES behind it
//	ICMPv6 echo         OpenRaw(58, local)         echo request and reply
//
// The core stays free of sockets: a caller takes an option from
// [hbh.Flow.Poll] or [hbh.Flow.Outgoing], sends it here, and gives what is
// read here to [hbh.Flow.Received] after it has validated the packet.
//
// # Platform and privilege
//
// Linux only. Elsewhere every constructor returns [ErrUnsupported]. Receiving
// the option needs no privilege on a UDP socket. Sending it needs CAP_NET_RAW
// in the user namespace that owns the network namespace: Linux asks for it when
// a Hop-by-Hop header is attached. Raw sockets need it to be opened.
//
// The kernel answers echo requests itself, without the option; a host that
// wants to answer with it turns that off (net.ipv6.icmp.echo_ignore_all).
package hbhsock

import "errors"

// ErrUnsupported is returned where sockets cannot carry Hop-by-Hop options.
var ErrUnsupported = errors.New("hbhsock: Hop-by-Hop options on sockets are supported on Linux only")

// ErrPrivilege is wrapped by errors that CAP_NET_RAW would have prevented.
var ErrPrivilege = errors.New("hbhsock: attaching a Hop-by-Hop header needs CAP_NET_RAW")
