package survey

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"pathmtu/internal/ip6"
)

// Kind is a way to ask a host.
type Kind uint8

const (
	ICMP Kind = iota // echo request: the answer is as large
	UDP              // a datagram to a closed port: the answer is "port unreachable"
	QUIC             // a long header of an unknown version: the answer is Version Negotiation
	DNS              // a query with a private EDNS option as padding: any answer will do
	kinds
)

// Kinds returns all kinds.
func Kinds() []Kind { return []Kind{ICMP, UDP, QUIC, DNS} }

func (k Kind) String() string {
	if k < kinds {
		return [kinds]string{"icmp", "udp", "quic", "dns"}[k]
	}
	return "BUG"
}

// ParseKind returns the Kind of a name.
func ParseKind(name string) (Kind, error) {
	for _, k := range Kinds() {
		if k.String() == name {
			return k, nil
		}
	}
	return 0, fmt.Errorf("method is %q, want icmp, udp, quic or dns", name)
}

const (
	icmpHeader = 8
	udpHeader  = 8

	echoRequest4, echoReply4 = 8, 0
	echoRequest6, echoReply6 = 128, 129

	portQUIC = 443
	portDNS  = 53
	// DefaultPort is where UDP probes go, where nobody should listen.
	DefaultPort = 33434

	// quicLeast is the least payload that a QUIC server answers (RFC 9000
	// section 5.2.2).
	quicLeast = 1200
	// quicVersion asks for version negotiation (RFC 9000 section 15).
	quicVersion = 0x1a2a3a4a
)

// MostAttribution is the length of the longest attribution, in bytes.
const MostAttribution = 200

// probes builds probes: a head that differs from one to the next, and a tail
// that is the start of one long padding. It isn't safe for concurrent use.
type probes struct {
	tokens      *tokens
	attribution []byte // with the NUL that ends it, and perhaps one more; even length
	port        uint16 // of UDP
	padding     []byte // doesn't compress
	sums        []uint16
	source4     [4]byte
	local       uint16 // UDP port that probes come from
}

func newProbes(k Key, attribution string, port uint16, most int) (*probes, error) {
	if len(attribution) > MostAttribution {
		return nil, &ConfigError{"Attribution", fmt.Sprintf("%d bytes long", len(attribution)), fmt.Sprintf("at most %d", MostAttribution)}
	}
	p := &probes{tokens: newTokens(k), port: port, padding: make([]byte, most+1)}
	if attribution != "" { // RFC 9511 section 3: at the first octet, ended by NUL
		p.attribution = append([]byte(attribution), 0)
		if len(p.attribution)%2 == 1 {
			p.attribution = append(p.attribution, 0)
		}
	}
	var b [16]byte
	for i := 0; i < len(p.padding); i += len(b) {
		binary.BigEndian.PutUint64(b[:], uint64(i)+1)
		p.tokens.block.Encrypt(b[:], b[:])
		copy(p.padding[i:], b[:])
	}
	p.sums = make([]uint16, len(p.padding)+1)
	var s ip6.Sum
	for i := 0; i < len(p.padding); i++ {
		if i%2 == 0 {
			p.sums[i] = s.Fold()
			p.sums[i+1] = s.Word(uint16(p.padding[i]) << 8).Fold()
		} else {
			s = s.Add(p.padding[i-1 : i+1])
			p.sums[i+1] = s.Fold()
		}
	}
	return p, nil
}

func ipHeader(v4 bool) int {
	if v4 {
		return 20
	}
	return 40
}

// least returns the size of the smallest probe of a kind, in bytes of IP packet.
func (p *probes) least(k Kind, v4 bool) int {
	n := ipHeader(v4) + len(p.attribution) + tokenLen
	switch k {
	case ICMP:
		return n + icmpHeader
	case UDP:
		return n + udpHeader
	case QUIC:
		return max(ipHeader(v4)+udpHeader+quicLeast, n+udpHeader+quicHeader)
	case DNS:
		return n + udpHeader + dnsHeader
	}
	return n
}

