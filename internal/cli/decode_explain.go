package cli

import (
	"encoding/hex"
	"fmt"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"pathmtu/hbh"
	"pathmtu/internal/ip6"
	"pathmtu/truncate"
)

// explained is what is known about one packet. Offsets count bytes from the
// start of the IP header.
type explained struct {
	Number   int          `json:"number"`
	Time     *time.Time   `json:"time,omitempty"`
	Captured int          `json:"captured"` // bytes at hand, link layer included
	Layers   []string     `json:"layers,omitempty"`
	IP       *explainedIP `json:"ip,omitempty"`
	Problem  string       `json:"problem,omitempty"`
}

type explainedIP struct {
	Version  int               `json:"version"`
	Src      string            `json:"src"`
	Dst      string            `json:"dst"`
	Length   int               `json:"length"` // as the header says
	HopLimit int               `json:"hop_limit"`
	DF       *bool             `json:"df,omitempty"` // IPv4 only
	Headers  []explainedHeader `json:"headers,omitempty"`
	Upper    string            `json:"upper,omitempty"`
	Checksum string            `json:"checksum,omitempty"`
	UDP      []explainedOption `json:"udp_options,omitempty"`
	ICMP     *explainedICMP    `json:"icmp,omitempty"`
	Signals  []explainedSignal `json:"signals,omitempty"`
	Problems []string          `json:"problems,omitempty"`
}

type explainedHeader struct {
	Name    string            `json:"name"`
	Offset  int               `json:"offset"`
	Length  int               `json:"length"`
	Options []explainedOption `json:"options,omitempty"`
}

type explainedOption struct {
	Offset  int    `json:"offset"`
	Type    int    `json:"type"`
	Name    string `json:"name"`
	Unknown string `json:"unknown,omitempty"` // what a node does that doesn't know the type
	Mutable bool   `json:"mutable,omitempty"`
	Data    string `json:"data,omitempty"` // hexadecimal
	Text    string `json:"text,omitempty"`
}

type explainedICMP struct {
	Type  int          `json:"type"`
	Code  int          `json:"code"`
	Text  string       `json:"text"`
	Quote *explainedIP `json:"quote,omitempty"`
}

// explainedSignal is one statement about the path MTU.
type explainedSignal struct {
	Kind   string `json:"kind"`          // min-pmtu, truncation, packet-too-big, udp-options, mss
	MTU    int    `json:"mtu,omitempty"` // bytes of an IP packet; 0: the signal has none
	Usable bool   `json:"usable"`        // as far as one packet shows
	Text   string `json:"text"`
}

func (x *explained) hasSignals() bool {
	return x.IP != nil && x.IP.hasSignals()
}

func (x *explainedIP) hasSignals() bool {
	return len(x.Signals) > 0 || x.ICMP != nil && x.ICMP.Quote != nil && x.ICMP.Quote.hasSignals()
}

type decoder struct {
	truncate truncate.Reader
}

// packet explains one captured packet. gopacket finds the IP packet in the
// frame and names the layers; what this project is about is read by its own
// packages.
func (d decoder) packet(p rawPacket) *explained {
	x := &explained{Number: p.number, Captured: len(p.data)}
	if !p.time.IsZero() {
		t := p.time.UTC()
		x.Time = &t
	}
	first := gopacket.Decoder(p.link)
	if p.link == layers.LinkTypeRaw || p.link == 12 || p.link == layers.LinkTypeIPv6 || p.link == layers.LinkTypeIPv4 {
		first = layers.LayerTypeIPv6
		if len(p.data) > 0 && p.data[0]>>4 == 4 {
			first = layers.LayerTypeIPv4
		}
	}
	pk := gopacket.NewPacket(p.data, first, gopacket.DecodeOptions{Lazy: false, NoCopy: true})
	for _, l := range pk.Layers() {
		if t := l.LayerType(); t != gopacket.LayerTypePayload && t != gopacket.LayerTypeDecodeFailure {
			x.Layers = append(x.Layers, t.String())
		}
	}
	if n, ok := pk.NetworkLayer().(*layers.IPv4); ok {
		x.IP = d.ipv4(n, pk, 0)
		return x
	}
	// gopacket gives up on some packets whose IPv6 header is sound.
	at, isIP := networkOffset(pk, first)
	if !isIP || at >= len(p.data) || p.data[at]>>4 != 6 {
		x.Problem = "no IP packet in it"
		if e := pk.ErrorLayer(); e != nil {
			x.Problem += ": " + e.Error().Error()
		}
		return x
	}
	x.IP = d.ipv6(p.data[at:], 0)
	return x
}

// networkOffset is where the first IPv6 header of a frame begins: behind the
// layers before it.
func networkOffset(pk gopacket.Packet, first gopacket.Decoder) (at int, ok bool) {
	if first == layers.LayerTypeIPv6 {
		return 0, true
	}
	for _, l := range pk.Layers() {
		if l.LayerType() == layers.LayerTypeIPv6 || l.LayerType() == gopacket.LayerTypeDecodeFailure {
			return at, at > 0
		}
		at += len(l.LayerContents())
	}
	return at, false
}

// deepest is how many quotes inside quotes are explained.
const deepest = 2

