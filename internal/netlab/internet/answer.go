package internet

import (
	"encoding/binary"
	"time"
)

// arrive: the whole packet is at the host.
func (w *World) arrive(t *trip) {
	if t.fragment {
		return // hosts reassemble; nobody here sends fragments
	}
	b := t.pkt[t.upper:]
	switch {
	case t.proto == protoICMP && !t.v6, t.proto == protoICMPv6 && t.v6:
		w.arriveICMP(t, b)
	case t.proto == protoUDP:
		w.arriveUDP(t, b)
	default:
		w.protocolUnreachable(t)
	}
}

func (w *World) arriveICMP(t *trip, b []byte) {
	h := &t.host
	request, reply := byte(8), byte(0)
	if t.v6 {
		request, reply = 128, 129
	}
	if len(b) < 8 || t.sum(b).Fold() != 0xffff {
		w.stats.Malformed++
		return
	}
	if b[0] != request || b[1] != 0 || !h.Echo || h.EchoMax != 0 && len(t.pkt) > h.EchoMax {
		return
	}
	if h.EchoLimited && !w.limits.take(t.now, uint64(h.draws), 3, time.Second) {
		w.stats.Limited++
		return
	}
	w.echo(t, reply, b)
}

// echo sends back what came. An IPv4 answer lacks DF.
func (w *World) echo(t *trip, reply byte, b []byte) {
	h := &t.host
	size := t.ipHeader() + len(b)
	if size > h.Reverse && t.v6 {
		return // nobody tells the scanner
	}
	if w.lost() {
		return
	}
	if size <= h.Reverse {
		p := w.packet(t, h.RTT, t.dst, t.replyTTL(), t.icmp(), len(b))
		copy(p, b)
		w.echoHeader(t, p, reply)
		return
	}
	// Router by router, fragments of at most the way back's MTU.
	whole := append([]byte(nil), b...)
	w.echoHeader(t, whole, reply)
	most := (h.Reverse - 20) &^ 7
	for off := 0; off < len(whole); off += most {
		part := whole[off:min(off+most, len(whole))]
		p := w.packet(t, h.RTT, t.dst, t.replyTTL(), protoICMP, len(part))
		copy(p, part)
		w.setFragment(off, off+len(part) < len(whole))
	}
}

// echoHeader turns an echo request into the reply. The checksum differs by
// that of the type: the addresses of the pseudo-header only change places.
func (w *World) echoHeader(t *trip, p []byte, reply byte) {
	request := p[0]
	p[0] = reply
	sum := uint32(^binary.BigEndian.Uint16(p[2:]))
	sum += uint32(reply)<<8 + (0xffff - uint32(request)<<8)
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	binary.BigEndian.PutUint16(p[2:], ^uint16(sum))
}

func (w *World) arriveUDP(t *trip, b []byte) {
	h := &t.host
	if len(b) < udpHeader || int(binary.BigEndian.Uint16(b[4:])) != len(b) {
		w.stats.Malformed++
		return
	}
	if ck := binary.BigEndian.Uint16(b[6:]); (ck != 0 || t.v6) && t.sum(b).Fold() != 0xffff {
		w.stats.Malformed++
		return
	}
	payload := b[udpHeader:]
	switch port := binary.BigEndian.Uint16(b[2:]); {
	case port == 443 && h.QUIC:
		w.versionNegotiation(t, payload)
	case port == 53 && h.DNS:
		w.dns(t, payload)
	case h.ClosedPort:
		w.portUnreachable(t)
	}
}

// versionNegotiation answers a long header of an unknown version, in a
// datagram of at least 1200 bytes (RFC 9000 section 5.2.2, RFC 8999 section 6).
func (w *World) versionNegotiation(t *trip, q []byte) {
	const least = 1200
	if len(q) < least || q[0]&0x80 == 0 {
		return
	}
	version := binary.BigEndian.Uint32(q[1:])
	dcid := int(q[5])
	if version == 0 || version == 1 || 6+dcid+1 > len(q) {
		return
	}
	scid := int(q[6+dcid])
	if dcid > 20 || scid > 20 || 7+dcid+scid > len(q) || w.lost() {
		return
	}
	n := 7 + dcid + scid + 8
	p := w.datagram(t, n)
	p[0] = 0x80 | byte(w.chance)
	clear(p[1:5])
	p[5] = byte(scid)
	copy(p[6:], q[7+dcid:7+dcid+scid])
	p[6+scid] = byte(dcid)
	copy(p[7+scid:], q[6:6+dcid])
	binary.BigEndian.PutUint32(p[7+dcid+scid:], 1)
	binary.BigEndian.PutUint32(p[11+dcid+scid:], 0x6b3343cf) // version 2, RFC 9369
	w.finishUDP(t)
}

// dns refuses any query (RFC 1035).
func (w *World) dns(t *trip, q []byte) {
	const header, refused = 12, 5
	if len(q) < header || q[2]&0x80 != 0 || w.lost() {
		return
	}
	p := w.datagram(t, header)
	copy(p, q[:2])
	p[2], p[3] = 0x80|q[2]&0x79, refused
	clear(p[4:])
	w.finishUDP(t)
}

// datagram begins an answer of n bytes by UDP; finishUDP ends it.
func (w *World) datagram(t *trip, n int) []byte {
	b := w.packet(t, t.host.RTT, t.dst, t.replyTTL(), protoUDP, udpHeader+n)
	q := t.pkt[t.upper:]
	copy(b, q[2:4])
	copy(b[2:], q[:2])
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)))
	b[6], b[7] = 0, 0
	return b[udpHeader:]
}

func (w *World) finishUDP(t *trip) {
	b := w.upper
	ck := t.sum(b).Checksum() // addresses only change places
	if ck == 0 {
		ck = 0xffff
	}
	binary.BigEndian.PutUint16(b[6:], ck)
}
