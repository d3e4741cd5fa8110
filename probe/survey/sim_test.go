package survey

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pathmtu/internal/ip6"
	"pathmtu/internal/netlab/internet"
	"pathmtu/results"
)

// sim runs an Engine against a simulated Internet in virtual time.
type sim struct {
	t      testing.TB
	world  *internet.World
	engine *Engine
	reader *Reader
	queue  internet.Queue
	now    time.Time
	finals map[netip.Addr]Final
	sent   map[netip.Addr]int
	// mangle, if set, sees every packet that comes back, and returns those that
	// arrive instead.
	mangle func(p []byte) [][]byte
	// most, if set, is the largest packet that this system sends. Bytes.
	most int
	// seen, if set, sees every probe.
	seen func(s Send)
}

var epoch = time.Unix(1_700_000_000, 0)

const simPort = 40000

func targetsOf(t testing.TB, family, n int) *List {
	seq, err := internet.Targets(7, family, n)
	require.NoError(t, err)
	l := &List{}
	for a := range seq {
		require.NoError(t, l.Add(a.String()))
	}
	return l
}

func setOf(t testing.TB, lists ...*List) *Set {
	all := &List{}
	for _, l := range lists {
		all.spans = append(all.spans, l.spans...)
	}
	s, _, err := Selection{Lab: true}.Select(all)
	require.NoError(t, err)
	return s
}

func newSim(t testing.TB, w internet.Config, c Config, set *Set) *sim {
	world, err := internet.New(w)
	require.NoError(t, err)
	s := &sim{t: t, world: world, now: epoch, finals: map[netip.Addr]Final{}, sent: map[netip.Addr]int{}}
	c.Key = Key{1, 2, 3}
	c.LocalPort, c.Source4 = simPort, internet.Source4
	if c.Link4 == 0 {
		c.Link4, c.Link6 = w.Edge, w.Edge
	}
	c.Final = func(f Final) {
		_, twice := s.finals[f.Addr]
		require.False(t, twice, "two results for %v", f.Addr)
		s.finals[f.Addr] = f
	}
	s.engine, err = New(c, set, nil, s.now)
	require.NoError(t, err)
	s.reader = NewReader(c)
	return s
}

// run goes on until everything is measured.
func (s *sim) run() {
	for !s.engine.Done() {
		s.step()
		require.Less(s.t, s.now.Sub(epoch), 24*time.Hour, "the survey doesn't come to an end")
	}
}

func (s *sim) step() {
	s.queue.Advance(s.now.Sub(epoch))
	for {
		p, ok := s.queue.Pop()
		if !ok {
			break
		}
		all := [][]byte{p}
		if s.mangle != nil {
			all = s.mangle(append([]byte(nil), p...))
		}
		for _, p := range all {
			s.receive(p)
		}
	}
	for {
		var buf [512]byte
		p, ok := s.engine.Poll(s.now, buf[:0])
		if !ok {
			break
		}
		if s.most != 0 && p.Size > s.most {
			s.engine.SendFailed(s.now, p, Failure{TooBig: true, Err: errors.New("message too long")})
			continue
		}
		s.sent[p.To]++
		if s.seen != nil {
			s.seen(p)
		}
		s.world.Handle(s.now.Sub(epoch), packetOf(s.t, p), &s.queue)
	}
	next := s.engine.Next(s.now)
	if s.queue.Pending() > 0 {
		if soon := s.now.Add(time.Millisecond); soon.Before(next) {
			next = soon
		}
	}
	if !next.After(s.now) {
		next = s.now.Add(100 * time.Microsecond)
	}
	s.now = next
}

// receive does what sockets do: it strips headers.
func (s *sim) receive(p []byte) {
	const kept = 512 // of each message
	v4 := p[0]>>4 == 4
	header, proto := 40, p[6]
	if v4 {
		if binary.BigEndian.Uint16(p[6:])&0x3fff != 0 {
			s.reassemble(p)
			return
		}
		header, proto = 20, p[9]
	}
	from, _ := netip.AddrFromSlice(p[12:16])
	if !v4 {
		from, _ = netip.AddrFromSlice(p[8:24])
	}
	b := p[header:]
	var a Answer
	var ok bool
	if proto == 17 {
		if binary.BigEndian.Uint16(b[2:]) != simPort {
			return
		}
		a, ok = s.reader.Datagram(netip.AddrPortFrom(from, binary.BigEndian.Uint16(b)), b[8:])
	} else {
		a, ok = s.reader.ICMP(from, b[:min(len(b), kept)], len(b))
	}
	if ok {
		s.engine.Receive(s.now, &a)
	}
}