func (d decoder) ipv6(b []byte, depth int) *explainedIP {
	p, err := ip6.ParseQuote(b)
	if err != nil {
		return &explainedIP{Version: 6, Problems: []string{err.Error()}}
	}
	x := &explainedIP{Version: 6, Src: p.Src().String(), Dst: p.Dst().String(), Length: p.TotalLen(), HopLimit: int(p.HopLimit())}
	quote := len(p) < p.TotalLen()
	if quote && depth == 0 {
		x.Problems = append(x.Problems, fmt.Sprintf("only %d of %d bytes are here", len(p), p.TotalLen()))
	}
	d.headers(x, p)
	d.minPMTU(x, p)
	d.truncation(x, p)
	up, problem := p.FindUpper(ip6.Unlimited)
	if problem.Reason != ip6.NoProblem {
		return x
	}
	if !quote {
		if s := p.Checksum(ip6.Unlimited); s != ip6.ChecksumUnknown {
			x.Checksum = s.String()
		}
	}
	d.upper6(x, p, up, depth)
	return x
}

func (d decoder) headers(x *explainedIP, p ip6.Packet) {
	// Without limits: everything is shown, and what exceeds the usual limits is
	// said beside it.
	w := p.Walk(ip6.Unlimited)
	for h, ok := w.Next(); ok; h, ok = w.Next() {
		e := explainedHeader{Name: headerName(h.Type), Offset: h.Off, Length: h.Len()}
		o := h.Options(ip6.Unlimited)
		o.ShowPadding = true
		for opt, ok := o.Next(); ok; opt, ok = o.Next() {
			e.Options = append(e.Options, d.option(h.Type, opt))
		}
		x.Headers = append(x.Headers, e)
		x.problem(o.Problem())
	}
	x.problem(w.Problem())
	usual := p.Walk(ip6.Limits{})
	for h, ok := usual.Next(); ok; h, ok = usual.Next() {
		o := h.Options(ip6.Limits{})
		for _, ok := o.Next(); ok; _, ok = o.Next() {
		}
		x.problem(o.Problem())
	}
	x.problem(usual.Problem())
}

func (x *explainedIP) problem(p ip6.Problem) {
	if p.Reason == ip6.NoProblem {
		return
	}
	s := fmt.Sprintf("offset %d: %v", p.Pointer, p.Reason)
	if typ, code, ok := p.ICMP(); ok {
		s += fmt.Sprintf(" (ICMPv6 type %d code %d)", typ, code)
	}
	for _, have := range x.Problems {
		if have == s {
			return
		}
	}
	x.Problems = append(x.Problems, s)
}

var unknownActions = map[ip6.Action]string{ip6.ActionSkip: "skip", ip6.ActionDiscard: "discard",
	ip6.ActionProblem: "discard and report", ip6.ActionProblemIfUnicast: "discard and report unless multicast"}

func (d decoder) option(header uint8, o ip6.Option) explainedOption {
	e := explainedOption{Offset: o.Off, Type: int(o.Type), Name: d.optionName(o.Type), Data: hex.EncodeToString(o.Data)}
	if o.IsPadding() {
		return e
	}
	e.Unknown, e.Mutable = unknownActions[o.Action()], o.Mutable()
	switch {
	case o.Type == hbh.Type:
		if v, err := hbh.FromOption(header, o); err != nil {
			e.Text = err.Error()
		} else {
			e.Text = v.String()
		}
	case o.Type == hbh.HistoricalType:
		if l, v, err := hbh.ParseHistorical(o.Data); err == nil {
			e.Text = fmt.Sprintf("as in a draft of %v: %v", l, v)
		}
	case o.Type == d.truncate.Codes.Enhanced && d.truncate.Revision == truncate.T0:
		if v, err := truncate.ParseEnhanced(o.Data); err != nil {
			e.Text = err.Error()
		} else {
			e.Text = fmt.Sprintf("original payload %d bytes, truncated: %v", v.OPL, v.T)
		}
	}
	return e
}

func (d decoder) optionName(t uint8) string {
	switch t {
	case d.truncate.Codes.Eligible:
		return "Truncation Eligible (experimental type)"
	case d.truncate.Codes.Truncated:
		return "Truncated Packet (experimental type)"
	case d.truncate.Codes.Enhanced:
		if d.truncate.Revision == truncate.T0 {
			return "Enhanced Truncation Eligible (experimental type)"
		}
	}
	if n, ok := optionNames[t]; ok {
		return n
	}
	return "not known"
}

// optionNames are from the IANA registry of destination options and
// hop-by-hop options.
var optionNames = map[uint8]string{
	ip6.OptPad1: "Pad1", ip6.OptPadN: "PadN", hbh.Type: "Minimum Path MTU", hbh.HistoricalType: "experimental (RFC 4727)",
	0x04: "Tunnel Encapsulation Limit", 0x05: "Router Alert", 0x07: "CALIPSO", 0x08: "SMF_DPD", 0x0f: "PDM", 0x11: "IOAM",
	0x12: "AltMark", 0x1e: "experimental (RFC 4727)", 0x23: "RPL", 0x26: "Quick-Start", 0x31: "IOAM", 0x63: "RPL (old)",
	0x6d: "MPL", 0x8b: "ILNP Nonce", 0x8c: "Line-Identification", 0xc2: "Jumbo Payload", 0xc9: "Home Address", 0xee: "IP_DFF",
}

var headerNames = map[uint8]string{ip6.ProtoHopByHop: "Hop-by-Hop Options", ip6.ProtoDestOpts: "Destination Options",
	ip6.ProtoRouting: "Routing", ip6.ProtoFragment: "Fragment", ip6.ProtoAH: "Authentication", ip6.ProtoMobility: "Mobility",
	ip6.ProtoHIP: "HIP", ip6.ProtoShim6: "Shim6"}

func headerName(t uint8) string {
	if n, ok := headerNames[t]; ok {
		return n
	}
	return fmt.Sprintf("extension header %d", t)
}
