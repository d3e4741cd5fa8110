//go:build linux

package netnstests

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/hbh"
	"pathmtu/internal/ip6"
	"pathmtu/internal/ip6/ip6test"
)

// odd is a packet that a router must treat as the rules say.
type odd struct {
	name    string
	opts    []byte // of the Hop-by-Hop header, with padding
	lowered []int  // offsets in the packet of Min-PMTU fields that become 1500
	strict  string // ICMPv6 type/code/pointer where malformed headers are dropped; "": forwarded
}

const silent = "dropped without an error"

// full is the option with Min-PMTU 9000, Rtn-PMTU 4242, R.
var full = []byte{0x30, 4, 0x23, 0x28, 0x10, 0x93}

func cat(parts ...[]byte) []byte { return slices.Concat(parts...) }

var nine = func() (b []byte) {
	for i := range 8 {
		b = append(b, 0x05+byte(i), 0)
	}
	return b
}()

var odds = []odd{
	{name: "R6 plain", opts: full, lowered: []int{44}},
	{name: "option not first", opts: cat([]byte{0x1e, 4, 1, 2, 3, 4}, []byte{1, 0}, full), lowered: []int{52}},
	{name: "padding before it", opts: cat([]byte{1, 0}, full, []byte{1, 4, 0, 0, 0, 0}), lowered: []int{46}},
	{name: "duplicates: each is lowered", opts: cat(full, []byte{1, 0}, full), lowered: []int{44, 52}},
	{name: "duplicate of which one is small", opts: cat(full, []byte{1, 0}, []byte{0x30, 4, 5, 0, 0, 0}), lowered: []int{44}},
	{name: "R5 Min 0", opts: []byte{0x30, 4, 0, 0, 0, 1}},
	{name: "R5 Min 600", opts: []byte{0x30, 4, 2, 0x58, 0, 1}},
	{name: "R4 Min equal", opts: []byte{0x30, 4, 5, 0xdc, 0, 1}},
	{name: "length 2", opts: []byte{0x30, 2, 0xff, 0xff, 1, 0}},
	{name: "length 3", opts: []byte{0x30, 3, 0xff, 0xff, 0, 0}},
	{name: "length 0", opts: []byte{0x30, 0, 1, 2, 0, 0}},
	{name: "length 6", opts: cat([]byte{0x30, 6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, []byte{1, 4, 0, 0, 0, 0})},
	{name: "overrun", opts: []byte{0x30, 40, 0x23, 0x28, 0, 1}, strict: "4/0/43"},
	{name: "overrun after the option", opts: cat(full, []byte{0x05, 200, 0, 0, 0, 0, 0, 0}), lowered: []int{44}, strict: "4/0/49"},
	{name: "type byte alone at the end", opts: []byte{0, 0, 0, 0, 0, 0x30}, strict: "4/0/47"},
	{name: "padding over 7 before it", opts: cat([]byte{1, 6, 0, 0, 0, 0, 0, 0}, full), strict: "4/10/42"},
	{name: "padding over 7 after it", opts: cat(full, []byte{1, 6, 0, 0, 0, 0, 0, 0}), lowered: []int{44}, strict: "4/10/48"},
	{name: "padding not zero", opts: cat([]byte{1, 1, 9, 0x05, 1, 0}, []byte{1, 0}, full), strict: silent},
	{name: "ninth option", opts: cat(nine, full)},
	{name: "unknown option that asks for a problem", opts: cat([]byte{0x9e, 0, 1, 0, 0, 0, 0, 0}, full), lowered: []int{52}},
	{name: "historical 0x3e", opts: []byte{0x3e, 4, 0x23, 0x28, 0x80, 0}},
}

// packet is the odd packet number i, from cli to srv.
func (o odd) packet(i int, src, dst netip.Addr) ip6.Packet {
	p := ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(20), ip6test.Raw(ip6.ProtoHopByHop, o.opts...))
	p.SetSrc(src)
	p.SetDst(dst)
	return number(p, i)
}

// number marks a UDP packet of ip6test by its source port.
func number(p ip6.Packet, i int) ip6.Packet {
	binary.BigEndian.PutUint16(p[upperOf(p).Off:], uint16(20000+i))
	p.SetChecksum(ip6.Unlimited)
	return p
}

