// Package ip6test builds IPv6 packets for tests. Misuse panics.
package ip6test

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"pathmtu/internal/ip6"
)

// Addresses of the packets that this package builds.
var (
	Src = netip.MustParseAddr("2001:db8:1::1")
	Dst = netip.MustParseAddr("2001:db8:3::1")
)

// Ports of the TCP and UDP packets that this package builds.
const (
	SrcPort = 5000
	DstPort = 5001
)

// Ext is an extension header; the first byte of Body is filled in by Packet.
type Ext struct {
	Type uint8
	Body []byte
}

// HopByHop is a Hop-by-Hop Options header.
func HopByHop(opts ...ip6.OptionSpec) Ext { return options(ip6.ProtoHopByHop, opts) }

// DestOpts is a Destination Options header.
func DestOpts(opts ...ip6.OptionSpec) Ext { return options(ip6.ProtoDestOpts, opts) }

func options(typ uint8, opts []ip6.OptionSpec) Ext {
	b, err := ip6.AppendOptionsHeader(nil, 0, opts...)
	if err != nil {
		panic(err)
	}
	return Ext{typ, b}
}

// Raw is an extension header of the given option bytes, as they are: their
// length must be 6 more than a multiple of 8.
func Raw(typ uint8, opts ...byte) Ext {
	n := len(opts) + 2
	if n%8 != 0 {
		panic(fmt.Sprintf("ip6test: header of %d bytes", n))
	}
	return Ext{typ, append([]byte{0, uint8(n/8 - 1)}, opts...)}
}

// Fragment is a Fragment header; offset is in bytes, a multiple of 8.
func Fragment(offset int, more bool) Ext {
	b := make([]byte, 8)
	v := uint16(offset)
	if more {
		v |= 1
	}
	binary.BigEndian.PutUint16(b[2:], v)
	binary.BigEndian.PutUint32(b[4:], 0x1234abcd)
	return Ext{ip6.ProtoFragment, b}
}

// Routing is a Routing header with the addresses in wire order.
func Routing(typ, left uint8, addrs ...netip.Addr) Ext {
	b := []byte{0, uint8(2 * len(addrs)), typ, left, 0, 0, 0, 0}
	if typ == 4 {
		b[4] = uint8(len(addrs) - 1)
	}
	for _, a := range addrs {
		raw := a.As16()
		b = append(b, raw[:]...)
	}
	return Ext{ip6.ProtoRouting, b}
}

// AH is an Authentication Header with an integrity check value of 12 bytes.
func AH() Ext {
	b := make([]byte, 24)
	b[1] = 4
	return Ext{ip6.ProtoAH, b}
}

// UDP is a UDP datagram with n bytes of payload, checksum zero.
func UDP(n int) []byte {
	b := ports(make([]byte, 8+n))
	binary.BigEndian.PutUint16(b[4:], uint16(8+n))
	fill(b[8:])
	return b
}

// TCP is a TCP segment with n bytes of payload, checksum zero.
func TCP(n int) []byte {
	b := ports(make([]byte, 20+n))
	binary.BigEndian.PutUint32(b[4:], 0x01020304)
	b[12], b[13] = 5<<4, 0x18
	binary.BigEndian.PutUint16(b[14:], 0xffff)
	fill(b[20:])
	return b
}

// Echo is an ICMPv6 echo request with n bytes of data, checksum zero.
func Echo(n int) []byte {
	b := make([]byte, 8+n)
	b[0] = ip6.TypeEchoRequest
	binary.BigEndian.PutUint16(b[4:], 0x4242)
	fill(b[8:])
	return b
}

func ports(b []byte) []byte {
	binary.BigEndian.PutUint16(b, SrcPort)
	binary.BigEndian.PutUint16(b[2:], DstPort)
	return b
}

// fill writes bytes whose sum depends on where they stand.
func fill(b []byte) {
	for i := range b {
		b[i] = byte(i*7 + i>>8 + 1)
	}
}

// Packet is a whole packet of the extension headers in the given order and the
// upper-layer packet, from Src to Dst. A checksum is set where ip6 can.
func Packet(upper uint8, payload []byte, exts ...Ext) ip6.Packet {
	var chain []byte
	next := upper
	for i := len(exts) - 1; i >= 0; i-- {
		h := append([]byte(nil), exts[i].Body...)
		h[0] = next
		next = exts[i].Type
		chain = append(h, chain...)
	}
	n := len(chain) + len(payload)
	if n > 0xffff {
		panic(fmt.Sprintf("ip6test: payload of %d bytes", n))
	}
	b := ip6.AppendHeader(nil, ip6.Fields{FlowLabel: 0x12345, NextHeader: next, HopLimit: 64, Src: Src, Dst: Dst}, n)
	b = append(append(b, chain...), payload...)
	p, err := ip6.Parse(b)
	if err != nil {
		panic(err)
	}
	p.SetChecksum(ip6.Unlimited)
	return p
}

// Sized is Packet with the upper-layer packet that build makes so long that
// the whole packet has n bytes.
func Sized(n int, upper uint8, build func(int) []byte, exts ...Ext) ip6.Packet {
	fixed := len(Packet(upper, build(0), exts...))
	if n < fixed {
		panic(fmt.Sprintf("ip6test: packet of %d bytes, headers are %d", n, fixed))
	}
	return Packet(upper, build(n-fixed), exts...)
}

// Clone is a copy of p.
func Clone(p ip6.Packet) ip6.Packet { return append(ip6.Packet(nil), p...) }
