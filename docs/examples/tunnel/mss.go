package tunnel

import "encoding/binary"

const (
	protoTCP = 6
	flagSYN  = 2
)

// ClampMSS lowers the MSS that a TCP SYN announces to what fits into a packet
// of mtu bytes, and says whether it changed anything. pkt is a whole IP packet;
// anything else than an unfragmented SYN right behind the IP header is left as
// it is, and so is what makes no sense.
func ClampMSS(pkt []byte, mtu int) bool {
	tcp, headers := tcpHeader(pkt)
	if len(tcp) < 20 || tcp[13]&flagSYN == 0 {
		return false
	}
	end := int(tcp[12]>>4) * 4
	most := mtu - headers - 20
	if end < 20 || end > len(tcp) || most < 1 || most > 65535 {
		return false
	}
	for o := tcp[20:end]; len(o) > 0; {
		switch {
		case o[0] == 0: // end of options
			return false
		case o[0] == 1: // no operation
			o = o[1:]
			continue
		case len(o) < 2 || o[1] < 2 || int(o[1]) > len(o):
			return false
		case o[0] == 2 && o[1] == 4:
			return lower(tcp, end-len(o)+2, most)
		}
		o = o[o[1]:]
	}
	return false
}

// lower sets the MSS at tcp[at:], if it is larger, and mends the checksum.
func lower(tcp []byte, at, most int) bool {
	old := binary.BigEndian.Uint16(tcp[at:])
	if int(old) <= most {
		return false
	}
	binary.BigEndian.PutUint16(tcp[at:], uint16(most))
	was, is := uint32(old), uint32(most)
	if at%2 == 1 { // the two bytes lie in different words of the sum
		was, is = was>>8|was<<8&0xff00, is>>8|is<<8&0xff00
	}
	sum := uint32(^binary.BigEndian.Uint16(tcp[16:])) + ^was&0xffff + is // RFC 1624
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(tcp[16:], ^uint16(sum))
	return true
}

// tcpHeader returns the TCP segment of a packet and the length of what is
// before it, nil if there is none.
func tcpHeader(pkt []byte) ([]byte, int) {
	switch {
	case len(pkt) >= 20 && pkt[0]>>4 == 4:
		n := int(pkt[0]&15) * 4
		fragment := binary.BigEndian.Uint16(pkt[6:]) & 0x3fff // more fragments, or an offset
		if pkt[9] == protoTCP && fragment == 0 && n >= 20 && n <= len(pkt) {
			return pkt[n:], n
		}
	case len(pkt) >= 40 && pkt[0]>>4 == 6:
		if pkt[6] == protoTCP {
			return pkt[40:], 40
		}
	}
	return nil, 0
}
