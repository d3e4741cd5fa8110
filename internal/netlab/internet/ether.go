package internet

import (
	"encoding/binary"
	"net"
	"net/netip"
	"time"

	"pathmtu/internal/ip6"
)

// The first router's addresses on the scanner's link. Its answers to others
// come from wherever the path says.
var (
	Gateway4 = netip.MustParseAddr("192.0.2.254")
	Gateway6 = netip.MustParseAddr("2001:db8:ffff::fe")
)

// Link-layer addresses, locally administered.
var (
	gatewayMAC = [6]byte{0x02, 0, 0x5e, 0, 0, 0xfe}
	scannerMAC = [6]byte{0x02, 0, 0x5e, 0, 0, 0x01}
)

// GatewayMAC returns the link-layer address of the first router.
func GatewayMAC() net.HardwareAddr { return gatewayMAC[:] }

const (
	etherHeader = 14
	etherIPv4   = 0x0800
	etherARP    = 0x0806
	etherIPv6   = 0x86dd
)

// ethernet puts what a World hands out into frames to the scanner.
type ethernet struct{ *Queue }

// Add implements Out.
func (e ethernet) Add(delay time.Duration, n int) []byte {
	f := e.Queue.Add(delay, etherHeader+n)
	copy(f, scannerMAC[:])
	copy(f[6:], gatewayMAC[:])
	f[12], f[13] = 0, 0 // seal knows
	return f[etherHeader:]
}

// frame hands a frame from the scanner to the World, or answers for the
// gateway that has to be found first.
func (w *World) frame(now time.Duration, f []byte, q *Queue) {
	if len(f) < etherHeader {
		return
	}
	switch p := f[etherHeader:]; binary.BigEndian.Uint16(f[12:]) {
	case etherARP:
		arp(p, q)
	case etherIPv6:
		if !solicited(p, q) {
			w.Handle(now, p, ethernet{q})
		}
	case etherIPv4:
		w.Handle(now, p, ethernet{q})
	}
}

// seal writes the type of what is in a frame.
func seal(f []byte) {
	typ := uint16(etherARP)
	switch f[etherHeader] >> 4 {
	case 4:
		typ = etherIPv4
	case 6:
		typ = etherIPv6
	}
	binary.BigEndian.PutUint16(f[12:], typ)
}

// arp answers a request for the gateway's link-layer address (RFC 826).
func arp(p []byte, q *Queue) {
	const length = 28
	if len(p) < length || string(p[:8]) != "\x00\x01\x08\x00\x06\x04\x00\x01" || netip.AddrFrom4([4]byte(p[24:28])) != Gateway4 {
		return
	}
	f := ethernet{q}.Add(0, length)
	copy(f, "\x00\x01\x08\x00\x06\x04\x00\x02")
	copy(f[8:], gatewayMAC[:])
	copy(f[14:], p[24:28])
	copy(f[18:], p[8:18])
}

// solicited answers a Neighbor Solicitation for the gateway (RFC 4861 section
// 7.2.4). Of what else goes to neighbours it keeps silent; it returns false for
// packets that go farther.
func solicited(p []byte, q *Queue) bool {
	const length = 40 + 32
	if len(p) < 40 {
		return true
	}
	dst := netip.AddrFrom16([16]byte(p[24:40]))
	if !dst.IsMulticast() && !dst.IsLinkLocalUnicast() && dst != Gateway6 {
		return false
	}
	if len(p) < 64 || p[6] != protoICMPv6 || p[7] != 255 || p[40] != 135 || netip.AddrFrom16([16]byte(p[48:64])) != Gateway6 {
		return true
	}
	b := ethernet{q}.Add(0, length)
	copy(b, []byte{0x60, 0, 0, 0, 0, 32, protoICMPv6, 255})
	a := Gateway6.As16()
	copy(b[8:], a[:])
	copy(b[24:], p[8:24])
	u := b[40:]
	copy(u, []byte{136, 0, 0, 0, 0xe0, 0, 0, 0}) // router, solicited, override
	copy(u[8:], a[:])
	u[24], u[25] = 2, 1 // target link-layer address
	copy(u[26:], gatewayMAC[:])
	s := ip6.Sum(0).Add(b[8:40]).Long(uint32(len(u))).Word(protoICMPv6).Add(u)
	binary.BigEndian.PutUint16(u[2:], s.Checksum())
	return true
}
