package stacks

// msquic climbs by 80 bytes of IP packet, with stops at 1280 and 1500, and
// ends at the first size that fails.
type msquic struct {
	over     int
	ip, max  int // bytes of IP packet
	finished bool
	tries    tries
}

const msquicStep = 80

func newMsquic(s Setting) Search {
	over := s.IPHeader + udpHeader
	return &msquic{over: over, ip: s.base(1288-over) + over, max: s.max(1500-over) + over}
}

func (m *msquic) Next() int {
	if m.finished || m.ip >= m.max {
		return 0
	}
	next := min(m.ip+msquicStep, m.max)
	for _, stop := range []int{1280, 1500} {
		if m.ip < stop && stop < next {
			return stop - m.over
		}
	}
	return next - m.over
}

func (m *msquic) Acked() { m.ip, m.tries = m.Next()+m.over, 0 }

func (m *msquic) Lost() { m.finished = m.tries.lost() }

func (m *msquic) Size() int { return m.ip - m.over }

// sctp is Linux SCTP's: the base is probed first; then steps of 32 up to the
// first failure, then of 4. After each failure the last good size is probed
// once more before the search goes on.
type sctp struct {
	ok, high int // high: smallest size that failed, 0: none
	max      int
	probe    int
	tries    tries
}

const (
	sctpBig   = 32
	sctpSmall = 4
	sctpMax   = 9000
)

func newSCTP(s Setting) Search {
	base := 1200
	if s.Base != 0 {
		base = s.Base
	}
	limit := sctpMax
	if s.Max != 0 {
		limit = s.Max
	}
	return &sctp{ok: base, probe: base, max: limit}
}

func (c *sctp) Next() int { return c.probe }

func (c *sctp) Acked() {
	c.ok, c.tries = c.probe, 0
	switch {
	case c.high == 0 && c.ok >= c.max:
		c.probe = 0
	case c.high == 0:
		c.probe = min(c.ok+sctpBig, c.max)
	case c.ok+sctpSmall >= c.high:
		c.probe = 0
	default:
		c.probe = c.ok + sctpSmall
	}
}

func (c *sctp) Lost() {
	if !c.tries.lost() {
		return
	}
	if c.probe == c.ok {
		c.probe = 0 // not even the last good size works any more
		return
	}
	c.high, c.probe = c.probe, c.ok
}

// TooBig is what the kernel knows without a packet.
func (c *sctp) TooBig() { c.high, c.probe = c.probe, c.ok }

func (c *sctp) Size() int { return c.ok }
