package cli

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"pathmtu/hbh"
	"pathmtu/internal/ip6"
	"pathmtu/plpmtud/udpopt"
	"pathmtu/truncate"
)

func (x *explainedIP) signal(kind string, mtu int, usable bool, format string, args ...any) {
	x.Signals = append(x.Signals, explainedSignal{Kind: kind, MTU: mtu, Usable: usable, Text: fmt.Sprintf(format, args...)})
}

// minPMTU says what the option of RFC 9268 means to the receiver.
func (d decoder) minPMTU(x *explainedIP, p ip6.Packet) {
	o := hbh.Observe(p, ip6.Unlimited)
	const kind = "min-pmtu"
	if o.Min > 0 {
		x.signal(kind, int(o.Min), true, "the links so far carry %d bytes (Min-PMTU)", o.Min)
	}
	if o.SmallMin > 0 {
		x.signal(kind, 0, false, "Min-PMTU below 1280: to be ignored (RFC 9268 section 5)")
	}
	if o.Rtn > 0 {
		x.signal(kind, int(o.Rtn), o.Rtn >= ip6.MinMTU, "the other direction carries %d bytes (Rtn-PMTU)%s", o.Rtn, belowMinimum(int(o.Rtn)))
	}
	if o.R {
		x.signal(kind, 0, true, "asks to be told what arrives (R)")
	}
	for _, c := range []struct {
		n    int
		text string
	}{
		{o.Count * min(1, max(0, o.Count-1)), "options 0x30 in one packet: the smallest Min-PMTU counts"},
		{o.BadLength, "options 0x30 of another length than 4: skipped as unknown"},
		{o.Misplaced, "options 0x30 outside a Hop-by-Hop header: ignored"},
		{o.Historical, "options 0x3e in a layout of an early draft"},
	} {
		if c.n > 0 {
			x.signal(kind, 0, false, "%d %s", c.n, c.text)
		}
	}
	if o.RtnDiffers {
		x.signal(kind, 0, false, "Rtn-PMTUs differ: none is believed")
	}
}

func belowMinimum(mtu int) string {
	if mtu < ip6.MinMTU {
		return ", below 1280: to be ignored"
	}
	return ""
}

func (d decoder) truncation(x *explainedIP, p ip6.Packet) {
	s := d.truncate.Scan(p)
	const kind = "truncation"
	switch {
	case s.Fault != truncate.NoFault:
		x.signal(kind, 0, false, "invalid, offset %d: %v (the destination reports it with Parameter Problem code 2)", s.Pointer, s.Fault)
	case s.Marked():
		x.signal(kind, p.TotalLen(), true, "cut by a router: the path carries %d bytes; the destination discards it and says so with a Packet Too Big", p.TotalLen())
	case s.Any():
		x.signal(kind, 0, true, "routers may cut it instead of dropping it")
	}
	if s.Misplaced > 0 {
		x.signal(kind, 0, false, "%d truncation options in the Hop-by-Hop header: no effect", s.Misplaced)
	}
}

// upper6 explains the upper layer of an IPv6 packet.
func (d decoder) upper6(x *explainedIP, p ip6.Packet, up ip6.Upper, depth int) {
	if up.Fragment() {
		x.Upper = fmt.Sprintf("fragment at %d of protocol %d", up.FragOffset, up.Proto)
		if up.FragOffset > 0 {
			return
		}
	}
	b := p[min(up.Off, len(p)):]
	switch up.Proto {
	case ip6.ProtoICMPv6:
		d.icmp6(x, p, b, depth)
	case ip6.ProtoUDP:
		d.udp(x, b, len(p) == p.TotalLen() && !up.Fragment())
	case ip6.ProtoTCP:
		pk := gopacket.NewPacket(b, layers.LayerTypeTCP, gopacket.NoCopy)
		if t, ok := pk.Layer(layers.LayerTypeTCP).(*layers.TCP); ok {
			d.tcp(x, t, 60)
		}
	case ip6.ProtoNoNext:
		x.Upper = "nothing (No Next Header)"
	default:
		x.Upper = fmt.Sprintf("protocol %d", up.Proto)
	}
}

func (d decoder) tcp(x *explainedIP, t *layers.TCP, headers int) {
	x.Upper = fmt.Sprintf("TCP %d > %d", t.SrcPort, t.DstPort)
	for _, o := range t.Options {
		if o.OptionType == layers.TCPOptionKindMSS && len(o.OptionData) == 2 {
			mss := int(binary.BigEndian.Uint16(o.OptionData))
			x.signal("mss", mss+headers, t.SYN, "accepts segments of %d bytes: packets of %d (MSS)", mss, mss+headers)
		}
	}
}

func (d decoder) udp(x *explainedIP, b []byte, whole bool) {
	if len(b) < 8 {
		return
	}
	x.Upper = fmt.Sprintf("UDP %d > %d, length %d", binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint16(b[4:]))
	if !whole {
		return
	}
	g, err := udpopt.ParseDatagram(b)
	if err != nil {
		x.Problems = append(x.Problems, err.Error())
		return
	}
	if len(g.Surplus) == 0 {
		return
	}
	start := int(binary.BigEndian.Uint16(b[4:]))
	opts, err := udpopt.Parse(g.Surplus, start, binary.BigEndian.Uint16(b[6:]))
	if err != nil {
		x.Problems = append(x.Problems, fmt.Sprintf("%d bytes behind the UDP datagram are no UDP Options: %v", len(g.Surplus), err))
		return
	}
	const kind = "udp-options"
	for o := range opts.All() {
		x.UDP = append(x.UDP, explainedOption{Type: int(o.Kind), Name: o.Kind.String(), Data: hex.EncodeToString(o.Data)})
		switch o.Kind {
		case udpopt.REQ:
			x.signal(kind, 0, true, "probe (REQ): the receiver answers that these %d bytes arrived", x.Length)
		case udpopt.RES:
			x.signal(kind, 0, true, "acknowledges a probe (RES)")
		case udpopt.MDS:
			if len(o.Data) == 2 {
				n := int(binary.BigEndian.Uint16(o.Data))
				x.signal(kind, n+48, true, "receives datagrams of %d bytes unfragmented (MDS)", n)
			}
		}
	}
}

