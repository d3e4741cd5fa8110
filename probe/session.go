package probe

import (
	"net/netip"
	"time"

	"pathmtu/plpmtud"
	"pathmtu/results"
)

// maxControls is how many control probes in a row may stay unanswered before
// the target is taken to have stopped answering, after it had answered.
const (
	maxControls        = 6
	maxControlsLimited = 10 // where answers are rationed, and others may take their share
)

// maxRepeats bounds how often a size is tried again because its loss proved
// nothing: the control probe after it was lost too.
const maxRepeats = 4

// maxContradictions is how often a Session starts afresh because a size passed
// and failed.
const maxContradictions = 2

// A Session finds the path MTU to one target by one method in one flow. See the
// package's documentation for how to drive it. It isn't safe for concurrent use.
type Session struct {
	cfg    Config
	traits Traits
	v6     bool

	path    *plpmtud.Path
	search  int // counts Paths: the IDs of one mean nothing to another
	hi      int // largest size that can be sent and is to be tried
	started time.Time
	ended   time.Time
	done    bool

	nextID  ID
	sent    map[ID]*sentPacket
	recent  []Packet // the last few, for short quotes
	packets int
	bytes   int64
	errors  int

	connecting bool
	control    *sentPacket // the control probe that is waited for
	controls   int         // control probes unanswered in a row
	now        *attempt    // the size that is being tried
	loads      *weighing   // once the PMTU is known: losses by size

	pace       pacer
	rtt        rtt
	retryAt    time.Time // after a send that failed for lack of buffers
	transients int

	acked          int // largest size that was answered since the last restart
	refused        int // smallest size that somebody reported as too big; 0: none
	refuser        netip.Addr
	loss           map[int]*results.Loss
	failed         map[int]int // losses of a size with control probes answered, since a size as large was answered
	largeSent      time.Time
	ptb            ledger
	signals        signals
	contradictions int

	verdict  results.Verdict
	problem  string
	why      End
	unreach  string // what a router said about the target
	local    int    // what a failed send said about the first hop; 0: none failed
	evidence []string
	pmtu     int // 0: not confirmed

	buf []byte
}

type fate uint8

const (
	pending fate = iota
	answered
	tooBig
	lost
	withdrawn
)

type sentPacket struct {
	Packet
	at     time.Time
	until  time.Time // when it counts as lost
	role   role
	path   plpmtud.ProbeID // 0: not asked for by the Path
	search int             // which search of the Session it belongs to
	fate   fate
}

// attempt is one size that is being tried.
type attempt struct {
	size    int
	path    plpmtud.ProbeID // 0: the Session's own check that a larger size fails
	packet  *sentPacket     // nil: to be sent
	vouched bool            // a control probe sent after it was answered
	repeats int             // times that its loss proved nothing
	doubt   bool            // a control probe after it was lost
}

// Send is a packet to hand to the flow's socket at once.
type Send struct {
	ID   ID
	Size int    // of the IP packet that it makes
	Data []byte // a Method's bytes; valid until the next call
}

// New returns a Session. It returns a *ConfigError if a field of cfg is out of
// range.
func New(cfg Config) (*Session, error) {
	c, err := cfg.normalise()
	if err != nil {
		return nil, err
	}
	hold := c.Method.Traits().Hold
	c.MinTimeout, c.Timeout = max(c.MinTimeout, hold), max(c.Timeout, hold)
	if _, ok := c.Method.(hinter); ok {
		c.Eager = false // the answer to a small packet says where to begin
	}
	t := c.Method.Traits()
	s := &Session{
		cfg: c, traits: t, v6: !c.Target.Unmap().Is4(),
		hi:         min(c.FirstHop, c.Max, t.Max),
		nextID:     1,
		sent:       make(map[ID]*sentPacket),
		connecting: true,
		pace:       newPacer(t, c.Seed),
		loss:       make(map[int]*results.Loss),
		failed:     make(map[int]int),
	}
	return s, nil
}

// Done says that the Session has ended: nothing more is to be sent.
func (s *Session) Done() bool { return s.done }

// Poll returns a packet to send now, if one is due. Call it until it returns
// false, whenever something has happened and at the time that Next names.
func (s *Session) Poll(now time.Time) (Send, bool) {
	if s.started.IsZero() {
		s.started = now
		s.openEagerly(now)
	}
	if !s.done {
		s.expire(now)
	}
	s.settle(now)
	if s.done {
		return Send{}, false
	}
	what, due, ok := s.want(now)
	if !ok || now.Before(due) || s.overBudget(now) {
		return Send{}, false
	}
	return s.send(now, what), true
}

// Next returns when to call Poll again without a further event; the zero time
// once the Session is done.
func (s *Session) Next() time.Time {
	if s.done {
		return time.Time{}
	}
	if s.started.IsZero() {
		return time.Unix(0, 0)
	}
	at := s.started.Add(s.cfg.Budget.Time)
	sooner := func(t time.Time) {
		if !t.IsZero() && t.Before(at) {
			at = t
		}
	}
	if _, due, ok := s.want(s.pace.at); ok {
		sooner(later(due, s.started))
	}
	if s.control != nil {
		sooner(s.control.until)
	}
	if a := s.now; a != nil && a.packet != nil && a.vouched {
		sooner(a.packet.until)
	}
	if s.loads != nil {
		for _, p := range s.loads.pair {
			if p != nil && p.fate == pending {
				sooner(p.until)
			}
		}
	}
	return at
}

