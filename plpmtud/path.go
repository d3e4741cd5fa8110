package plpmtud

import "time"

// A Path discovers and keeps the largest PL size that one path carries, as
// RFC 8899 says. It does no I/O, reads no clock and allocates nothing after New.
// It is not safe for concurrent use; the caller passes the time, which must not
// go back.
type Path struct {
	search Search
	trace  func(Event)
	epoch  time.Time // what instants count from

	lastSent instant // of the newest probe
	timerAt  instant // SearchComplete: CONFIRMATION_TIMER; Error: no probe before
	raiseAt  seconds // SearchComplete: PMTU_RAISE_TIMER
	ptbUntil seconds // no larger size before (RFC 8201 section 4)
	hintAt   seconds // the last hop-by-hop hint that cost a probe

	nextID  ProbeID
	firstID ProbeID               // answers to older probes say nothing about the path as it is now
	probes  [keptProbes]sentProbe // the newest, by ID modulo keptProbes

	set       settings
	stability stability
	hole      blackHole
	grey      greyHole

	rtt, lossDelay micros // smoothed; 0: not known

	size      uint16 // PLPMTU, the search's floor
	max       uint16 // MAX_PLPMTU as it is now
	ceil      uint16 // largest size still possible
	next      uint16 // size of the next probe, 0: none due
	candidate uint16 // size that a hint named, 0: none
	lost      [maxLost]LostSize
	nLost     uint8

	state       State
	count       uint8 // PROBE_COUNT
	confirm     confirmation
	confirmLost uint8
	backoff     uint8 // Error: how often MIN_PLPMTU was validated in vain
	gaveUp      bool  // ceil is just below a size that was lost too often
	flying      bool  // the newest probe is in flight
	minProbing  bool  // Error: MIN_PLPMTU is being validated
	idle        bool
}

// settings is what is needed of a Config after New.
type settings struct {
	probeTimeout, raise, confirm millis
	interval                     micros
	overhead, header, min, base  uint16
	maxProbes                    uint8
	layer                        Layer
	perSize, softCap             bool
}

// Times are kept small: a Path is to fit into 256 bytes.
type (
	instant int64  // nanoseconds after Path.epoch; 0: never
	seconds uint32 // the same in seconds, rounded up; 0: never
	millis  uint32 // a duration; 0: off
	micros  uint32 // a duration; 0: not known
)

func (t instant) seconds() seconds       { return seconds((t + 1e9 - 1) / 1e9) }
func (s seconds) instant() instant       { return instant(s) * 1e9 }
func (m millis) instant() instant        { return instant(m) * 1e6 }
func (m micros) duration() time.Duration { return time.Duration(m) * time.Microsecond }

func toMillis(d time.Duration) millis { return millis(max(d, 0) / time.Millisecond) }

// keptProbes is how many probes are remembered for late acknowledgements.
const keptProbes = 4

type sentProbe struct {
	size uint16
	fate fate
}

type fate uint8

const (
	inFlight fate = iota
	lostInFlight
	withdrawn // EMSGSIZE or a hint took it back; an answer still counts
	answered
)

// confirmation says why the PLPMTU itself is being probed.
type confirmation uint8

const (
	notConfirming    confirmation = iota
	confirmOnce                   // one probe; losing it changes nothing
	confirmOrFall                 // losing MAX_PROBES of them is a black hole
	confirmSuspicion              // the same, asked for by the black-hole detector
)

// New returns a Path in state DISABLED. It returns a *ConfigError if a field of
// cfg is out of range.
func New(cfg Config) (*Path, error) {
	c, err := cfg.normalise()
	if err != nil {
		return nil, err
	}
	return &Path{
		search: c.Search,
		trace:  c.Trace,
		set: settings{
			probeTimeout: toMillis(c.ProbeTimeout), raise: toMillis(c.RaiseInterval), confirm: toMillis(c.ConfirmInterval),
			interval: micros(c.ProbeInterval / time.Microsecond),
			overhead: uint16(c.Overhead), header: uint16(c.Header), min: uint16(c.Min), base: uint16(c.Base),
			maxProbes: uint8(c.MaxProbes), layer: c.Layer,
			perSize: c.PerSize || c.Search.Counting() == PerSize, softCap: c.SoftCap,
		},
		size: uint16(c.Min), max: uint16(c.Max), ceil: uint16(c.Max),
		nextID: 1, firstID: 1,
	}, nil
}

// Start says that the peer was reached, by datagrams of up to confirmed bytes
// of PL size (0: of no particular size). If that is at least BASE_PLPMTU, the
// search begins; otherwise BASE_PLPMTU is probed first. Calling Start again
// says that the path is another one: answers to older probes are ignored from
// then on (RFC 8899 section 5.2, D3-g). While MAX_PLPMTU is below MIN_PLPMTU the
// state stays DISABLED.
func (p *Path) Start(now time.Time, confirmed int) {
	t := p.at(now)
	p.forget()
	p.stability = stability{}
	p.rtt, p.lossDelay = 0, 0
	p.lastSent, p.ptbUntil, p.hintAt = 0, 0, 0
	p.setCeil(p.max, false)
	p.clearEvidence()
	p.hole = blackHole{}
	if p.max < p.set.min {
		p.disable(t, LocalLimit)
		return
	}
	confirmed = min(confirmed, int(p.max))
	if confirmed >= int(p.base()) {
		p.setSize(t, uint16(confirmed), Started)
		p.enter(t, Searching, Started)
	} else {
		p.setSize(t, p.min(), Started)
		p.enter(t, Base, Started)
	}
	p.advance(t)
}

// Stop says that connectivity was lost: the state becomes DISABLED, and
// nothing is probed until the next Start.
func (p *Path) Stop(now time.Time) {
	t := p.at(now)
	p.disable(t, Stopped)
}

func (p *Path) disable(t instant, cause Cause) {
	p.forget()
	p.clearEvidence()
	p.setSize(t, min(p.size, p.min()), cause)
	p.enter(t, Disabled, cause)
	p.next = 0
}

// PLPMTU returns the largest PL size that may be used now, in bytes. It rises
// only when a datagram of exactly that size was acknowledged.
func (p *Path) PLPMTU() int { return int(p.size) }

// MPS returns how many bytes of the packetization layer's own payload fit into
// one datagram now: PLPMTU less Config.Header (RFC 8899 section 4.4), or less
// while a soft cap is in force (Config.SoftCap).
func (p *Path) MPS() int {
	return max(min(int(p.size), p.softLimit())-int(p.set.header), 0)
}

// MTU returns the size of the largest IP packet that may be used now, in
// bytes: PLPMTU plus Config.Overhead.
func (p *Path) MTU() int { return int(p.size) + int(p.set.overhead) }

// State returns the state of RFC 8899 section 5.2.
func (p *Path) State() State { return p.state }

// base is BASE_PLPMTU, which is never above MAX_PLPMTU (section 5.1.2).
func (p *Path) base() uint16 { return min(p.set.base, p.max) }

// min is MIN_PLPMTU, likewise.
func (p *Path) min() uint16 { return min(p.set.min, p.max) }

func (p *Path) at(now time.Time) instant {
	if p.epoch.IsZero() {
		p.epoch = now.Add(-1) // so that no instant is 0
	}
	return instant(now.Sub(p.epoch))
}

func (p *Path) time(t instant) time.Time { return p.epoch.Add(time.Duration(t)) }

// forget makes the answers to all probes so far meaningless.
func (p *Path) forget() {
	p.firstID = p.nextID
	p.flying = false
}

func (p *Path) clearEvidence() {
	p.nLost, p.count, p.candidate = 0, 0, 0
	p.confirm, p.confirmLost = notConfirming, 0
}

// enter changes the state and starts what belongs to it.
func (p *Path) enter(t instant, s State, cause Cause) {
	from := p.state
	p.state = s
	p.count = 0
	p.raiseAt, p.timerAt = 0, 0
	p.minProbing = false
	if s == SearchComplete {
		p.candidate = 0
		if p.set.raise > 0 {
			p.raiseAt = max((t + p.set.raise.instant()).seconds(), p.ptbUntil)
		}
		if p.set.layer == Unacknowledged {
			p.timerAt = t + p.set.confirm.instant()
		}
	}
	if from != s {
		p.emit(t, Event{Kind: StateChange, Cause: cause, From: from, To: s})
	}
}

// setSize changes the PLPMTU. The caller has an acknowledgement of exactly
// that size, if it is a rise.
func (p *Path) setSize(t instant, size uint16, cause Cause) {
	old := p.size
	if old == size {
		return
	}
	p.size = size
	p.grey = greyHole{}
	p.emit(t, Event{Kind: SizeChange, Cause: cause, Old: int(old), New: int(size), Size: int(size)})
}

func (p *Path) emit(t instant, e Event) {
	if p.trace == nil {
		return
	}
	e.Time = p.time(t)
	if e.Kind != StateChange {
		e.From, e.To = p.state, p.state
	}
	if e.Kind != SizeChange {
		e.Old, e.New = int(p.size), int(p.size)
	}
	p.trace(e)
}
