package host

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"pathmtu/hbh"
	"pathmtu/internal/ip6"
	"pathmtu/plpmtud/udpopt"
	"pathmtu/truncate"
)

// Config describes a host. Zero fields are the defaults stated.
type Config struct {
	// Addrs are the host's addresses: packets to others are dropped.
	Addrs []netip.Addr
	// LinkMTU is the MTU in bytes of the link that replies leave on.
	LinkMTU int
	// MAC is the host's link-layer address; zero: the link has none, and no
	// Neighbor Discovery.
	MAC [6]byte
	// EchoPorts are UDP ports that send every datagram back. Default: 7.
	EchoPorts []uint16
	// NoHopByHop turns the option 0x30 off: it is skipped as unknown.
	NoHopByHop bool
	// NoUDPOptions leaves the probes of DPLPMTUD over UDP Options (RFC 9869)
	// unanswered. Otherwise they are answered at the echo ports.
	NoUDPOptions bool
	// NoTruncation turns packet truncation off: its options are unknown.
	// Otherwise Truncation reads them; the zero value is revision T1.
	NoTruncation bool
	Truncation   truncate.Reader
	// Budgets may be nil: no limit. Errors is asked before each ICMPv6 error
	// (RFC 4443 section 2.4 (f)).
	Errors func(now time.Time) bool
	// Replies is the rate of answers to the option that could not ride on a
	// reply, over all flows; default 100 a second.
	Replies float64
}

// Counters count packets.
type Counters struct {
	Received, NotOurs, Malformed, BadChecksum, Fragments uint64
	Echoes, UDPEchoes, ClosedPort                        uint64
	Solicitations                                        uint64
	Probes                                               uint64 // requests (REQ) among UDP Options
	OptionProblems                                       uint64 // packets discarded for an option
	UnknownHeader                                        uint64
	MinPMTU                                              uint64 // replies that carried the option
	MinPMTUEmpty                                         uint64 // of them, sent for that alone
	Errors, ErrorBudget                                  uint64
	TooLong                                              uint64 // replies larger than the link, not sent
	Truncation                                           truncate.DestinationCounters
}

// Host answers. It belongs to one goroutine.
type Host struct {
	cfg      Config
	addrs    map[netip.Addr]bool
	mtu      *hbh.Host
	cut      *truncate.Destination // nil: truncation is not known
	probes   *udpopt.Responder     // nil: UDP Options are not known
	counters Counters

	buf, out     []byte // packets to be sent, without and with the option 0x30
	udpBuf, opts []byte
}

// New checks the configuration.
func New(cfg Config) (*Host, error) {
	if len(cfg.Addrs) == 0 {
		return nil, fmt.Errorf("host: no addresses")
	}
	h := &Host{cfg: cfg, addrs: map[netip.Addr]bool{}}
	for _, a := range cfg.Addrs {
		if !a.Is6() || a.Is4In6() || a.IsMulticast() || a.IsUnspecified() || a.IsLoopback() {
			return nil, fmt.Errorf("host: address %v: want an IPv6 unicast address", a)
		}
		h.addrs[a.WithZone("")] = true
	}
	if cfg.LinkMTU < ip6.MinMTU {
		return nil, fmt.Errorf("host: LinkMTU %d: want %d or more", cfg.LinkMTU, ip6.MinMTU)
	}
	if len(cfg.EchoPorts) == 0 {
		h.cfg.EchoPorts = []uint16{7}
	}
	if !cfg.NoHopByHop {
		var err error
		h.mtu, err = hbh.NewHost(hbh.HostConfig{Flow: hbh.FlowConfig{LinkMTU: cfg.LinkMTU, WithData: true}, ReplyRate: cfg.Replies})
		if err != nil {
			return nil, err
		}
	}
	var err error
	if h.cut, err = newDestination(cfg); err != nil {
		return nil, err
	}
	h.probes, err = newResponder(cfg)
	return h, err
}

// Counters returns a copy of the counters.
func (h *Host) Counters() Counters { return h.counters }

// Owns reports whether an address is the host's.
func (h *Host) Owns(a netip.Addr) bool { return h.addrs[a] }

// Packet handles one IP packet. The packets given to send are valid during
// the call only.
func (h *Host) Packet(b []byte, now time.Time, send func(pkt []byte)) {
	h.counters.Received++
	p, err := ip6.Parse(b)
	if err != nil {
		h.counters.Malformed++
		return
	}
	if !h.addrs[p.Dst()] && !h.asked(p) || p[8] == 0xff {
		h.counters.NotOurs++
		return
	}
	if p = h.truncated(p, now, send); p == nil {
		return
	}
	up, ok := h.headers(p, now, send)
	if !ok {
		return
	}
	switch up.Proto {
	case ip6.ProtoICMPv6, ip6.ProtoUDP:
	case ip6.ProtoNoNext:
		return
	default:
		h.counters.UnknownHeader++
		h.fail(p, ip6.TypeParameterProblem, ip6.CodeUnrecognizedNextHeader, up.NHOff, now, send)
		return
	}
	if c := p.Checksum(ip6.Limits{}); c != ip6.ChecksumGood {
		h.counters.BadChecksum++
		return
	}
	if up.Proto == ip6.ProtoUDP {
		h.udp(p, up.Off, now, send)
		return
	}
	h.icmp(p, up.Off, now, send)
}

