package trace

import (
	"encoding/binary"
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pathmtu/hbh"
	"pathmtu/internal/ip6"
)

// simHop is a router of the simulated path, and the link behind it.
type simHop struct {
	addr    netip.Addr
	mtu     int  // of the link behind it
	dark    bool // sends no Time Exceeded
	noPTB   bool
	lie     int  // what its PTBs say; 0: the truth, -1: 0
	dropHBH bool // drops packets with Hop-by-Hop options
	dropTyp uint8
	fault   uint8 // answers Hop-by-Hop options with Parameter Problem of this code
	lower   bool  // implements RFC 9268
	corrupt bool  // changes Rtn-PMTU
	clamp   int   // MSS
	short   bool  // quotes 8 bytes of the upper layer only (IPv4)
	every   time.Duration
	cached  int // refuses packets above this, though its link would carry them, once another router did
	tokens  float64
	last    time.Time
}

// sim is a path in virtual time, on real bytes.
type sim struct {
	t        *testing.T
	v6       bool
	hops     []simHop
	branches [][]simHop // if any: which one a flow takes is a matter of its hash
	deaf     bool       // the target answers no UDP
	mute     bool       // nor anything else
	echo     bool       // UDP is echoed, with Rtn-PMTU
	opaque   bool       // the target quotes a hop limit of its own
	every    time.Duration
	tokens   float64
	last     time.Time
	loss     float64
	rng      *rand.Rand

	flows   map[uint64]bool // hashes seen, of UDP
	sent    int
	largest int
	queue   []simPacket
	learnt  bool
}

type simPacket struct {
	at time.Time
	b  []byte
}

const oneWay = 3 * time.Millisecond // of each link

var epoch = time.Unix(1_000_000, 0)

func simAddr(v6 bool, n int) netip.Addr {
	if v6 {
		return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(n)})
	}
	return netip.AddrFrom4([4]byte{192, 0, 2, byte(n)})
}

// config is for a trace from address 1 to address 99.
func (s *sim) config(first int) Config {
	return Config{
		Source: simAddr(s.v6, 1), Target: simAddr(s.v6, 99), SourcePort: 40000, Port: 33434, FlowLabel: 0x12345,
		FirstHop: first, Whole: true, TCPPort: 443, TCPSourcePort: 40001, Seed: 7, Key: [16]byte{1, 2, 3},
	}
}

// path sets the hops' addresses: 11, 12, ...
func path(t *testing.T, v6 bool, hops ...simHop) *sim {
	for i := range hops {
		hops[i].addr = simAddr(v6, 11+i)
		hops[i].tokens = 6
	}
	return &sim{t: t, v6: v6, hops: hops, rng: rand.New(rand.NewPCG(1, 2)), flows: map[uint64]bool{}, tokens: 6}
}

// run drives a trace to its end and returns what it found and when it ended.
func (s *sim) run(cfg Config) (Report, time.Duration) {
	tr, err := New(cfg)
	require.NoError(s.t, err)
	now := epoch
	for range 1_000_000 {
		for {
			p, ok := tr.Poll(now)
			if !ok {
				break
			}
			require.Len(s.t, p.Data, p.Size)
			s.forward(now, slices.Clone(p.Data))
		}
		if tr.Done() {
			return tr.Report(), now.Sub(epoch)
		}
		next := tr.Next()
		if len(s.queue) > 0 && !s.queue[0].at.After(next) {
			p := s.queue[0]
			s.queue = s.queue[1:]
			now = later(now, p.at)
			tr.Received(now, p.b)
			continue
		}
		require.False(s.t, next.IsZero())
		now = later(now, next)
		if next.Equal(now) {
			now = now.Add(time.Microsecond)
		}
	}
	s.t.Fatal("the trace doesn't end")
	return Report{}, 0
}

// view is where things are in a packet.
type view struct {
	b     []byte
	v6    bool
	proto uint8
	upper int
	hbh   []byte // Hop-by-Hop header
}

func (s *sim) view(b []byte) view {
	if !s.v6 {
		return view{b: b, proto: b[9], upper: 20}
	}
	p, err := ip6.Parse(b)
	require.NoError(s.t, err)
	u, pr := p.FindUpper(ip6.Limits{})
	require.Zero(s.t, pr.Reason)
	v := view{b: b, v6: true, proto: u.Proto, upper: u.Off}
	if h, _, ok := p.HopByHop(ip6.Limits{}); ok {
		v.hbh = h.Bytes()
	}
	return v
}