// role is what a packet is for.
type role uint8

const (
	sized    role = iota // the size that is being tried
	control              // a small one beside it
	compared             // one of a pair, to compare losses
)

// want returns whether something is to be sent next, what, and when.
func (s *Session) want(now time.Time) (what role, due time.Time, ok bool) {
	what, due, ok = s.wanted(now)
	return what, later(due, s.heldUntil()), ok
}

// heldUntil returns how long an answer may be held back that another packet would
// put an end to.
func (s *Session) heldUntil() (at time.Time) {
	if s.traits.Hold == 0 {
		return at
	}
	packets := []*sentPacket{s.control}
	if s.now != nil {
		packets = append(packets, s.now.packet)
	}
	if s.loads != nil {
		packets = append(packets, s.loads.pair[:]...)
	}
	for _, p := range packets {
		if p != nil && p.fate == pending {
			at = later(at, p.until)
		}
	}
	return at
}

func (s *Session) wanted(now time.Time) (what role, due time.Time, ok bool) {
	const single, pair = 1, 2 // a large packet takes its control probe along
	switch a := s.now; {
	case s.loads != nil:
		_, size := s.weighNext()
		due = later(s.pace.ready(now, single), s.retryAt)
		if size > s.traits.Min {
			due = later(due, s.afterRTT())
		}
		return compared, due, size != 0
	case s.connecting && a == nil:
		return control, later(s.pace.ready(now, single), s.retryAt), s.control == nil
	case a == nil:
		at := s.path.Next() // a probe that is not due yet; settle has seen to the rest
		return sized, later(s.pace.ready(now, pair), at), !at.IsZero()
	case a.packet == nil:
		return sized, later(later(s.pace.ready(now, pair), s.afterRTT()), s.retryAt), true
	case !a.vouched && s.control == nil:
		at := s.companionAt(a)
		if a.doubt { // it is not the first control probe for this packet
			at = later(at, s.pace.ready(now, single))
		}
		return control, later(at, s.retryAt), true
	}
	return sized, time.Time{}, false
}

// afterRTT: at least one round trip lies between two large probes (D8-1).
func (s *Session) afterRTT() time.Time {
	if s.largeSent.IsZero() {
		return time.Time{}
	}
	return s.largeSent.Add(s.rtt.smoothed)
}

// companionAt returns when the control probe for an attempt may leave: when its
// answer should have come, or, where rationed answers have run out before, at
// once if that is too long to wait.
func (s *Session) companionAt(a *attempt) time.Time {
	wait := max(2*s.rtt.smoothed, s.cfg.MinTimeout/4)
	if s.connecting { // the time that an answer takes is not known
		wait = s.cfg.MinTimeout
	} else if s.pace.scarce {
		wait = min(2*s.rtt.smoothed, s.pace.close())
	}
	return a.packet.at.Add(min(wait, a.packet.until.Sub(a.packet.at)))
}

// send makes the next packet. want has said that it is due.
func (s *Session) send(now time.Time, what role) Send {
	p := &sentPacket{Packet: Packet{ID: s.nextID, Size: s.traits.Min}, at: now, role: what, search: s.search}
	switch what {
	case sized:
		p.Size, p.path = s.now.size, s.now.path
		s.now.packet, s.now.vouched, s.now.doubt = p, false, false
	case control:
		s.control = p
	case compared:
		slot, size := s.weighNext()
		p.Size = size
		s.loads.pair[slot] = p
	}
	if p.Size > s.traits.Min {
		s.largeSent = now
	}
	wait := s.rtt.timeout(s.cfg.MinTimeout, s.cfg.Timeout)
	if what == control && s.controls > 0 && !s.connecting {
		wait = min(wait<<s.controls, s.cfg.Timeout)
	}
	p.until = now.Add(wait)
	s.nextID++
	s.sent[p.ID] = p
	s.remember(p.Packet)
	s.packets++
	s.bytes += int64(p.Size)
	s.count(p.Size).Sent++
	s.pace.take(now)
	s.buf = s.cfg.Method.Append(s.buf[:0], p.Packet)
	return Send{ID: p.ID, Size: p.Size, Data: s.buf}
}

// remember keeps the last packets for quotes too short for a token.
func (s *Session) remember(p Packet) {
	const keep = 8
	if len(s.recent) == keep {
		copy(s.recent, s.recent[1:])
		s.recent = s.recent[:keep-1]
	}
	s.recent = append(s.recent, p)
}

func (s *Session) count(size int) *results.Loss {
	l := s.loss[size]
	if l == nil {
		l = &results.Loss{Size: size}
		s.loss[size] = l
	}
	return l
}

func (s *Session) overBudget(now time.Time) bool {
	b, what := s.cfg.Budget, ""
	switch {
	case s.packets >= b.Packets:
		what = "packets"
	case s.bytes >= b.Bytes:
		what = "bytes"
	case now.Sub(s.started) >= b.Time:
		what = "time"
	default:
		return false
	}
	s.fail(now, OverBudget, "budget of "+what+" used up")
	return true
}
