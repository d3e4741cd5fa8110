package tunnel

import (
	"encoding/binary"
	"net"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

const (
	protoICMPv4  = 1
	protoICMPv6  = 58
	dontFragment = 0x40 // of byte 6
	quote4       = 548  // so that the message fits into 576 bytes
	quote6       = 1232 // and into 1280
)

// TooBig returns the packet that tells the sender of pkt that no more than mtu
// bytes get through: an ICMPv4 "fragmentation needed" (RFC 1191) or an ICMPv6
// Packet Too Big (RFC 4443). It returns nil where none may be sent: to a packet
// of IPv4 without DF or that is a fragment, to an ICMP error, to and from
// addresses that are not those of one host.
//
// It comes from the packet's own destination: an address that the sender
// expects behind the tunnel.
func TooBig(pkt []byte, mtu int) []byte {
	switch {
	case len(pkt) >= 20 && pkt[0]>>4 == 4:
		return tooBig4(pkt, mtu)
	case len(pkt) >= 40 && pkt[0]>>4 == 6:
		return tooBig6(pkt, mtu)
	}
	return nil
}

func tooBig4(pkt []byte, mtu int) []byte {
	n := int(pkt[0]&15) * 4
	src, dst := net.IP(pkt[12:16]), net.IP(pkt[16:20])
	if n < 20 || len(pkt) < n+8 || pkt[6]&dontFragment == 0 || pkt[6]&0x1f|pkt[7] != 0 || !oneHost(src) || !oneHost(dst) {
		return nil
	}
	if t := pkt[n]; pkt[9] == protoICMPv4 && t != byte(ipv4.ICMPTypeEcho) && t != byte(ipv4.ICMPTypeEchoReply) {
		return nil
	}
	body, err := (&icmp.Message{
		Type: ipv4.ICMPTypeDestinationUnreachable, Code: 4,
		Body: &icmp.PacketTooBig{MTU: mtu, Data: pkt[:min(len(pkt), quote4)]}, // 16 unused bits, then the MTU: the same bytes
	}).Marshal(nil)
	if err != nil {
		return nil
	}
	b := make([]byte, 20, 20+len(body))
	b[0], b[8], b[9] = 0x45, 64, protoICMPv4
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(body)))
	copy(b[12:], dst)
	copy(b[16:], src)
	binary.BigEndian.PutUint16(b[10:], checksum(b))
	return append(b, body...)
}

func tooBig6(pkt []byte, mtu int) []byte {
	src, dst := net.IP(pkt[8:24]), net.IP(pkt[24:40])
	if !oneHost(src) || !oneHost(dst) || mtu < 1280 {
		return nil
	}
	if pkt[6] == protoICMPv6 && (len(pkt) < 41 || pkt[40] < 128) { // below 128: errors
		return nil
	}
	body, err := (&icmp.Message{
		Type: ipv6.ICMPTypePacketTooBig,
		Body: &icmp.PacketTooBig{MTU: mtu, Data: pkt[:min(len(pkt), quote6)]},
	}).Marshal(icmp.IPv6PseudoHeader(dst, src))
	if err != nil {
		return nil
	}
	b := make([]byte, 40, 40+len(body))
	b[0], b[6], b[7] = 0x60, protoICMPv6, 64
	binary.BigEndian.PutUint16(b[4:], uint16(len(body)))
	copy(b[8:], dst)
	copy(b[24:], src)
	return append(b, body...)
}

// oneHost says whether an address can be that of a single host.
func oneHost(a net.IP) bool {
	return !a.IsUnspecified() && !a.IsMulticast() && !a.Equal(net.IPv4bcast)
}

func checksum(b []byte) uint16 {
	sum := uint32(0)
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
