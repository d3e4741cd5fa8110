package probe

import (
	"cmp"

	"pathmtu/hbh"
	"pathmtu/internal/ip6"
	"pathmtu/results"
)

// minPMTU is the method "hbh": echo requests that carry the Minimum Path MTU
// Hop-by-Hop option (RFC 9268) and ask for it to be returned. A host that knows the
// option puts it into its echo reply, and so says what the routers on the way there
// wrote: the size that is tried next. Any echo reply is an answer.
type minPMTU struct{ echo6 }

// NewMinPMTU returns the method that sends ICMPv6 echo requests with this
// identifier and the Minimum Path MTU option. Addr and Source of the target are of
// IPv6; NewMethod checks that.
func NewMinPMTU(t Target, id uint16) Method { return &minPMTU{echo6{body{"hbh", t}, id}} }

func (m *minPMTU) Traits() Traits {
	return Traits{
		Carrier: IP, Direction: results.RoundTrip, Slack: extHeader,
		Min: ip6.HeaderLen + extHeader + icmpHeader + m.least(), Max: 65535, Step: 1,
	}
}

func (m *minPMTU) Append(b []byte, p Packet) []byte {
	o := hbh.Option{Min: hbh.ClampMin(cmp.Or(m.LinkMTU, hbh.MaxMin)), R: true}
	return m.packet(b, p, ip6.ProtoHopByHop, o.AppendHeader(nil, ip6.ProtoICMPv6))
}

func (m *minPMTU) Answer(b []byte, _ []Packet) (Packet, bool) {
	return m.answer(b, func(Packet) int { return extHeader })
}

// hint is what an answer says that the way there carries: RFC 9268 section 6.3 has
// less than 1280 ignored, and more than the first hop's link carries.
func (m *minPMTU) hint(b []byte) int {
	p, err := ip6.Parse(b)
	if err != nil {
		return 0
	}
	if rtn := int(hbh.Observe(p, ip6.Limits{}).Rtn); rtn >= ip6.MinMTU && (m.LinkMTU == 0 || rtn <= m.LinkMTU) {
		return rtn
	}
	return 0
}