var parts []byte

// reassemble does so with fragments that arrive in order.
func (s *sim) reassemble(p []byte) {
	field := binary.BigEndian.Uint16(p[6:])
	if field&0x1fff == 0 {
		parts = append([]byte(nil), p[:20]...)
	}
	parts = append(parts, p[20:]...)
	if field&0x2000 == 0 && len(parts) > 20 {
		whole := parts
		whole[6], whole[7] = 0, 0
		parts = nil
		s.receive(whole)
	}
}

// packetOf makes the whole IP packet of a probe.
func packetOf(t testing.TB, s Send) []byte {
	upper := append(append([]byte(nil), s.Head...), s.Tail...)
	v4 := s.To.Is4()
	if s.Method != ICMP {
		u := make([]byte, 8, 8+len(upper))
		binary.BigEndian.PutUint16(u, simPort)
		binary.BigEndian.PutUint16(u[2:], s.Port)
		binary.BigEndian.PutUint16(u[4:], uint16(8+len(upper)))
		upper = append(u, upper...)
	}
	var p []byte
	proto := map[bool]uint8{true: 1, false: 58}[v4]
	if s.Method != ICMP {
		proto = 17
	}
	var pseudo ip6.Sum
	dst := s.To.AsSlice()
	if v4 {
		p = make([]byte, 20, 20+len(upper))
		p[0], p[6], p[8], p[9] = 0x45, 0x40, 64, proto
		binary.BigEndian.PutUint16(p[2:], uint16(20+len(upper)))
		copy(p[12:], internet.Source4.AsSlice())
		copy(p[16:], dst)
		binary.BigEndian.PutUint16(p[10:], ip6.Sum(0).Add(p).Checksum())
		if proto == 17 {
			pseudo = ip6.Sum(0).Add(p[12:20]).Word(uint16(len(upper))).Word(17)
		}
	} else {
		p = make([]byte, 40, 40+len(upper))
		p[0], p[6], p[7] = 0x60, proto, 64
		binary.BigEndian.PutUint16(p[4:], uint16(len(upper)))
		copy(p[8:], internet.Source6.AsSlice())
		copy(p[24:], dst)
		pseudo = ip6.Sum(0).Add(p[8:40]).Long(uint32(len(upper))).Word(uint16(proto))
	}
	switch {
	case proto == 17:
		binary.BigEndian.PutUint16(upper[6:], pseudo.Add(upper).Checksum())
	case proto == 58:
		binary.BigEndian.PutUint16(upper[2:], pseudo.Add(upper).Checksum())
	default:
		require.Equal(t, uint16(0xffff), ip6.Sum(0).Add(upper).Fold(), "ICMP checksum of a probe of %d bytes", s.Size)
	}
	p = append(p, upper...)
	require.Len(t, p, s.Size)
	return p
}

// tally compares results with the truth.
type tally struct {
	all, right, above, measured, packets int
	verdicts                             int // that are right
	wrong                                []Final
}

func (s *sim) score() tally {
	var y tally
	for a, f := range s.finals {
		h := s.world.Host(a)
		y.all++
		y.packets += f.Sent
		if f.PMTU > h.MTU {
			y.above++
		}
		if f.PMTU != 0 {
			y.measured++
		}
		if f.Verdict == h.Verdict(f.Method.String()) {
			y.verdicts++
		}
		want := h.Visible(f.Method.String())
		ok := f.PMTU == want
		if want == 0 {
			ok = f.PMTU == 0 && f.Verdict == results.Unresponsive
		}
		if ok {
			y.right++
		} else {
			y.wrong = append(y.wrong, f)
		}
	}
	return y
}

func asReader(s string) *strings.Reader { return strings.NewReader(s) }

// heap returns the bytes that live on the heap.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
