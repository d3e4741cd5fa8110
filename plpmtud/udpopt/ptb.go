package udpopt

import (
	"encoding/binary"
	"net/netip"
	"time"

	"pathmtu/plpmtud"
)

// PTB tells of an ICMP Packet Too Big message, or its IPv4 equivalent: the MTU
// that it claims, in bytes of IP packet, and the packet that it quotes, from the
// IP header on, as far as it goes. It reports whether the message was valid.
//
// A message counts only if the quoted packet came from this socket pair, by
// addresses and ports, and carries in a REQ the token of a probe sent within the
// MSL (RFC 9869 sections 5.2 and 8). Routers that quote no more than 8 bytes of
// IPv4 payload give nothing to check, so that their messages are ignored; so are
// those about datagrams with user data. A valid message never raises the PLPMTU.
func (e *Engine) PTB(now time.Time, mtu int, quote []byte) bool {
	if !e.config.Enabled || !e.running {
		return false
	}
	src, dst, token, ok := quotedProbe(quote)
	if ok && src == e.config.Local && dst == e.config.Remote {
		if _, ok = e.tokens.Sent(now, token); ok {
			e.counters.PTBUsed++
			e.path.Hint(now, plpmtud.Hint{Source: plpmtud.PacketTooBig, MTU: mtu})
			e.watch(now)
			return true
		}
	}
	e.counters.PTBBad++
	return false
}

// quotedProbe finds addresses, ports and the REQ token in the start of an IP
// packet. The probes of this package have neither IPv6 extension headers nor
// fragments.
func quotedProbe(q []byte) (src, dst netip.AddrPort, t Token, ok bool) {
	var from, to netip.Addr
	var head int
	switch {
	case len(q) >= 20 && q[0]>>4 == 4:
		head = int(q[0]&15) * 4
		if head < 20 || q[9] != protoUDP || binary.BigEndian.Uint16(q[6:])&0x1fff != 0 {
			return
		}
		from, to = netip.AddrFrom4([4]byte(q[12:16])), netip.AddrFrom4([4]byte(q[16:20]))
	case len(q) >= 40 && q[0]>>4 == 6:
		head = 40
		if q[6] != protoUDP {
			return
		}
		from, to = netip.AddrFrom16([16]byte(q[8:24])), netip.AddrFrom16([16]byte(q[24:40]))
	default:
		return
	}
	if len(q) < head+headerLen {
		return
	}
	u := q[head:]
	src = netip.AddrPortFrom(from, binary.BigEndian.Uint16(u[0:]))
	dst = netip.AddrPortFrom(to, binary.BigEndian.Uint16(u[2:]))
	length := int(binary.BigEndian.Uint16(u[4:]))
	if length < headerLen || length > len(u) {
		return
	}
	t, ok = quotedREQ(u[length:], length)
	return
}

// quotedREQ finds the REQ in the start of a surplus area. The OCS can't be
// checked, since the rest is missing.
func quotedREQ(surplus []byte, start int) (Token, bool) {
	i := start&1 + ocsLen
	for n := 0; i < len(surplus) && n < maxOptions; n++ {
		switch Kind(surplus[i]) {
		case EOL:
			return 0, false
		case NOP:
			i++
			continue
		case REQ:
			if len(surplus) < i+lenEcho || surplus[i+1] != lenEcho {
				return 0, false
			}
			return Token(binary.BigEndian.Uint32(surplus[i+2:])), true
		}
		size, _ := optionLen(surplus[i:])
		if size == 0 {
			return 0, false
		}
		i += size
	}
	return 0, false
}
