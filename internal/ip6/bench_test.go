package ip6_test

import (
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/stretchr/testify/assert"

	"pathmtu/internal/ip6"
	"pathmtu/internal/ip6/ip6test"
)

var sink int

func readAll(p ip6.Packet) {
	w := p.Walk(ip6.Limits{})
	for h, ok := w.Next(); ok; h, ok = w.Next() {
		o := h.Options(ip6.Limits{})
		for opt, ok := o.Next(); ok; opt, ok = o.Next() {
			sink += int(opt.Type)
		}
		sink += int(o.Problem().Reason)
	}
	sink += w.Upper().Off + int(w.Problem().Reason)
}

func fullPacket() ip6.Packet {
	opt := ip6.OptionSpec{Type: 0x30, Data: []byte{5, 0xdc, 0, 1}}
	return ip6test.Sized(1500, ip6.ProtoUDP, ip6test.UDP, ip6test.HopByHop(opt), ip6test.DestOpts(ip6.OptionSpec{Type: 0x1e}))
}

// Reading and changing a packet in flight allocates nothing, nor does building
// into a buffer that is large enough.
func TestNoAllocations(t *testing.T) {
	p := fullPacket()
	bad := append(ip6test.Clone(p), 0)[:60]
	buf := make([]byte, 0, 2000)
	err, _ := ip6.AppendError(nil, ip6.ErrorSpec{Type: 2, Param: 1400, Src: ip6test.Dst}, p)
	multi, _ := ip6.AppendError(nil, ip6.ErrorSpec{Type: 1, Code: 8, Param: 40, Src: ip6test.Dst}, p)
	for name, f := range map[string]func(){
		"parse":  func() { ip6.Parse(p); ip6.Parse(bad); ip6.ParseQuote(bad) },
		"walk":   func() { readAll(p) },
		"fields": func() { p.SetHopLimit(p.HopLimit() - 1); p.SetDst(p.Dst()); sink += int(p.FlowLabel()) },
		"checksum": func() {
			p.SetChecksum(ip6.Limits{})
			sink += int(p.Checksum(ip6.Limits{}))
		},
		"may error": func() { ip6.MayError(p, ip6.Arrival{}, 2, 0, 0) },
		"build": func() {
			ip6.AppendError(buf, ip6.ErrorSpec{Type: 2, Param: 1400, Src: ip6test.Dst}, p)
			ip6.AppendError(buf, ip6.ErrorSpec{Type: 1, Code: 8, Param: 40, Src: ip6test.Dst}, p)
			ip6.AppendOptionsHeader(buf, 17, ip6.OptionSpec{Type: 0xbe, Data: bad[:3]})
		},
		"parse errors": func() {
			for _, b := range [][]byte{err, multi} {
				q, _ := ip6.Parse(b)
				e, _ := ip6.ParseErrorPacket(q, ip6.Limits{})
				off, _ := e.PointedAt()
				sink += off
			}
		},
	} {
		assert.Zero(t, testing.AllocsPerRun(50, f), name)
	}
}

// BenchmarkWalk reads all headers and options of a packet, and lets gopacket
// read the same packet, as a measure.
func BenchmarkWalk(b *testing.B) {
	for _, c := range []struct {
		name string
		p    ip6.Packet
	}{
		{"plain", ip6test.Sized(1500, ip6.ProtoUDP, ip6test.UDP)},
		{"hop-by-hop and destination options", fullPacket()},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p, _ := ip6.Parse(c.p)
				readAll(p)
			}
		})
		b.Run(c.name+", gopacket", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p := gopacket.NewPacket(c.p, layers.LayerTypeIPv6, gopacket.DecodeOptions{NoCopy: true})
				if p.TransportLayer() == nil {
					b.Fatal(p.ErrorLayer())
				}
			}
		})
	}
}

func BenchmarkChecksum(b *testing.B) {
	p := ip6test.Sized(9000, ip6.ProtoUDP, ip6test.UDP)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		sink += int(p.Checksum(ip6.Limits{}))
	}
}

func BenchmarkAppendError(b *testing.B) {
	p := fullPacket()
	buf := make([]byte, 0, 2000)
	b.ReportAllocs()
	for b.Loop() {
		ip6.AppendError(buf, ip6.ErrorSpec{Type: 2, Param: 1400, Src: ip6test.Dst}, p)
	}
}
