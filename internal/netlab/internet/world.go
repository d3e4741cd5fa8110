package internet

import (
	"encoding/binary"
	"net/netip"
	"time"

	"pathmtu/internal/ip6"
)

// Out takes the packets that a World hands out.
type Out interface {
	// Add returns n bytes to be filled, before the next call, with a packet that
	// comes back after the delay.
	Add(delay time.Duration, n int) []byte
}

// Stats counts packets.
type Stats struct {
	In        uint64 `json:"in"`
	Malformed uint64 `json:"malformed"` // not IP, or with a wrong length or checksum
	Lost      uint64 `json:"lost"`      // by chance, there or on the way back
	TooBig    uint64 `json:"too_big"`
	Expired   uint64 `json:"expired"` // TTL
	Arrived   uint64 `json:"arrived"` // at a host that exists
	Limited   uint64 `json:"limited"` // answers that a rate limit suppressed
	Out       uint64 `json:"out"`
}

// World is a simulated Internet. Host may be called concurrently, Handle not.
type World struct {
	cfg        Config
	mtu4, mtu6 []uint16
	limits     limits
	chance     uint64
	ident      uint16
	ip, upper  []byte // of the packet that is being made
	stats      Stats
}

// New returns a World. It returns a *ConfigError if a field is out of range.
func New(cfg Config) (*World, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return &World{
		cfg:  cfg,
		mtu4: quantiles(cfg.MTU4, 68, cfg.Edge), mtu6: quantiles(cfg.MTU6, 1280, cfg.Edge),
		limits: newLimits(), chance: mix(cfg.Seed),
	}, nil
}

// Config returns the configuration.
func (w *World) Config() Config { return w.cfg }

// Stats returns what was counted.
func (w *World) Stats() Stats { return w.stats }

// trip is one packet on its way.
type trip struct {
	now      time.Duration
	out      Out
	pkt      []byte // the whole packet
	v6       bool
	src, dst netip.Addr
	ttl      int
	df       bool
	proto    uint8
	upper    int // offset of what follows the IP headers
	hbh      bool
	fragment bool
	host     Host
}

// Handle takes one packet that the scanner sends at a time, counted from any
// origin, and hands what comes back to out. It doesn't keep pkt.
func (w *World) Handle(now time.Duration, pkt []byte, out Out) {
	w.stats.In++
	t := trip{now: now, out: out, pkt: pkt}
	if !t.parse() {
		w.stats.Malformed++
		return
	}
	t.host = w.Host(t.dst)
	if w.lost() {
		return
	}
	h := &t.host
	last := h.Hops + 1 // the host itself
	if t.hbh && !h.HopByHop {
		last = 1
	}
	// Each router expires the TTL before it looks at the size.
	for _, b := range [2]struct{ hop, mtu int }{{h.WiderHop, h.Wider}, {h.Bottleneck, h.MTU}} {
		if b.hop != 0 && b.hop < min(t.ttl, last) && len(pkt) > b.mtu && t.df {
			w.tooBig(&t, b.hop, b.mtu)
			return
		}
	}
	if t.ttl < last {
		w.expired(&t, t.ttl)
		return
	}
	if last == 1 {
		return // an unwanted Hop-by-Hop header
	}
	if !h.Exists {
		if h.Unreachable {
			w.unreachable(&t)
		}
		return
	}
	w.stats.Arrived++
	w.arrive(&t)
}

// lost draws whether one packet is lost.
func (w *World) lost() bool {
	if w.cfg.Loss == 0 {
		return false
	}
	w.chance += 0x9e3779b97f4a7c15
	if unit(mix(w.chance)) >= w.cfg.Loss {
		return false
	}
	w.stats.Lost++
	return true
}

func (t *trip) parse() bool {
	b := t.pkt
	if len(b) < 20 {
		return false
	}
	switch b[0] >> 4 {
	case 4:
		return t.parse4(b)
	case 6:
		return t.parse6(b)
	}
	return false
}

func (t *trip) parse4(b []byte) bool {
	t.upper = int(b[0]&15) * 4
	if t.upper < 20 || t.upper > len(b) || int(binary.BigEndian.Uint16(b[2:])) != len(b) {
		return false
	}
	if ip6.Sum(0).Add(b[:t.upper]).Fold() != 0xffff {
		return false
	}
	frag := binary.BigEndian.Uint16(b[6:])
	t.df, t.fragment = frag&0x4000 != 0, frag&0x3fff != 0
	t.ttl, t.proto = int(b[8]), b[9]
	t.src, t.dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	return t.ttl > 0
}

func (t *trip) parse6(b []byte) bool {
	t.v6, t.df = true, true
	p, err := ip6.Parse(b)
	if err != nil || len(p) != len(b) {
		return false
	}
	t.hbh = b[6] == 0
	u, problem := p.FindUpper(ip6.Limits{})
	if problem.Reason != ip6.NoProblem {
		return false
	}
	t.ttl, t.proto, t.upper, t.fragment = int(b[7]), u.Proto, u.Off, u.Fragment()
	t.src, t.dst = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	return t.ttl > 0
}

// sum returns the sum over an upper-layer packet and, where it has one, its
// pseudo-header.
func (t *trip) sum(upper []byte) ip6.Sum {
	var s ip6.Sum
	switch {
	case t.v6:
		s = s.Add(t.pkt[8:40]).Long(uint32(len(upper))).Word(uint16(t.proto))
	case t.proto == protoUDP:
		s = s.Add(t.pkt[12:20]).Word(uint16(len(upper))).Word(protoUDP)
	}
	return s.Add(upper)
}

const (
	protoICMP   = 1
	protoUDP    = 17
	protoICMPv6 = 58

	ttl       = 64
	udpHeader = 8
)
