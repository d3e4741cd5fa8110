package trace

import (
	"time"

	"pathmtu/probe"
)

// phase is what a Trace is busy with.
type phase uint8

const (
	findHops phase = iota
	findEnd
	findShrinks
	tryOptions
	followMinPMTU
	tryTruncation
	tryMSS
	findMore // shrinks before the last one
	finished
)

// A Trace looks at the path to one host. Drive it as a probe.Session:
//
//	for !t.Done() {
//		for {
//			p, ok := t.Poll(now) // send p.Data; on failure call t.SendFailed
//			if !ok { break }
//		}
//		// wait until t.Next(), or until something arrives:
//		// t.Received or t.Queued, t.Interrupt
//	}
//	r := t.Report()
//
// It isn't safe for concurrent use.
type Trace struct {
	cfg     Config
	v6      bool
	phase   phase
	started time.Time
	ended   time.Time
	problem string

	nextID    probe.ID
	sent      map[probe.ID]*sentPacket
	questions []*question // of the present step
	buckets   map[int]*bucket
	random    uint64
	slowest   time.Duration // the longest round trip
	lastSent  time.Time
	retryAt   time.Time
	transient int

	packets, lost, errors int
	small                 int // of those lost, packets that get everywhere
	bytes                 int64

	hops     []Hop // index 0: hop 1
	asked    []*question
	nearer   *question // is the target nearer than it seems?
	distance int       // of the target; 0: it did not answer
	halt     bool
	session  *probe.Session
	outcomes []probe.Outcome
	claims   []claim
	steps    steps
	shrinks  []Shrink
	options  []OptionFate
	plan     optionPlan
	idle     bool // the present phase has nothing to do
	armAsks  map[Arm]*question
	minAsks  []*question
	truncAsk *question
	trunc    *truncation
	mssAsks  []*question
	synAck   int // MSS of the target's SYN-ACK; 0: none came

	buf, inner []byte
}

// Packet is a packet to send at once. Data is valid until the next call.
type Packet struct {
	ID       probe.ID
	HopLimit int
	Size     int // of the IP packet that it makes
	Data     []byte
}

// gap is the least time between two packets.
const gap = 2 * time.Millisecond

// New returns a Trace. It returns a *probe.ConfigError if a field of cfg is out
// of range.
func New(cfg Config) (*Trace, error) {
	c, err := cfg.normalise()
	if err != nil {
		return nil, err
	}
	return &Trace{
		cfg: c, v6: c.v6(), nextID: 1, random: c.Seed | 1,
		sent: make(map[probe.ID]*sentPacket), buckets: make(map[int]*bucket), armAsks: make(map[Arm]*question),
	}, nil
}

// Done says that the Trace has ended: nothing more is to be sent.
func (t *Trace) Done() bool { return t.phase == finished }

// Poll returns a packet to send now, if one is due.
func (t *Trace) Poll(now time.Time) (Packet, bool) {
	if t.started.IsZero() {
		t.started = now
	}
	t.expire(now)
	t.advance(now)
	if t.Done() || t.overBudget(now) || now.Before(t.lastSent.Add(gap)) || now.Before(t.retryAt) {
		return Packet{}, false
	}
	if t.session != nil {
		s, ok := t.session.Poll(now)
		if !ok {
			t.advance(now)
			return Packet{}, false
		}
		return t.sendSession(now, s), true
	}
	waiting := 0
	for _, q := range t.questions {
		if q.result == open && q.packet != nil {
			waiting++
		}
	}
	if waiting >= maxOutstanding {
		return Packet{}, false
	}
	for _, q := range t.questions {
		if at, ok := t.due(now, q); ok && !now.Before(at) {
			return t.sendQuestion(now, q), true
		}
	}
	return Packet{}, false
}

