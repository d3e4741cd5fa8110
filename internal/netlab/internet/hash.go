package internet

import (
	"encoding/binary"
	"net/netip"
)

// mix is a bijection of 64-bit values in which every input bit reaches every
// output bit.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// draws is a source of values that depend on one address and the seed only.
type draws uint64

func drawsOf(seed uint64, a netip.Addr) draws {
	b := a.As16()
	hi, lo := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	return draws(mix(mix(seed+0x9e3779b97f4a7c15) + mix(hi+0x9e3779b97f4a7c15) ^ mix(lo)))
}

// what a value is drawn for.
const (
	drawExists = iota + 1
	drawTogether
	drawMTU
	drawHops
	drawBottleneck
	drawPTB
	drawLie
	drawClaim
	drawPTBLimited
	drawDouble
	drawWider
	drawQuote
	drawRTT
	drawEcho
	drawEchoLimited
	drawEchoCapped
	drawEchoCap
	drawClosedPort
	drawQUIC
	drawDNS
	drawReverse
	drawReverseMTU
	drawHopByHop
	drawUnreachable
	drawRouter
)

func (d draws) at(what uint64) uint64 { return mix(uint64(d) + what*0x9e3779b97f4a7c15) }

// holds is true with the probability p.
func (d draws) holds(what uint64, p float64) bool { return unit(d.at(what)) < p }

// between returns lo to hi, both included.
func (d draws) between(what uint64, lo, hi int) int {
	if hi <= lo {
		return lo
	}
	return lo + int(d.at(what)%uint64(hi-lo+1))
}

func unit(x uint64) float64 { return float64(x>>11) / (1 << 53) }

// network returns the address of the /24 or /48 that an address is in.
func network(a netip.Addr) netip.Addr {
	if a.Is4() {
		b := a.As4()
		b[3] = 0
		return netip.AddrFrom4(b)
	}
	b := a.As16()
	clear(b[6:])
	return netip.AddrFrom16(b)
}