// Lengths of what comes before the attribution.
const (
	quicHeader = 1 + 4 + 1 + tokenLen + 1 // the token is the connection ID
	dnsHeader  = 12 + 5 + 11 + 4          // header, question, OPT record, option header
)

// appendHead appends the head of a probe: what follows the IP header, for
// UDP the UDP header. tail is how much padding follows.
func (p *probes) appendHead(b []byte, a number, s stamp) (head []byte, tail int) {
	start := len(b)
	n := int(s.size) - ipHeader(a.is4())
	if s.method != ICMP {
		n -= udpHeader
	}
	switch s.method {
	case ICMP:
		id, seq := p.tokens.marks(a)
		typ := byte(echoRequest6)
		if a.is4() {
			typ = echoRequest4
		}
		b = append(b, typ, 0, 0, 0)
		b = binary.BigEndian.AppendUint16(b, id)
		b = binary.BigEndian.AppendUint16(b, seq^uint16(s.seq))
		b = append(b, p.attribution...)
		b = p.tokens.append(b, a, s)
		tail = n - (len(b) - start)
		if a.is4() { // the kernel sums ICMPv6, which covers addresses
			sum := ip6.Sum(0).Add(b[start:]).Word(p.sums[tail])
			binary.BigEndian.PutUint16(b[start+2:], sum.Checksum())
		}
		return b, tail
	case UDP:
		b = append(b, p.attribution...)
		b = p.tokens.append(b, a, s)
	case QUIC:
		b = append(b, 0xc0)
		b = binary.BigEndian.AppendUint32(b, quicVersion)
		b = append(b, tokenLen)
		b = p.tokens.append(b, a, s)
		b = append(b, 0)
		b = append(b, p.attribution...)
	case DNS:
		b = binary.BigEndian.AppendUint16(b, uint16(p.tokens.tag(a, s)))
		b = append(b, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1) // a query, no recursion
		b = append(b, 0, 0, 6, 0, 1)                // SOA of the root: a short answer, or REFUSED
		option := n - (12 + 5 + 11 + 4)
		b = append(b, 0, 0, 41, 0x02, 0x00, 0, 0, 0, 0) // OPT, answers of at most 512 bytes
		b = binary.BigEndian.AppendUint16(b, uint16(option+4))
		b = binary.BigEndian.AppendUint16(b, 65001) // for local use, RFC 6891 section 9
		b = binary.BigEndian.AppendUint16(b, uint16(option))
		b = append(b, p.attribution...)
		b = p.tokens.append(b, a, s)
	}
	return b, n - (len(b) - start)
}

// destination returns the port that a kind of probe goes to.
func (p *probes) destination(k Kind) uint16 {
	switch k {
	case QUIC:
		return portQUIC
	case DNS:
		return portDNS
	}
	return p.port
}

// shortFits says whether the first 8 bytes after a quoted IP header fit a probe
// that was sent to the address; they are all that some routers quote.
func (p *probes) shortFits(b []byte, a number, s stamp) bool {
	var buf [512]byte
	head, tail := p.appendHead(buf[:0], a, s)
	if s.method == ICMP {
		return a.is4() && string(head[:8]) == string(b[:8])
	}
	if !a.is4() || binary.BigEndian.Uint16(b) != p.local || binary.BigEndian.Uint16(b[2:]) != p.destination(s.method) {
		return false
	}
	n := uint16(udpHeader + len(head) + tail)
	if binary.BigEndian.Uint16(b[4:]) != n {
		return false
	}
	to := a.bytes()
	sum := ip6.Sum(0).Add(p.source4[:]).Add(to[12:]).Word(17).Word(n).Add(b[:6]).Add(head)
	if len(head)%2 == 0 {
		sum = sum.Word(p.sums[tail])
	} else {
		sum = sum.Word(p.sums[tail]>>8 | p.sums[tail]<<8) // at an odd offset, RFC 1071
	}
	ck := sum.Checksum()
	if ck == 0 {
		ck = 0xffff
	}
	return binary.BigEndian.Uint16(b[6:]) == ck
}

// unmap is the address in the form that this package uses.
func unmap(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }
