package survey

import (
	"encoding/binary"
	"net/netip"
)

// Meaning is what an answer says about a probe.
type Meaning uint8

const (
	arrived     Meaning = iota // all of it, at the target
	tooBig                     // a router says that it was too large
	prohibited                 // somebody says that it isn't wanted
	unreachable                // somebody says that the target can't be reached
)

// Answer is a packet that came back, as far as it says something about a probe.
// It is plain data.
type Answer struct {
	target  number
	from    number
	meaning Meaning
	stamp   stamp
	genuine bool // the token was there and is right
	mtu     int  // that a tooBig names
	hop     uint8
	length  int     // of the quoted packet
	short   [8]byte // what is quoted of it, if not genuine
}

// Reader recognises answers. Each goroutine needs its own.
type Reader struct {
	tokens *tokens
	skip   int // attribution
	local  uint16
	port   uint16
}

// NewReader returns a Reader of answers to a survey's probes.
func NewReader(c Config) *Reader {
	n := 0
	if c.Attribution != "" {
		n = (len(c.Attribution) + 2) &^ 1
	}
	port := c.Port
	if port == 0 {
		port = DefaultPort
	}
	return &Reader{tokens: newTokens(c.Key), skip: n, local: c.LocalPort, port: port}
}

// ICMP reads an ICMP (v4) or ICMPv6 message that came from an address. b is the
// message without the IP header, perhaps cut short; length is how long it was.
// It returns false for what says nothing about a probe of ours.
func (r *Reader) ICMP(from netip.Addr, b []byte, length int) (Answer, bool) {
	from = unmap(from)
	v4 := from.Is4()
	if len(b) < icmpHeader || length < len(b) {
		return Answer{}, false
	}
	a := Answer{from: numberOf(from)}
	typ, code := b[0], b[1]
	if v4 && typ == echoReply4 || !v4 && typ == echoReply6 {
		if code != 0 || len(b) < icmpHeader+r.skip+tokenLen {
			return Answer{}, false
		}
		a.target = a.from
		a.stamp, a.genuine = r.tokens.open(b[icmpHeader+r.skip:], a.target)
		// A shorter answer doesn't prove that all of the probe arrived.
		return a, a.genuine && a.stamp.method == ICMP && length+ipHeader(v4) == int(a.stamp.size)
	}
	var ok bool
	if v4 {
		a.meaning, ok = meaning4(typ, code)
	} else {
		a.meaning, ok = meaning6(typ, code)
	}
	if !ok {
		return Answer{}, false
	}
	if a.meaning == tooBig {
		if v4 {
			a.mtu = int(binary.BigEndian.Uint16(b[6:]))
		} else {
			a.mtu = int(min(binary.BigEndian.Uint32(b[4:]), 1<<17))
		}
	}
	if v4 {
		ok = r.quote4(&a, b[icmpHeader:])
	} else {
		ok = r.quote6(&a, b[icmpHeader:])
	}
	if !ok {
		return Answer{}, false
	}
	if a.meaning == closed {
		a.meaning = prohibited
		if a.from == a.target && a.genuine && a.stamp.method != ICMP {
			a.meaning = arrived // the host itself read it, whatever else it wants
		}
	}
	return a, true
}

// closed is "port unreachable": from the target it is an answer, from others a
// refusal.
const closed Meaning = 255

func meaning4(typ, code byte) (Meaning, bool) {
	switch {
	case typ == 3 && code == 4:
		return tooBig, true
	case typ == 3 && code == 3:
		return closed, true
	case typ == 3 && (code == 9 || code == 10 || code == 13):
		return prohibited, true
	case typ == 3, typ == 11:
		return unreachable, true
	}
	return 0, false
}

func meaning6(typ, code byte) (Meaning, bool) {
	switch {
	case typ == 2:
		return tooBig, true
	case typ == 1 && code == 4:
		return closed, true
	case typ == 1 && (code == 1 || code == 5 || code == 6):
		return prohibited, true
	case typ == 1, typ == 3:
		return unreachable, true
	}
	return 0, false
}

func (r *Reader) quote4(a *Answer, b []byte) bool {
	if len(b) < 20 || b[0]>>4 != 4 {
		return false
	}
	header := int(b[0]&15) * 4
	if header < 20 || len(b) < header+8 || binary.BigEndian.Uint16(b[6:])&0x1fff != 0 {
		return false
	}
	a.target = numberOf(netip.AddrFrom4([4]byte(b[16:20])))
	a.length = int(binary.BigEndian.Uint16(b[2:])) - header + 20
	a.hop = hopOf(b[8])
	return r.quoted(a, b[9], b[header:])
}

func (r *Reader) quote6(a *Answer, b []byte) bool {
	if len(b) < 48 || b[0]>>4 != 6 {
		return false
	}
	a.target = numberOf(netip.AddrFrom16([16]byte(b[24:40])))
	if a.target.is4() {
		return false
	}
	a.length = int(binary.BigEndian.Uint16(b[4:])) + 40
	a.hop = hopOf(b[7])
	return r.quoted(a, b[6], b[40:])
}

// TTL is the TTL or hop limit of probes.
const TTL = 64

// hopOf returns how far the sender of an error is, from the TTL that it quotes:
// most routers quote what they received. 0: not known.
func hopOf(ttl byte) uint8 {
	if ttl < 1 || ttl > TTL {
		return 0
	}
	return TTL - ttl + 1
}

// quoted reads what follows the quoted IP header, at least 8 bytes.
func (r *Reader) quoted(a *Answer, proto byte, b []byte) bool {
	v4 := a.target.is4()
	a.short = [8]byte(b)
	at := 0
	switch {
	case proto == 1 && v4 && b[0] == echoRequest4, proto == 58 && !v4 && b[0] == echoRequest6:
		a.stamp.method = ICMP
		at = icmpHeader + r.skip
	case proto == 17 && binary.BigEndian.Uint16(b) == r.local:
		switch binary.BigEndian.Uint16(b[2:]) {
		case r.port:
			a.stamp.method, at = UDP, udpHeader+r.skip
		case portQUIC:
			a.stamp.method, at = QUIC, udpHeader+6
		case portDNS:
			a.stamp.method, at = DNS, udpHeader+dnsHeader+r.skip
		default:
			return false
		}
	default:
		return false
	}
	if len(b) >= at+tokenLen {
		s, ok := r.tokens.open(b[at:], a.target)
		if !ok || s.method != a.stamp.method || a.length != int(s.size) {
			return false
		}
		a.stamp, a.genuine = s, true
		return true
	}
	// Only a short quote of IPv4 is usual; the engine knows what it has to say.
	return v4
}

// Datagram reads a UDP payload that came from a port of an address.
func (r *Reader) Datagram(from netip.AddrPort, b []byte) (Answer, bool) {
	a := Answer{from: numberOf(unmap(from.Addr()))}
	a.target = a.from
	switch from.Port() {
	case portQUIC: // RFC 8999 section 6: version 0, connection IDs swapped
		if len(b) < 7+tokenLen || b[0]&0x80 == 0 || binary.BigEndian.Uint32(b[1:]) != 0 || b[5] != 0 || b[6] != tokenLen {
			return Answer{}, false
		}
		a.stamp, a.genuine = r.tokens.open(b[7:], a.target)
		return a, a.genuine && a.stamp.method == QUIC
	case portDNS: // it says nothing about the size: the engine knows what it has asked
		if len(b) < 12 || b[2]&0x80 == 0 {
			return Answer{}, false
		}
		a.stamp.method = DNS
		copy(a.short[:], b[:2])
		return a, true
	}
	return Answer{}, false
}
