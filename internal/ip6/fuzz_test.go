package ip6_test

import (
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"pathmtu/internal/ip6"
	"pathmtu/internal/ip6/ip6test"
)

func seeds(f *testing.F) {
	opt := ip6.OptionSpec{Type: 0x30, Data: []byte{5, 0xdc, 0, 1}}
	for _, p := range []ip6.Packet{
		ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(8), ip6test.HopByHop(opt)),
		ip6test.Packet(ip6.ProtoTCP, ip6test.TCP(8), ip6test.HopByHop(), ip6test.DestOpts(opt), ip6test.Routing(0, 1, ip6test.Dst), ip6test.Fragment(0, true), ip6test.AH()),
		ip6test.Packet(ip6.ProtoICMPv6, ip6test.Echo(8), ip6test.Fragment(800, true)),
		ip6test.Packet(ip6.ProtoNoNext, nil, ip6test.Raw(ip6.ProtoDestOpts, 1, 9, 0, 0, 0, 0)),
	} {
		f.Add([]byte(p))
		b, _ := ip6.AppendError(nil, ip6.ErrorSpec{Type: 4, Code: 2, Param: 42, Src: ip6test.Dst}, p)
		f.Add(b)
		b, _ = ip6.AppendError(nil, ip6.ErrorSpec{Type: 1, Code: 8, Param: 42, Src: ip6test.Dst}, p)
		f.Add(b)
	}
}

// walkAll uses all that reads a packet, and checks that what is found lies in
// it and moves forward.
func walkAll(t *testing.T, p ip6.Packet, lim ip6.Limits) (headers []step, options []ip6.Option, ok bool) {
	w := p.Walk(lim)
	end := ip6.HeaderLen
	ok = true
	for h, more := w.Next(); more; h, more = w.Next() {
		if h.Off != end || h.Len() < 8 || h.Off+h.Len() > len(p) {
			t.Fatalf("header at %d of %d bytes, after %d, in %d", h.Off, h.Len(), end, len(p))
		}
		end = h.Off + h.Len()
		headers = append(headers, step{h.Type, h.Off, h.Len()})
		o := h.Options(lim)
		o.ShowPadding = true
		at := h.Off + 2
		for opt, more := o.Next(); more; opt, more = o.Next() {
			if opt.Off != at || opt.Off+opt.Len() > end {
				t.Fatalf("option at %d of %d bytes, expected at %d, header ends at %d", opt.Off, opt.Len(), at, end)
			}
			at += opt.Len()
			options = append(options, opt)
		}
		if pr := o.Problem(); pr.Reason != ip6.NoProblem {
			ok = false
			if pr.Pointer < h.Off || pr.Pointer >= end {
				t.Fatalf("option problem %v outside the header %d..%d", pr, h.Off, end)
			}
		} else if h.HasOptions() && at != end {
			t.Fatalf("options end at %d, header at %d", at, end)
		}
	}
	pr := w.Problem()
	if pr.Reason == ip6.NoProblem {
		u := w.Upper()
		if u.Off != end || u.NHOff >= u.Off || p[u.NHOff] != u.Proto {
			t.Fatalf("upper layer %+v, headers end at %d", u, end)
		}
	} else {
		ok = false
		if pr.Pointer > len(p) {
			t.Fatalf("%v outside %d bytes", pr, len(p))
		}
	}
	return headers, options, ok
}

func FuzzPacket(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		if q, err := ip6.ParseQuote(b); err == nil {
			walkAll(t, q, ip6.Limits{})
			walkAll(t, q, ip6.Unlimited)
		}
		p, err := ip6.Parse(b)
		if err != nil {
			return
		}
		walkAll(t, p, ip6.Limits{})
		for ptr := range 60 {
			ip6.MayError(p, ip6.Arrival{}, ip6.TypeParameterProblem, ip6.CodeUnrecognizedOption, ptr)
		}
		p.Checksum(ip6.Unlimited)
		q := ip6test.Clone(p)
		if q.SetChecksum(ip6.Unlimited) && q.Checksum(ip6.Unlimited) != ip6.ChecksumGood {
			t.Fatalf("checksum that was set is %v", q.Checksum(ip6.Unlimited))
		}
	})
}

func FuzzICMPError(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ip6.Parse(b)
		if err != nil {
			return
		}
		if e, err := ip6.ParseErrorPacket(p, ip6.Unlimited); err == nil && e.Type >= 128 {
			t.Fatalf("type %d is not an error", e.Type)
		}
		if e, err := ip6.ParseError(p[ip6.HeaderLen:]); err == nil {
			if off, ok := e.PointedAt(); ok && off >= len(e.Quote) {
				t.Fatalf("pointer %d outside the quote of %d bytes", off, len(e.Quote))
			}
			walkAll(t, e.Quote, ip6.Limits{})
		}
		// An error about any packet can be built, parsed, and quotes its start.
		for _, spec := range []ip6.ErrorSpec{{Type: 2, Param: 1280}, {Type: 1, Code: 8, Param: 40}} {
			spec.Src = netip.MustParseAddr("2001:db8::1")
			out, err := ip6.AppendError(nil, spec, p)
			if err != nil || len(out) > ip6.MinMTU {
				t.Fatalf("%v, %d bytes", err, len(out))
			}
			q, err := ip6.Parse(out)
			if err != nil {
				t.Fatal(err)
			}
			e, err := ip6.ParseErrorPacket(q, ip6.Limits{})
			if err != nil || string(e.Quote) != string(p[:len(e.Quote)]) {
				t.Fatalf("%v", err)
			}
		}
	})
}