// Malformed TLVs, duplicates, overruns, padding over 7, the option not first:
// each passes our routers as the rules say, byte by byte, and nothing else of
// the packet changes (R2, R4, R5, R6, P2, P3, P5, P11). Not behind TUN
// interfaces: there a kernel looks first, and drops some of them.
func TestSignalOddPackets(t *testing.T) {
	t.Parallel()
	for _, hop := range []string{hopAFPacket, hopAFXDP, hopXDP} {
		t.Run(hop, func(t *testing.T) {
			t.Parallel()
			ch := newSignalChain(t, []int{9000, 1500}, []string{hop}, "")
			srv, _ := ch.lab.Addr("srv", 6)
			w := newTap(t, ch.lab.Node("srv"), "to-r1")
			s := newSender(t, ch.lab.Node("cli"))
			for i, o := range odds {
				p := o.packet(i, ch.cli, srv)
				s.send(p)
				got := w.await(t, o.name, func(q tapped) bool { return !q.out && portOf(q.Packet) == 20000+i })
				want := ip6test.Clone(p)
				for _, off := range o.lowered {
					binary.BigEndian.PutUint16(want[off:], 1500)
				}
				require.Less(t, got.HopLimit(), want.HopLimit())
				want.SetHopLimit(got.HopLimit())
				assert.Equal(t, want, got.Packet, o.name)
			}
			// Misplaced: a Destination Options header is not looked at.
			p := ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(20), ip6test.Raw(ip6.ProtoDestOpts, full...))
			p.SetSrc(ch.cli)
			p.SetDst(srv)
			s.send(number(p, 900))
			got := w.await(t, "misplaced", func(q tapped) bool { return !q.out && portOf(q.Packet) == 20900 })
			assert.EqualValues(t, 9000, binary.BigEndian.Uint16(got.Packet[44:]))
		})
	}
}

// A router that is configured to drop malformed headers answers with the errors
// of RFC 4443 and RFC 8883, and still forwards what is only odd (P6, P11).
func TestSignalOddPacketsStrict(t *testing.T) {
	t.Parallel()
	ch := newSignalChainOver(t, []int{9000, 1500}, "")
	node := ch.lab.Node("r1")
	conf := ch.file(1, "datapath = \"afpacket\"\n[[port]]\nname = \"to-cli\"\ndrop-malformed = true\nmax-options = 20\n[[port]]\nname = \"to-srv\"\n")
	serve(t, node, ": forwarding", "router", "--config", conf)
	srv, _ := ch.lab.Addr("srv", 6)
	w, back := newTap(t, ch.lab.Node("srv"), "to-r1"), newTap(t, ch.lab.Node("cli"), "to-r1")
	s := newSender(t, ch.lab.Node("cli"))
	for i, o := range odds {
		if o.name == "ninth option" {
			o.strict = fmt.Sprintf("4/%d/58", ip6.CodeTooManyOptions)
		}
		s.send(o.packet(i, ch.cli, srv))
		if o.strict == "" {
			w.await(t, o.name, func(q tapped) bool { return !q.out && portOf(q.Packet) == 20000+i })
			continue
		}
		if o.strict == silent {
			s.send(number(odds[0].packet(i, ch.cli, srv), 500+i)) // once this one is there, the other would be
			w.await(t, o.name, func(q tapped) bool { return !q.out && portOf(q.Packet) == 20500+i })
		} else {
			back.await(t, o.name, func(q tapped) bool {
				e, err := ip6.ParseErrorPacket(q.Packet, ip6.Limits{})
				return err == nil && !q.out && portOf(e.Quote) == 20000+i && o.strict == fmt.Sprintf("%d/%d/%d", e.Type, e.Code, e.Param)
			})
		}
		for _, q := range w.packets() {
			assert.NotEqual(t, 20000+i, portOf(q.Packet), "%s was forwarded", o.name)
		}
	}
}

// portOf is the UDP source port, 0 for other packets.
func portOf(p ip6.Packet) int {
	up := upperOf(p)
	if up.Proto != ip6.ProtoUDP || len(p) < up.Off+8 {
		return 0
	}
	return int(binary.BigEndian.Uint16(p[up.Off:]))
}

func upperOf(p ip6.Packet) ip6.Upper {
	up, _ := p.FindUpper(ip6.Unlimited)
	return up
}

