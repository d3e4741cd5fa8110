package rawsock

import (
	"encoding/binary"
	"net/netip"
)

const (
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58
	protoRaw    = 255 // flows of whole IP packets

	icmpHeaderLen = 8
	udpHeaderLen  = 8
)

// parseICMP reads an ICMP (v6: ICMPv6) message without its IP header. If it is
// an error, it returns what it quotes; ok is false for one that quotes too
// little to be matched with anything, or that is malformed. Slices point into b.
func parseICMP(v6 bool, b []byte) (e *ICMPError, ok bool) {
	if len(b) < icmpHeaderLen {
		return nil, false
	}
	e = &ICMPError{Type: b[0], Code: b[1]}
	if v6 {
		if b[0] < 1 || b[0] > 4 {
			return nil, false
		}
		if b[0] == 2 {
			e.MTU = int(min(binary.BigEndian.Uint32(b[4:]), 1<<31-1))
		}
		e.Quote, ok = parseQuote6(b[icmpHeaderLen:])
		return e, ok
	}
	switch b[0] {
	case 3, 11, 12:
	default:
		return nil, false
	}
	if b[0] == 3 && b[1] == 4 {
		e.MTU = int(binary.BigEndian.Uint16(b[6:]))
	}
	e.Quote, ok = parseQuote4(b[icmpHeaderLen:])
	return e, ok
}

// parseQuote4 reads a quoted IPv4 packet of at least header and 8 bytes (RFC 792).
func parseQuote4(b []byte) (Quote, bool) {
	if len(b) < 20 || b[0]>>4 != 4 {
		return Quote{}, false
	}
	header := int(b[0]&15) * 4
	if header < 20 || len(b) < header+8 || binary.BigEndian.Uint16(b[6:])&0x1fff != 0 {
		return Quote{}, false
	}
	q := Quote{
		Src: netip.AddrFrom4([4]byte(b[12:16])), Dst: netip.AddrFrom4([4]byte(b[16:20])),
		Proto: b[9], TTL: int(b[8]), Length: int(binary.BigEndian.Uint16(b[2:])),
	}
	if n := q.Length - header; n >= 0 && len(b) > header+n {
		b = b[:header+n] // what follows is an extension (RFC 4884), not the packet
	}
	return q, q.split(b[header:])
}

// parseQuote6 reads a quoted IPv6 packet without extension headers, which
// flows don't send.
func parseQuote6(b []byte) (Quote, bool) {
	if len(b) < 48 || b[0]>>4 != 6 {
		return Quote{}, false
	}
	q := Quote{
		Src: netip.AddrFrom16([16]byte(b[8:24])), Dst: netip.AddrFrom16([16]byte(b[24:40])),
		Proto: b[6], TTL: int(b[7]), Length: int(binary.BigEndian.Uint16(b[4:])) + 40,
	}
	if len(b) > q.Length {
		b = b[:q.Length]
	}
	return q, q.split(b[40:])
}

// split sets Transport and Payload from what follows the IP header.
func (q *Quote) split(b []byte) bool {
	if len(b) < 8 {
		return false
	}
	switch q.Proto {
	case protoUDP:
		q.Transport, q.Payload = b[:udpHeaderLen], b[udpHeaderLen:]
	case protoICMP, protoICMPv6, protoTCP:
		q.Payload = b
	default:
		return false
	}
	return true
}

// stripIPv4 returns what follows the IPv4 header that a raw socket delivers.
func stripIPv4(b []byte) ([]byte, bool) {
	if len(b) < 20 || b[0]>>4 != 4 {
		return nil, false
	}
	header := int(b[0]&15) * 4
	if header < 20 || len(b) < header {
		return nil, false
	}
	return b[header:], true
}