func (d decoder) icmp6(x *explainedIP, p ip6.Packet, m []byte, depth int) {
	if len(m) < 8 {
		return
	}
	c := &explainedICMP{Type: int(m[0]), Code: int(m[1]), Text: layers.CreateICMPv6TypeCode(m[0], m[1]).String()}
	x.ICMP, x.Upper = c, "ICMPv6"
	e, err := ip6.ParseError(m)
	if err != nil {
		if m[0] < 128 {
			x.Problems = append(x.Problems, err.Error())
		}
		return
	}
	if depth < deepest {
		c.Quote = d.ipv6(e.Quote, depth+1)
	}
	switch e.Type {
	case ip6.TypePacketTooBig:
		d.tooBig(x, p, e)
	case ip6.TypeParameterProblem:
		c.Text += fmt.Sprintf(", pointer %d", e.Param)
		if at, ok := e.PointedAt(); ok {
			c.Text += fmt.Sprintf(" (byte 0x%02x of the quote)", e.Quote[at])
			if e.Code == ip6.CodeUnrecognizedOption && e.Quote[at] == d.truncate.Codes.Truncated {
				x.signal("truncation", 0, true, "the destination does not know the option Truncated Packet: a router has cut a packet on the way")
			}
		} else {
			c.Text += " (outside the quote)"
		}
	}
}

// tooBig judges a Packet Too Big as far as the packet itself allows.
func (d decoder) tooBig(x *explainedIP, p ip6.Packet, e ip6.ICMPError) {
	const kind = "packet-too-big"
	mtu, size := int64(e.Param), e.Quote.TotalLen()
	switch {
	case mtu < ip6.MinMTU:
		x.signal(kind, int(mtu), false, "MTU %d is below 1280: to be discarded (RFC 8201 section 4)", mtu)
	case mtu == int64(size) && p.Src() == e.Quote.Dst():
		x.signal(kind, int(mtu), true, "MTU %d, from the destination itself, which received %d bytes: a truncation notice", mtu, size)
	case mtu >= int64(size):
		x.signal(kind, int(min(mtu, 1<<31-1)), false, "MTU %d is not smaller than the quoted packet of %d bytes", mtu, size)
	default:
		x.signal(kind, int(mtu), true, "a packet of %d bytes did not fit: the next link carries %d", size, mtu)
	}
}

// ipv4 explains an IPv4 packet with what gopacket read.
func (d decoder) ipv4(n *layers.IPv4, pk gopacket.Packet, depth int) *explainedIP {
	df := n.Flags&layers.IPv4DontFragment != 0
	x := &explainedIP{Version: 4, Src: n.SrcIP.String(), Dst: n.DstIP.String(), Length: int(n.Length), HopLimit: int(n.TTL), DF: &df}
	if n.FragOffset != 0 || n.Flags&layers.IPv4MoreFragments != 0 {
		x.Upper = fmt.Sprintf("fragment at %d of protocol %v", int(n.FragOffset)*8, n.Protocol)
		return x
	}
	switch l := pk.TransportLayer().(type) {
	case *layers.TCP:
		d.tcp(x, l, 40)
	case *layers.UDP:
		x.Upper = fmt.Sprintf("UDP %d > %d, length %d", l.SrcPort, l.DstPort, l.Length)
	}
	i, ok := pk.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4)
	if !ok {
		return x
	}
	x.Upper = "ICMP"
	x.ICMP = &explainedICMP{Type: int(i.TypeCode.Type()), Code: int(i.TypeCode.Code()), Text: i.TypeCode.String()}
	quoted := i.LayerPayload()
	if depth < deepest && i.TypeCode.Type() != layers.ICMPv4TypeEchoRequest && i.TypeCode.Type() != layers.ICMPv4TypeEchoReply && len(quoted) >= 20 {
		q := gopacket.NewPacket(quoted, layers.LayerTypeIPv4, gopacket.NoCopy)
		if l, ok := q.NetworkLayer().(*layers.IPv4); ok {
			x.ICMP.Quote = d.ipv4(l, q, depth+1)
		}
	}
	if i.TypeCode == layers.CreateICMPv4TypeCode(layers.ICMPv4TypeDestinationUnreachable, layers.ICMPv4CodeFragmentationNeeded) {
		d.tooBig4(x, int(i.Seq))
	}
	return x
}

func (d decoder) tooBig4(x *explainedIP, mtu int) {
	const kind = "packet-too-big"
	size := 0
	if x.ICMP.Quote != nil {
		size = x.ICMP.Quote.Length
	}
	switch {
	case mtu == 0:
		x.signal(kind, 0, false, "no MTU given: from before RFC 1191")
	case mtu < 68:
		x.signal(kind, mtu, false, "MTU %d is below 68, which every IPv4 link carries", mtu)
	case size > 0 && mtu >= size:
		x.signal(kind, mtu, false, "MTU %d is not smaller than the quoted packet of %d bytes", mtu, size)
	default:
		x.signal(kind, mtu, true, "a packet of %d bytes did not fit: the next link carries %d", size, mtu)
	}
}
