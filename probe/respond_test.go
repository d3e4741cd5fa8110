package probe

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/net/dns/dnsmessage"

	"pathmtu/internal/ip6"
	"pathmtu/plpmtud/udpopt"
)

// respond is what a server of the method's protocol answers to a probe, as its
// RFC says; nil: nothing. It knows nothing of tokens.
func respond(m Method, v6 bool, b []byte) []byte {
	switch m.Name() {
	case "icmp":
		b = append([]byte(nil), b...)
		b[0] = 0
		if v6 {
			b[0] = 129
		}
		return b
	case "quic":
		return respondQUIC(b)
	case "dns":
		return respondDNS(b)
	case "stun":
		return respondSTUN(b)
	case "ntp":
		return respondNTP(b)
	case "tcp":
		if b[13]&0x17 == 0x10 {
			return respondDuplicate(b)
		}
		return respondTCP(b)
	case "udpopt":
		return respondUDPOptions(b, v6)
	case "hbh", "truncate":
		return respondEcho6(b)
	}
	return nil
}

// respondUDPOptions: RFC 9868 section 11.7, RFC 9869 section 4.2.
func respondUDPOptions(b []byte, v6 bool) []byte {
	header, src, dst := 20, netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
	if v6 {
		header, src, dst = 40, netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
	}
	r := udpopt.Receive(src, dst, b[header:])
	token, ok := r.Options.REQ()
	if !ok || r.Do != udpopt.Deliver || len(r.UserData) > 0 {
		return nil
	}
	u, err := udpopt.AppendDatagram(nil, netip.AddrPortFrom(dst, r.DstPort), netip.AddrPortFrom(src, r.SrcPort), nil, udpopt.AppendRES(nil, token), 0)
	if err != nil {
		return nil
	}
	return append(Target{Addr: src, Source: dst}.appendIP(nil, protoUDP, len(u)), u...)
}

// respondEcho6 answers as a kernel does that knows neither option: RFC 4443 section
// 4.2, RFC 8200 section 4.2.
func respondEcho6(b []byte) []byte {
	p, err := ip6.Parse(b)
	if err != nil {
		return nil
	}
	u, problem := p.FindUpper(ip6.Limits{})
	if problem.Reason != ip6.NoProblem || u.Proto != ip6.ProtoICMPv6 || p[u.Off] != echoRequest6 || p.Checksum(ip6.Limits{}) != ip6.ChecksumGood {
		return nil
	}
	m := p[u.Off:]
	f := ip6.Fields{NextHeader: ip6.ProtoICMPv6, HopLimit: 64, Src: p.Dst(), Dst: p.Src()}
	return ip6.AppendEcho(nil, f, echoReply6, binary.BigEndian.Uint16(m[4:]), binary.BigEndian.Uint16(m[6:]), m[8:])
}

// respondQUIC: RFC 9000 section 5.2.2 and 6.1, RFC 8999 section 6.
func respondQUIC(b []byte) []byte {
	if len(b) < 1200 || b[0]&0x80 == 0 || binary.BigEndian.Uint32(b[1:]) == 0 {
		return nil
	}
	dcid := b[6 : 6+b[5]]
	at := 6 + int(b[5])
	scid := b[at+1 : at+1+int(b[at])]
	out := []byte{0x9a, 0, 0, 0, 0, byte(len(scid))}
	out = append(out, scid...)
	out = append(out, byte(len(dcid)))
	out = append(out, dcid...)
	return append(out, 0, 0, 0, 1, 0xda, 0x5a, 0x9a, 0x3a)
}

// respondDNS answers REFUSED, and repeats the question in capitals.
func respondDNS(b []byte) []byte {
	var msg dnsmessage.Message
	if msg.Unpack(b) != nil || msg.Response || len(msg.Questions) != 1 || len(msg.Additionals) != 1 {
		return nil
	}
	for i, c := range msg.Questions[0].Name.Data {
		if c >= 'a' && c <= 'z' {
			msg.Questions[0].Name.Data[i] = c - 32
		}
	}
	msg.Additionals = nil
	msg.Response, msg.RCode = true, dnsmessage.RCodeRefused
	out, err := msg.Pack()
	if err != nil {
		return nil
	}
	return out
}

// respondNTP: RFC 5905 section 9.2, RFC 7822 section 3.
func respondNTP(b []byte) []byte {
	if len(b) < 48+28 || b[0]&7 != 3 || len(b)%4 != 0 || int(binary.BigEndian.Uint16(b[50:])) != len(b)-48 {
		return nil
	}
	out := make([]byte, 48)
	out[0] = b[0]&0x38 | 4
	copy(out[24:], b[40:48])
	return out
}

// respondTCP: RFC 9293 section 3.10.7: a reset from a closed port.
func respondTCP(b []byte) []byte {
	if len(b) < 20 || b[13]&0x17 != 2 {
		return nil
	}
	out := make([]byte, 20)
	copy(out, b[2:4])
	copy(out[2:], b[:2])
	seq := binary.BigEndian.Uint32(b[4:])
	binary.BigEndian.PutUint32(out[8:], seq+1+uint32(len(b)-int(b[12]>>4)*4))
	out[12], out[13] = 5<<4, 0x14
	return out
}

// respondDuplicate acknowledges a segment of data that came before (RFC 9293
// section 3.10.7.4) and says which (RFC 2883 section 4).
func respondDuplicate(b []byte) []byte {
	header := int(b[12]>>4) * 4
	out := make([]byte, 20, 32)
	copy(out, b[2:4])
	copy(out[2:], b[:2])
	copy(out[4:], b[8:12])
	binary.BigEndian.PutUint32(out[8:], connectionNext)
	out[12], out[13] = 8<<4, 0x10
	seq := binary.BigEndian.Uint32(b[4:])
	out = append(out, 1, 1, 5, 10)
	out = binary.BigEndian.AppendUint32(out, seq)
	return binary.BigEndian.AppendUint32(out, seq+uint32(len(b)-header))
}

// connectionNext is the sequence number that the simulated host expects.
const connectionNext = 1000

// synAck is how the simulated host accepts a connection, with these options.
func synAck(options ...byte) []byte {
	b := make([]byte, 20, 40)
	binary.BigEndian.PutUint16(b, 80)
	binary.BigEndian.PutUint16(b[2:], 4711)
	binary.BigEndian.PutUint32(b[4:], 0xffffffff)
	binary.BigEndian.PutUint32(b[8:], connectionNext)
	b[12], b[13] = byte((20+len(options))/4<<4), 0x12
	binary.BigEndian.PutUint16(b[14:], 64240)
	return append(b, options...)
}

// respondSTUN: RFC 8489 section 6.3: a success response with the mapped address,
// and attributes of the comprehension-optional range ignored.
func respondSTUN(b []byte) []byte {
	if len(b) < 20 || len(b)%4 != 0 || binary.BigEndian.Uint16(b) != 1 || int(binary.BigEndian.Uint16(b[2:])) != len(b)-20 {
		return nil
	}
	for rest := b[20:]; len(rest) > 0; {
		if len(rest) < 4 || binary.BigEndian.Uint16(rest) < 0x8000 {
			return nil
		}
		n := 4 + (int(binary.BigEndian.Uint16(rest[2:]))+3)/4*4
		if n > len(rest) {
			return nil
		}
		rest = rest[n:]
	}
	out := append([]byte{1, 1, 0, 12}, b[4:20]...)
	return append(out, 0, 0x20, 0, 8, 0, 1, 1, 2, 3, 4, 5, 6)
}