func (v view) limit() *byte {
	if v.v6 {
		return &v.b[7]
	}
	return &v.b[8]
}

// flow is what routers hash.
func (v view) flow() uint64 {
	h := fnv.New64a()
	if v.v6 {
		h.Write(v.b[1:4])
		h.Write(v.b[8:40])
	} else {
		h.Write(v.b[12:20])
	}
	h.Write([]byte{v.proto})
	h.Write(v.b[v.upper : v.upper+4])
	return h.Sum64()
}

func take(tokens *float64, last *time.Time, now time.Time, every time.Duration) bool {
	if every == 0 {
		return true
	}
	if !last.IsZero() {
		*tokens = min(6, *tokens+float64(now.Sub(*last))/float64(every))
	}
	*last = now
	if *tokens < 1 {
		return false
	}
	*tokens--
	return true
}

// forward carries a packet along the path.
func (s *sim) forward(now time.Time, b []byte) {
	s.sent++
	s.largest = max(s.largest, len(b))
	v := s.view(b)
	if v.proto == ip6.ProtoUDP {
		s.flows[v.flow()] = true
	}
	hops := s.hops
	if len(s.branches) > 0 {
		hops = s.branches[v.flow()%uint64(len(s.branches))]
	}
	lost := s.rng.Float64() < s.loss
	at := now
	for i := range hops {
		h := &hops[i]
		at = at.Add(oneWay)
		if lost && s.rng.IntN(len(hops)) == 0 {
			return
		}
		back := at.Add(time.Duration(i+1) * oneWay)
		if v.hbh != nil && h.fault != 0 {
			s.answer(back, h, b, 4, h.fault, 42)
			return
		}
		if v.hbh != nil && (h.dropHBH || h.dropTyp != 0 && v.hbh[2] == h.dropTyp) {
			return
		}
		if *v.limit() == 1 {
			if !h.dark && take(&h.tokens, &h.last, at, h.every) {
				s.answer(back, h, b, 3, 0, 0)
			}
			return
		}
		if limit := h.limitNow(s.learnt); len(b) > limit {
			if limit == h.mtu {
				s.learnt = true
			}
			if !h.noPTB {
				s.answer(back, h, b, 2, 0, h.says(limit))
			}
			return
		}
		*v.limit()--
		if v.hbh != nil && v.hbh[2] == hbh.Type {
			if was := binary.BigEndian.Uint16(v.hbh[4:]); h.lower && int(was) > h.mtu {
				binary.BigEndian.PutUint16(v.hbh[4:], uint16(h.mtu))
			}
			if h.corrupt {
				v.hbh[6] ^= 1
			}
		}
		if v.proto == ip6.ProtoTCP && h.clamp != 0 {
			mss := b[v.upper+22:]
			binary.BigEndian.PutUint16(mss, min(binary.BigEndian.Uint16(mss), uint16(h.clamp)))
		}
	}
	if !lost {
		s.arrive(at.Add(oneWay), time.Duration(len(hops)+1)*oneWay, v)
	}
}

func (h *simHop) limitNow(learnt bool) int {
	if learnt && h.cached != 0 {
		return h.cached
	}
	return h.mtu
}

func (h *simHop) says(mtu int) int {
	switch {
	case h.lie > 0:
		return h.lie
	case h.lie < 0:
		return 0
	}
	return mtu
}

// answer sends an ICMP error (with the numbers of ICMPv6) back.
func (s *sim) answer(at time.Time, h *simHop, about []byte, typ, code uint8, param int) {
	s.reply(at, s.message(h.addr, about, typ, code, param, h.short))
}

func (s *sim) reply(at time.Time, b []byte) {
	if s.rng.Float64() < s.loss {
		return
	}
	i, _ := slices.BinarySearchFunc(s.queue, at, func(p simPacket, at time.Time) int {
		if p.at.After(at) {
			return 1
		}
		return -1
	})
	s.queue = slices.Insert(s.queue, i, simPacket{at, b})
}
