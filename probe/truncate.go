package probe

import (
	"pathmtu/internal/ip6"
	"pathmtu/results"
	"pathmtu/truncate"
)

// truncation is the method "truncate": echo requests that routers may truncate
// (draft-leddy-6man-truncate, revision of 2018-10-10). A router that can't forward
// one cuts it and forwards what fits; the target says how much arrived, by a Packet
// Too Big, or, if it doesn't know the option, by a Parameter Problem. Packets of
// less than 1280 bytes fit every link, and aren't marked.
type truncation struct{ echo6 }

// NewTruncation returns the method that sends ICMPv6 echo requests with this
// identifier that routers may truncate. Addr and Source of the target are of IPv6;
// NewMethod checks that.
func NewTruncation(t Target, id uint16) Method { return &truncation{echo6{body{"truncate", t}, id}} }

func (m *truncation) Traits() Traits {
	return Traits{
		Carrier: IP, Direction: results.RoundTrip, Slack: extHeader,
		Min: ip6.HeaderLen + icmpHeader + m.least(), Max: 65535, Step: 1,
	}
}

// header returns the length of the extension header of a probe.
func (m *truncation) header(p Packet) int {
	if p.Size < ip6.MinMTU {
		return 0
	}
	return extHeader
}

func (m *truncation) Append(b []byte, p Packet) []byte {
	if m.header(p) == 0 {
		return m.packet(b, p, 0, nil)
	}
	var buf [extHeader]byte
	ext, err := ip6.AppendOptionsHeader(buf[:0], ip6.ProtoICMPv6, ip6.OptionSpec{Type: truncate.DefaultCodes.Eligible})
	if err != nil {
		panic("probe: one option in a header: " + err.Error())
	}
	return m.packet(b, p, ip6.ProtoDestOpts, ext)
}

func (m *truncation) Answer(b []byte, _ []Packet) (Packet, bool) { return m.answer(b, m.header) }

// cut returns how much of a packet arrived at the target, in bytes of IP packet, if
// an error about it says that it was truncated on the way; 0: it doesn't. The caller
// knows that the quoted packet is one of ours.
func (m *truncation) cut(e ICMPError) int {
	quote, err := ip6.ParseQuote(e.Quote.Payload)
	if err != nil || !sameHost(e.From, m.Addr) {
		return 0
	}
	switch scan := (truncate.Reader{}).Scan(quote); {
	case scan.Problem.Reason != ip6.NoProblem || scan.Fault != truncate.NoFault || !scan.Marked():
		return 0
	case e.Type == ip6.TypePacketTooBig && e.MTU != quote.TotalLen():
		return 0
	case e.Type == ip6.TypeParameterProblem && e.Code != ip6.CodeUnrecognizedOption:
		return 0
	case e.Type != ip6.TypePacketTooBig && e.Type != ip6.TypeParameterProblem:
		return 0
	}
	return quote.TotalLen()
}
