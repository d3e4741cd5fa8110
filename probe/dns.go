package probe

import (
	"encoding/binary"

	"golang.org/x/net/dns/dnsmessage"

	"pathmtu/results"
)

// dnsQuery is the method "dns": a query with an EDNS option of a code for local
// use (RFC 6891 section 9), which a server has to ignore. Any answer proves
// arrival: also REFUSED, FORMERR, and a header alone. EDNS padding (RFC 7830) is
// not used: it is for encrypted transports, and some servers pad their answer
// in turn.
//
// The name, under "invalid." (RFC 6761), makes no resolver ask anybody else, and
// recursion isn't desired. The answer is small. The message ID is keyed; the
// token is in the option, for quotes.
type dnsQuery struct {
	body
	port uint16
}

const (
	dnsName   = "invalid."
	dnsOption = 65001 // first of the codes for local and experimental use
	// dnsBuffer is the answer's largest size that we ask for.
	dnsBuffer = 512
	dnsHeader = 12
	// dnsFixed is the length of a query without the option's data: header,
	// question, OPT record, option header.
	dnsFixed = dnsHeader + len(dnsName) + 1 + 4 + 11 + 4
	// dnsLeast is the least UDP payload: answers known are up to 94 bytes, a
	// negative answer with its SOA record somewhat more.
	dnsLeast = 160
)

// NewDNS returns the method that sends queries to a DNS server.
func NewDNS(t Target, port uint16) Method {
	return &dnsQuery{body{"dns", t}, orDefault(port, "dns")}
}

func (m *dnsQuery) Traits() Traits {
	below := m.ipHeader() + udpHeader
	return Traits{
		Carrier: UDP, Direction: results.Forward, Port: m.port, Server: true,
		Below: below, Min: below + max(dnsLeast, dnsFixed+m.least()), Max: below + dnsFixed + 65000, Step: 1,
		Limits: []int{512, 1232, 4096}, // usual sizes of EDNS buffers
	}
}

// messageID is 16 bits that an attacker off the path can't guess.
func (m *dnsQuery) messageID(p Packet) uint16 {
	return binary.BigEndian.Uint16(m.Key.appendToken(nil, "dns message id", p)[8:])
}

func (m *dnsQuery) Append(b []byte, p Packet) []byte {
	data := m.append(nil, p.Size-m.ipHeader()-udpHeader-dnsFixed, p)
	var opt dnsmessage.ResourceHeader
	err := opt.SetEDNS0(dnsBuffer, dnsmessage.RCodeSuccess, false)
	msg := dnsmessage.NewBuilder(b, dnsmessage.Header{ID: m.messageID(p)})
	for _, part := range []func() error{
		msg.StartQuestions,
		func() error { return msg.Question(dnsQuestion) },
		msg.StartAdditionals,
		func() error {
			return msg.OPTResource(opt, dnsmessage.OPTResource{Options: []dnsmessage.Option{{Code: dnsOption, Data: data}}})
		},
		func() (err error) { b, err = msg.Finish(); return err },
	} {
		if err == nil {
			err = part()
		}
	}
	if err != nil {
		panic("probe: a DNS query of fixed form: " + err.Error()) // a size outside of Traits: the caller's mistake
	}
	return b
}

var dnsQuestion = dnsmessage.Question{Name: dnsmessage.MustNewName(dnsName), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}

// Answer accepts any response with the message ID and, if it repeats a question,
// with ours.
func (m *dnsQuery) Answer(b []byte, sent []Packet) (Packet, bool) {
	var msg dnsmessage.Parser
	h, err := msg.Start(b)
	if err != nil || !h.Response {
		return Packet{}, false
	}
	if binary.BigEndian.Uint16(b[4:]) > 0 {
		q, err := msg.Question()
		if err != nil || q.Type != dnsQuestion.Type || q.Class != dnsQuestion.Class || !sameName(q.Name, dnsQuestion.Name) {
			return Packet{}, false
		}
	}
	for _, p := range sent {
		if m.messageID(p) == h.ID {
			return p, true
		}
	}
	return Packet{}, false
}

// sameName compares names as RFC 4343 asks: ASCII letters without case.
func sameName(a, b dnsmessage.Name) bool {
	if a.Length != b.Length {
		return false
	}
	for i := range a.Length {
		if a.Data[i]|0x20 != b.Data[i]|0x20 {
			return false
		}
	}
	return true
}

func (m *dnsQuery) Quoted(q Quote, sent []Packet) (Packet, bool) {
	b := q.Payload
	if len(b) >= dnsFixed+m.least() {
		return m.open(b[dnsFixed:])
	}
	if len(b) >= 2 {
		for _, p := range sent {
			if m.messageID(p) == binary.BigEndian.Uint16(b) {
				return p, true
			}
		}
		return Packet{}, false
	}
	return quotedLength(q, sent, m.ipHeader())
}