func FuzzOptionsHeader(f *testing.F) {
	f.Add([]byte{17, 0, 0x30, 4, 5, 0xdc, 0, 1})
	f.Add([]byte{17, 1, 5, 2, 0, 0, 0x30, 4, 5, 0xdc, 0, 1, 1, 2, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, pr := ip6.OptionsHeader(b, ip6.ProtoHopByHop)
		if pr.Reason != ip6.NoProblem {
			return
		}
		o := h.Options(ip6.Unlimited)
		var specs []ip6.OptionSpec
		for opt, ok := o.Next(); ok; opt, ok = o.Next() {
			specs = append(specs, ip6.OptionSpec{Type: opt.Type, Data: opt.Data})
		}
		// What was read can be written, without the padding.
		out, err := ip6.AppendOptionsHeader(nil, h.Next(), specs...)
		if err != nil {
			t.Fatal(err)
		}
		again, pr := ip6.OptionsHeader(out, ip6.ProtoHopByHop)
		if pr.Reason != ip6.NoProblem {
			t.Fatal(pr)
		}
		o = again.Options(ip6.Unlimited)
		for i := range specs {
			opt, ok := o.Next()
			if !ok || opt.Type != specs[i].Type || string(opt.Data) != string(specs[i].Data) {
				t.Fatalf("option %d: %+v, want %+v", i, opt, specs[i])
			}
		}
	})
}

// FuzzGopacket compares the walk with an independent decoder.
func FuzzGopacket(f *testing.F) {
	seeds(f)
	f.Add([]byte("a000\x00\b<0000000000000000000000000000000000\x00\x00\x000\x010\x00")) // ends with Pad1
	f.Fuzz(func(t *testing.T, b []byte) { compareGopacket(t, b) })
}

func compareGopacket(t *testing.T, b []byte) (compared int) {
	p, err := ip6.Parse(b)
	if err != nil || p.PayloadLen() == 0 {
		return 0 // gopacket looks for jumbograms there
	}
	headers, options, ok := walkAll(t, p, ip6.Unlimited)
	if !ok {
		return 0
	}
	pkt := gopacket.NewPacket(p, layers.LayerTypeIPv6, gopacket.DecodeOptions{Lazy: false, NoCopy: true})
	if pkt.Layer(layers.LayerTypeIPv6) == nil || pkt.ErrorLayer() != nil {
		return 0 // it refuses jumbogram options, and a Pad1 as the last byte of a packet
	}
	ip := pkt.Layer(layers.LayerTypeIPv6).(*layers.IPv6)
	if ip.FlowLabel != p.FlowLabel() || ip.TrafficClass != p.TrafficClass() || ip.HopLimit != p.HopLimit() || !ip.SrcIP.Equal(p.Src().AsSlice()) {
		t.Fatalf("fixed header: %+v", ip)
	}
	if ip.HopByHop != nil && len(headers) > 0 {
		compared += compareOptions(t, headers[0], options, hopByHop(ip.HopByHop))
	}
	at := 0 // header that the layer must be
	for _, l := range pkt.Layers()[1:] {
		typ, isExt := map[gopacket.LayerType]uint8{layers.LayerTypeIPv6HopByHop: 0, layers.LayerTypeIPv6Routing: 43,
			layers.LayerTypeIPv6Fragment: 44, layers.LayerTypeIPv6Destination: 60}[l.LayerType()]
		if !isExt || at >= len(headers) {
			break
		}
		if headers[at].typ != typ {
			break // one that gopacket does not know, or reads otherwise
		}
		if n := len(l.LayerContents()); n != headers[at].len {
			t.Fatalf("%v has %d bytes, walk says %d", l.LayerType(), n, headers[at].len)
		}
		if d, ok := l.(*layers.IPv6Destination); ok {
			compared += compareOptions(t, headers[at], options, destOpts(d))
		}
		compared++
		at++
	}
	return compared
}

type tlv struct {
	typ  uint8
	data string
}

func hopByHop(h *layers.IPv6HopByHop) (out []tlv) {
	for _, o := range h.Options {
		out = append(out, tlv{o.OptionType, string(o.OptionData)})
	}
	return out
}

func destOpts(h *layers.IPv6Destination) (out []tlv) {
	for _, o := range h.Options {
		out = append(out, tlv{o.OptionType, string(o.OptionData)})
	}
	return out
}

func compareOptions(t *testing.T, h step, all []ip6.Option, theirs []tlv) int {
	var ours []tlv
	for _, o := range all {
		if o.Off >= h.off && o.Off < h.off+h.len {
			ours = append(ours, tlv{o.Type, string(o.Data)})
		}
	}
	if len(ours) != len(theirs) {
		t.Fatalf("options of header at %d: %v, gopacket says %v", h.off, ours, theirs)
	}
	for i := range ours {
		if ours[i] != theirs[i] {
			t.Fatalf("option %d: %v, gopacket says %v", i, ours[i], theirs[i])
		}
	}
	return len(ours)
}

// The comparison must compare something.
func TestGopacketAgrees(t *testing.T) {
	opt := ip6.OptionSpec{Type: 0x30, Data: []byte{5, 0xdc, 0, 1}}
	odd := ip6.OptionSpec{Type: 0xbe, Data: []byte{0, 38, 0}}
	p := ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(8), ip6test.HopByHop(opt, odd), ip6test.DestOpts(odd, opt),
		ip6test.Routing(0, 1, ip6test.Dst), ip6test.Fragment(0, true), ip6test.DestOpts(opt))
	if n := compareGopacket(t, p); n < 10 {
		t.Fatalf("only %d headers and options compared", n)
	}
}