// Every kind of packet that our hosts and routers send, captured on the wire, is
// read by tshark with the values that we read, all checksums good and nothing
// malformed; scapy reads the same option and computes the same checksums.
func TestSignalWire(t *testing.T) {
	t.Parallel()
	ch := newSignalChain(t, []int{9000, 1500}, []string{hopAFPacket}, "[truncate]\nenabled = true\n")
	ch.hostUp()
	cli := ch.lab.Node("cli")
	w := newTap(t, cli, "to-r1")
	far := newTap(t, ch.lab.Node("srv"), "to-r1")
	s := newSender(t, cli)
	u := carrier(t, cli, "["+ch.cli.String()+"]:5000")
	ask(t, u, 9000, ch.hostPort().String())                                          // request and answer
	require.True(t, pings(t, cli, ch.host.String(), "100"))                          // echo
	require.NoError(t, u.WriteTo(make([]byte, 3000), nil, ch.hostPort()))            // Packet Too Big of the router
	require.NoError(t, u.WriteTo([]byte("x"), nil, netip.AddrPortFrom(ch.host, 99))) // port unreachable
	build := func(upper uint8, body []byte, exts ...ip6test.Ext) ip6.Packet {
		p := ip6test.Packet(upper, body, exts...)
		p.SetSrc(ch.cli)
		p.SetDst(ch.host)
		p.SetChecksum(ip6.Limits{})
		return p
	}
	hopLimit := build(ip6.ProtoUDP, ip6test.UDP(20))
	hopLimit.SetHopLimit(1)
	s.send(hopLimit)                                                                               // Time Exceeded
	s.send(build(ip6.ProtoUDP, ip6test.UDP(20), ip6test.DestOpts(ip6.OptionSpec{Type: 0xa5})))     // Parameter Problem 2
	s.send(build(99, make([]byte, 20)))                                                            // Parameter Problem 1
	marked := build(ip6.ProtoUDP, ip6test.UDP(4000), ip6test.DestOpts(ip6.OptionSpec{Type: 0x1e})) // truncated: two Packets Too Big
	s.send(marked)
	errors := map[string]int{}
	require.Eventually(t, func() bool {
		clear(errors)
		for _, q := range w.packets() {
			if e, err := ip6.ParseErrorPacket(q.Packet, ip6.Limits{}); err == nil && !q.out {
				errors[fmt.Sprintf("%d/%d from host %v", e.Type, e.Code, q.Src() == ch.host)]++
			}
		}
		return len(errors) >= 6
	}, soonest, tick)
	assert.Equal(t, map[string]int{
		"1/4 from host true": 1, "2/0 from host false": 2, "2/0 from host true": 1,
		"3/0 from host false": 1, "4/1 from host true": 1, "4/2 from host true": 1,
	}, errors)
	far.await(t, "the truncated packet", func(q tapped) bool { return !q.out && len(q.Packet) == 1500 })

	var packets []ip6.Packet
	for _, q := range append(w.packets(), far.packets()...) {
		packets = append(packets, q.Packet)
	}
	rows := ip6test.Tshark(t, packets, "ipv6.plen", "ipv6.hlim", "ipv6.opt.pmtu.min", "ipv6.opt.pmtu.rtn", "ipv6.opt.pmtu.r_flag",
		"udp.checksum.status", "icmpv6.checksum.status", "icmpv6.type", "icmpv6.code", "icmpv6.mtu", "icmpv6.pointer", "_ws.malformed")
	withOption := 0
	for i, p := range packets {
		want := make([]string, 12)
		add := func(k int, v any) { want[k] = strings.TrimPrefix(want[k]+","+fmt.Sprint(v), ",") }
		e, err := ip6.ParseErrorPacket(p, ip6.Limits{})
		inner := []ip6.Packet{p}
		if err == nil {
			inner = append(inner, e.Quote)
		}
		for _, q := range inner { // tshark lists the fields of quoted packets too
			add(0, q.PayloadLen())
			add(1, q.HopLimit())
			if h, _, ok := q.HopByHop(ip6.Limits{}); ok {
				ow := h.Options(ip6.Limits{})
				if o, ok := ow.Next(); ok {
					v, err := hbh.FromOption(h.Type, o)
					require.NoError(t, err)
					add(2, v.Min)
					add(3, v.Rtn)
					add(4, map[bool]int{false: 0, true: 1}[v.R])
					withOption++
				}
			}
		}
		assert.Equal(t, want[:5], rows[i][:5], "packet %d: %x", i, []byte(p))
		assert.Empty(t, rows[i][11], "packet %d is malformed: %x", i, []byte(p))
		switch up := upperOf(p); {
		case err == nil:
			assert.Equal(t, "1", first(rows[i][6]), "packet %d: ICMPv6 checksum", i)
			assert.Equal(t, []string{fmt.Sprint(e.Type), fmt.Sprint(e.Code)}, []string{first(rows[i][7]), first(rows[i][8])})
			if e.Type == ip6.TypePacketTooBig {
				assert.Equal(t, fmt.Sprint(e.Param), rows[i][9])
			}
			if e.Type == ip6.TypeParameterProblem {
				assert.Equal(t, fmt.Sprint(e.Param), rows[i][10])
			}
		case up.Proto == ip6.ProtoUDP:
			assert.Equal(t, "1", rows[i][5], "packet %d: UDP checksum", i)
		case up.Proto == ip6.ProtoICMPv6:
			assert.Equal(t, "1", rows[i][6], "packet %d: ICMPv6 checksum", i)
		}
	}
	assert.GreaterOrEqual(t, withOption, 3, "request on both links, answer as it arrives")

	// scapy, asked to compute all lengths and checksums anew, writes the same
	// bytes.
	var script strings.Builder
	var kept []ip6.Packet
	for _, p := range packets {
		if up := upperOf(p); up.Proto != ip6.ProtoUDP || len(p) > 1500 {
			continue
		}
		kept = append(kept, p)
		fmt.Fprintf(&script, "p = IPv6(bytes.fromhex('%x'))\ndel p.plen, p[UDP].chksum, p[UDP].len\nshow(p)\n", []byte(p))
	}
	again := ip6test.Scapy(t, script.String())
	require.Len(t, again, len(kept))
	for i := range kept {
		assert.Equal(t, kept[i], again[i], "packet %d", i)
	}
}

func first(list string) string { s, _, _ := strings.Cut(list, ","); return s }