// Next returns when to call Poll again without a further event; the zero time
// once the Trace is done.
func (t *Trace) Next() time.Time {
	if t.Done() {
		return time.Time{}
	}
	if t.started.IsZero() {
		return time.Unix(0, 0)
	}
	at := t.started.Add(t.cfg.Budget.Time)
	sooner := func(x time.Time) {
		x = later(later(x, t.lastSent.Add(gap)), t.retryAt)
		if x.Before(at) {
			at = x
		}
	}
	if t.session != nil {
		if n := t.session.Next(); !n.IsZero() {
			sooner(n)
		}
		return at
	}
	waiting := 0
	for _, q := range t.questions {
		if q.result == open && q.packet != nil {
			waiting++
			sooner(q.packet.until)
		}
	}
	if waiting < maxOutstanding {
		for _, q := range t.questions {
			if x, ok := t.due(later(t.lastSent, t.ration(q).at), q); ok {
				sooner(x)
			}
		}
	}
	return at
}

func (t *Trace) overBudget(now time.Time) bool {
	b := t.cfg.Budget
	switch {
	case t.packets >= b.Packets:
		t.fail(now, "the budget of packets is used up")
	case t.bytes >= b.Bytes:
		t.fail(now, "the budget of bytes is used up")
	case !now.Before(t.started.Add(b.Time)):
		t.fail(now, "the time is used up")
	default:
		return false
	}
	return true
}

// fail ends the Trace early, with what it knows.
func (t *Trace) fail(now time.Time, problem string) {
	if t.Done() {
		return
	}
	t.problem = problem
	if t.session != nil {
		t.session.Interrupt(now)
		t.closeSession()
	}
	t.finish(now)
}

func (t *Trace) finish(now time.Time) {
	t.harvest()
	t.phase, t.ended = finished, now
}

// Interrupt ends the Trace with what it knows.
func (t *Trace) Interrupt(now time.Time) {
	if t.started.IsZero() {
		t.started = now
	}
	t.fail(now, "interrupted")
}

// remember registers a packet that is about to be sent.
func (t *Trace) remember(now time.Time, s spec, size int) *sentPacket {
	p := &sentPacket{id: t.nextID, spec: s, at: now, until: now.Add(t.timeout())}
	t.nextID++
	t.sent[p.id] = p
	t.packets++
	t.bytes += int64(size)
	t.lastSent = now
	return p
}

func (t *Trace) sendQuestion(now time.Time, q *question) Packet {
	s := q.spec
	if q.checking {
		s.arm, s.size, s.limit = Plain, t.cfg.small(), q.checkLimit()
	}
	t.ration(q).take(now)
	p := t.remember(now, s, s.size)
	p.q, p.checks, q.packet = q, q.checking, p
	t.buf = t.buf[:0]
	switch {
	case s.arm == tcpSYN:
		t.buf = t.cfg.syn(t.buf, p.id, s)
	case !t.cfg.Whole:
		t.buf = t.cfg.payload(t.buf, p.id, s)
	default:
		t.inner = t.cfg.payload(t.inner[:0], p.id, s)
		t.buf = t.cfg.udp(t.buf, p.id, s, t.inner)
	}
	t.note(p)
	return Packet{ID: p.id, HopLimit: s.limit, Size: s.size, Data: t.buf}
}

// note keeps what a short quote of the packet in buf can be compared with.
func (t *Trace) note(p *sentPacket) {
	p.payload = !t.cfg.Whole
	if p.payload {
		return
	}
	if q, ok := parseQuote(t.buf, t.v6); ok {
		p.ipid, p.proto, p.start = q.id, q.proto, [8]byte(q.transport)
	}
}

// SendFailed says that the packet of the last Poll was not sent.
func (t *Trace) SendFailed(now time.Time, id probe.ID, f probe.Failure) {
	p := t.sent[id]
	if t.Done() || p == nil {
		return
	}
	delete(t.sent, id)
	t.packets--
	t.bytes -= int64(p.spec.size)
	if p.session != 0 && t.session != nil {
		t.session.SendFailed(now, p.session, f)
		return
	}
	if p.q != nil && p.q.packet == p {
		p.q.packet = nil
	}
	const maxTransients = 100
	switch {
	case f.Transient && t.transient < maxTransients:
		t.transient++
		t.retryAt = now.Add(10 * time.Millisecond)
	case f.TooBig && p.q != nil && !p.checks:
		p.q.end(unknown)
	default:
		t.fail(now, "sending failed: "+f.Err.Error())
	}
}
