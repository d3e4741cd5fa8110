package udpoptsock

import "encoding/binary"

// minICMP is the ICMP header; the quoted packet follows.
const minICMP = 8

// parsePTB reads an ICMPv4 "fragmentation needed" (RFC 1191) or an ICMPv6 Packet
// Too Big (RFC 4443 section 3.2): the MTU in bytes of IP packet, and the packet
// that it quotes. Of ICMPv4 the checksum is verified; the kernel has done so for
// ICMPv6.
func parsePTB(b []byte, six bool) (mtu int, quote []byte, ok bool) {
	if len(b) < minICMP {
		return 0, nil, false
	}
	if six {
		if b[0] != 2 {
			return 0, nil, false
		}
		n := binary.BigEndian.Uint32(b[4:])
		return int(min(n, 1<<16)), b[minICMP:], true
	}
	if b[0] != 3 || b[1] != 4 || checksum(b) != 0xffff {
		return 0, nil, false
	}
	return int(binary.BigEndian.Uint16(b[6:])), b[minICMP:], true
}

// checksum is the one's complement sum of RFC 1071.
func checksum(b []byte) uint16 {
	var sum uint32
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}
