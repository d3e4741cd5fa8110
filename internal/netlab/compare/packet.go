package compare

import (
	"encoding/binary"
	"errors"

	"pathmtu/hbh"
	"pathmtu/internal/ip6"
)

// Ports of the flow.
const (
	sourcePort = 5000
	destPort   = 5001
)

// The UDP payload: a sequence number, a token that only the two ends know, and
// in acknowledgements the size of what arrived.
const (
	headLen  = 12
	plainLen = ip6.HeaderLen + 8 + headLen // smallest packet
	doLen    = 8                           // Destination Options header with one truncation option
)

type head struct {
	seq   uint32
	token uint64
}

// datagram builds a packet of size bytes, 60 or more.
func datagram(fromSource bool, size int, h head) ip6.Packet {
	f := ip6.Fields{NextHeader: ip6.ProtoUDP, HopLimit: 64, Src: sourceAddr, Dst: destAddr}
	sp, dp := uint16(sourcePort), uint16(destPort)
	if !fromSource {
		f.Src, f.Dst, sp, dp = f.Dst, f.Src, dp, sp
	}
	n := size - ip6.HeaderLen
	b := ip6.AppendHeader(make([]byte, 0, size+hbh.HeaderLen+doLen), f, n)
	b = binary.BigEndian.AppendUint16(b, sp)
	b = binary.BigEndian.AppendUint16(b, dp)
	b = binary.BigEndian.AppendUint16(b, uint16(n))
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint32(b, h.seq)
	b = binary.BigEndian.AppendUint64(b, h.token)
	b = b[:size]
	p := ip6.Packet(b)
	p.SetChecksum(ip6.Limits{})
	return p
}

// withOption puts the packet behind a Hop-by-Hop header.
func withOption(p ip6.Packet, o hbh.Option) (ip6.Packet, error) {
	return ip6.AppendInserted(nil, p, 6, ip6.HeaderLen, ip6.ProtoHopByHop, o.AppendHeader(nil, 0))
}

var errNotOurs = errors.New("compare: not a datagram of the flow")

// parse reads a datagram that arrived whole: its checksum must be good.
func parse(p ip6.Packet) (head, error) {
	up, problem := p.FindUpper(ip6.Limits{})
	if problem.Reason != ip6.NoProblem || up.Proto != ip6.ProtoUDP || p.Checksum(ip6.Limits{}) != ip6.ChecksumGood {
		return head{}, errNotOurs
	}
	return headAt(p, up.Off)
}

// quoted reads the datagram that an ICMPv6 error quotes.
func quoted(p ip6.Packet) (head, error) {
	up, problem := p.FindUpper(ip6.Limits{})
	if problem.Reason != ip6.NoProblem || up.Proto != ip6.ProtoUDP || p.Src() != sourceAddr || p.Dst() != destAddr {
		return head{}, errNotOurs
	}
	return headAt(p, up.Off)
}

func headAt(p ip6.Packet, off int) (head, error) {
	if len(p) < off+8+headLen {
		return head{}, errNotOurs
	}
	b := p[off+8:]
	return head{seq: binary.BigEndian.Uint32(b), token: binary.BigEndian.Uint64(b[4:])}, nil
}