func (h *Host) icmp(p ip6.Packet, off int, now time.Time, send func([]byte)) {
	m := p[off:]
	switch {
	case len(m) >= 8 && m[0] == ip6.TypeEchoRequest && m[1] == 0:
		h.counters.Echoes++
		id := binary.BigEndian.Uint16(m[4:])
		key := hbh.Key{Local: netip.AddrPortFrom(p.Dst(), id), Remote: netip.AddrPortFrom(p.Src(), 0), Proto: ip6.ProtoICMPv6}
		f := h.answer(p, ip6.ProtoICMPv6)
		h.buf = ip6.AppendEcho(h.buf[:0], f, ip6.TypeEchoReply, id, binary.BigEndian.Uint16(m[6:]), m[8:])
		h.reply(p, key, now, send)
	case len(m) >= 24 && m[0] == typeSolicitation && h.cfg.MAC != [6]byte{}:
		h.solicited(p, m, send)
	}
}

func (h *Host) udp(p ip6.Packet, off int, now time.Time, send func([]byte)) {
	u := p[off:]
	n := int(binary.BigEndian.Uint16(u[4:])) // the checksum was good: 8 or more, and within u
	src, dst := binary.BigEndian.Uint16(u), binary.BigEndian.Uint16(u[2:])
	if !slices.Contains(h.cfg.EchoPorts, dst) {
		h.counters.ClosedPort++
		h.fail(p, ip6.TypeDestinationUnreachable, ip6.CodePort, 0, now, send)
		return
	}
	// Two echo ports would keep each other busy for ever.
	if slices.Contains(h.cfg.EchoPorts, src) || src == 0 {
		return
	}
	key := hbh.Key{Local: netip.AddrPortFrom(p.Dst(), dst), Remote: netip.AddrPortFrom(p.Src(), src), Proto: ip6.ProtoUDP}
	probe, res := h.udpOptions(p, u, key, now)
	if probe {
		h.observe(p, key, now)
		return
	}
	h.counters.UDPEchoes++
	if h.datagram(key, u[8:n], res) {
		h.reply(p, key, now, send)
	}
}

func (h *Host) answer(p ip6.Packet, next uint8) ip6.Fields {
	return ip6.Fields{NextHeader: next, HopLimit: 64, Src: p.Dst(), Dst: p.Src(), TrafficClass: p.TrafficClass(), FlowLabel: p.FlowLabel()}
}

// reply sends h.buf, the answer to p, with the option if the flow has
// something to say.
func (h *Host) reply(p ip6.Packet, key hbh.Key, now time.Time, send func([]byte)) {
	h.observe(p, key, now)
	h.withDue(key, true, now, send)
}

// observe takes what p, which was validated, says about its path.
func (h *Host) observe(p ip6.Packet, key hbh.Key, now time.Time) {
	if h.mtu != nil {
		h.mtu.Received(now, key, hbh.Observe(p, ip6.Limits{}))
	}
}

// withDue sends h.buf with the option if one is due.
func (h *Host) withDue(key hbh.Key, data bool, now time.Time, send func([]byte)) {
	if h.mtu != nil {
		if o, ok := h.mtu.Outgoing(now, key, len(h.buf)+hbh.HeaderLen, data); ok && h.withOption(o) {
			h.send(h.out, send)
			return
		}
	}
	h.send(h.buf, send)
}

// withOption puts the packet in h.buf behind a Hop-by-Hop header, into h.out.
func (h *Host) withOption(o hbh.Option) bool {
	var err error
	h.out, err = ip6.AppendInserted(h.out[:0], ip6.Packet(h.buf), 6, ip6.HeaderLen, ip6.ProtoHopByHop, o.AppendHeader(nil, 0))
	if err != nil || len(h.out) > h.cfg.LinkMTU {
		return false
	}
	h.counters.MinPMTU++
	return true
}

func (h *Host) send(pkt []byte, send func([]byte)) {
	if len(pkt) > h.cfg.LinkMTU {
		h.counters.TooLong++
		return
	}
	send(pkt)
}

// Next is when Poll has something to send, the zero time: after an event.
func (h *Host) Next() (at time.Time) {
	if h.mtu != nil {
		at = h.mtu.Next()
	}
	if h.probes != nil {
		if n := h.probes.Next(); at.IsZero() || !n.IsZero() && n.Before(at) {
			at = n
		}
	}
	return at
}

// Poll sends the answers that no other packet took along.
func (h *Host) Poll(now time.Time, send func(pkt []byte)) {
	h.pollProbes(now, send)
	for h.mtu != nil {
		key, o, ok := h.mtu.Poll(now)
		if !ok {
			return
		}
		// An echo reply that nobody asked for would be dropped.
		if key.Proto == ip6.ProtoUDP && h.datagram(key, nil, nil) && h.withOption(o) {
			h.counters.MinPMTUEmpty++
			h.send(h.out, send)
		}
	}
}
