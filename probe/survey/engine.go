package survey

import (
	"fmt"
	"math"
	"net/netip"
	"time"
)

// Counts is what an Engine has done.
type Counts struct {
	Targets  uint64 `json:"targets"`  // of this shard
	Begun    uint64 `json:"begun"`    // in this run
	Finished uint64 `json:"finished"` // in this run
	Active   int    `json:"active"`

	Packets  uint64 `json:"packets_sent"`
	Bytes    uint64 `json:"bytes_sent"` // IP packets
	Failed   uint64 `json:"send_failures"`
	Answers  uint64 `json:"answers"`    // that changed what is known
	Late     uint64 `json:"late"`       // genuine, but about a target that is finished or not begun
	Rejected uint64 `json:"rejected"`   // not genuine
	Deferred uint64 `json:"deferred"`   // packets that had to wait for the rate of their network or AS
	Measured uint64 `json:"measured"`   // targets with a PMTU
	Silent   uint64 `json:"no_answer"`  // unresponsive targets
	Errors   uint64 `json:"unfinished"` // targets that ended without a verdict
	Other    uint64 `json:"other"`      // targets with another verdict and no PMTU
}

// Engine measures the targets of one shard of a Set. It does no I/O, reads no
// clock and draws no randomness. It isn't safe for concurrent use.
type Engine struct {
	cfg    Config
	set    *Set
	order  Order
	probes *probes
	v4, v6 *belief
	top4   int
	top6   int

	origin time.Time // of ticks
	pool   *pool
	wheel  *wheel
	total  meters
	nets   *shared
	as     *shared
	done   *ledger
	counts Counts
}

// Send is one probe, to be sent at once and unfragmented.
type Send struct {
	To     netip.Addr
	Method Kind
	Port   uint16 // destination, unless Method is ICMP
	Size   int    // of the IP packet
	// Head and Tail follow the IP header, or the UDP header if there is one.
	// Tail is shared by all probes and must not be changed.
	Head, Tail []byte

	id int32
}

// Burst is what an Engine that is late may catch up on: in any stretch of time
// it sends at most one packet more than Config.Total allows in that time and
// Burst together. To one network or AS there is no burst: one packet more than
// its rate.
const Burst = 20 * time.Millisecond

// New returns an Engine for the targets of a Set that Progress doesn't say are
// finished; nil: all. Its time begins at now. It returns a *ConfigError if a
// field is out of range, and an error if progress isn't of this shard.
func New(c Config, set *Set, progress *Progress, now time.Time) (*Engine, error) {
	c, err := c.normalise()
	if err != nil {
		return nil, err
	}
	e := &Engine{
		cfg: c, set: set, order: NewOrder(set.Len(), c.Seed), origin: now,
		top4: topOf(c.Link4, c.Max), top6: topOf(c.Link6, c.Max),
		nets: newShared(c.PerNet), as: newShared(c.PerAS),
		pool: newPool(c.Seed),
	}
	e.total = newMeters(c.Total, Burst)
	e.wheel = newWheel(e.pool)
	e.probes, err = newProbes(c.Key, c.Attribution, c.Port, max(e.top4, e.top6))
	if err != nil {
		return nil, err
	}
	e.probes.local = c.LocalPort
	if c.Source4.IsValid() {
		e.probes.source4 = c.Source4.As4()
	}
	if c.Link4 != 0 {
		e.v4 = newBelief(c.Prior, 68, e.top4)
	}
	if c.Link6 != 0 {
		e.v6 = newBelief(c.Prior, 1280, e.top6)
	}
	count := (set.Len() + c.Shards - 1 - c.Shard) / c.Shards
	if e.done, err = newLedger(count, progress); err != nil {
		return nil, err
	}
	e.counts.Targets = count
	return e, nil
}

func topOf(link, most int) int {
	link = min(link, mostSize)
	if most != 0 {
		link = min(link, most)
	}
	return link
}

// Counts returns what was done so far.
func (e *Engine) Counts() Counts {
	c := e.counts
	c.Active = e.pool.n
	return c
}

// Progress returns which targets are finished.
func (e *Engine) Progress() Progress { return e.done.progress() }

// Done says that every target is finished.
func (e *Engine) Done() bool { return e.pool.n == 0 && !e.done.more() }

// Next returns when to call Poll again, if nothing arrives before.
func (e *Engine) Next(now time.Time) time.Time {
	since := now.Sub(e.origin)
	if e.wheel.head[readyList] != none || e.pool.n < e.cfg.Window && e.done.more() {
		return now.Add(e.total.wait(since))
	}
	return e.origin.Add(time.Duration(e.wheel.next()) * tickTime)
}

// mostSkips bounds the work of one Poll.
const mostSkips = 256

// Poll returns a probe to send, if one is due. The head is appended to buf.
// Call it until it returns false.
func (e *Engine) Poll(now time.Time, buf []byte) (Send, bool) {
	at := e.ticks(now)
	for {
		id, ok := e.wheel.expired(at)
		if !ok {
			break
		}
		e.fire(id, now)
	}
	since := now.Sub(e.origin)
	if e.total.wait(since) > 0 {
		return Send{}, false
	}
	for range mostSkips {
		id := e.wheel.head[readyList]
		if id != none {
			e.wheel.unlink(id)
		} else if id = e.admit(now); id == none {
			return Send{}, false
		}
		t := e.pool.at(id)
		if t.state == searching && e.choose(t) == 0 {
			e.proceed(id, now) // an answer has come that was believed lost
			continue
		}
		net, as := netKey(t.addr), uint64(0)
		if e.as != nil {
			as = uint64(e.cfg.Origins.of(t.addr))
		}
		if wait := max(e.nets.wait(since, net), e.as.wait(since, as)); wait > 0 {
			e.counts.Deferred++
			e.wheel.schedule(id, at+inTicks(wait))
			continue
		}
		s := e.send(id, now, buf)
		e.total.take(since, s.Size)
		e.nets.take(since, net, s.Size)
		e.as.take(since, as, s.Size)
		return s, true
	}
	return Send{}, false
}

// gone is the list of a target that is finished.
const gone = math.MaxUint16

// admit begins the next target, if there may be one more.
func (e *Engine) admit(now time.Time) int32 {
	for e.pool.n < e.cfg.Window {
		i, ok := e.done.begin()
		if !ok {
			return none
		}
		e.counts.Begun++
		addr := e.set.at(e.order.At(e.cfg.Shard + i*e.cfg.Shards))
		id := e.pool.add(addr)
		t := e.pool.at(id)
		t.index, t.start = i, e.ticks(now)
		top, belief := e.top6, e.v6
		if addr.is4() {
			top, belief = e.top4, e.v4
		}
		if belief == nil {
			e.fail(id, now, "no route to the address's family")
			continue
		}
		if e.least(t) > top {
			e.fail(id, now, fmt.Sprintf("the largest size to try (%d bytes) is less than a probe takes", top))
			continue
		}
		t.hi = uint16(top)
		t.soft1, t.soft2 = t.hi, t.hi
		return id
	}
	return none
}

func (e *Engine) method(t *target) Kind { return e.cfg.Methods[t.method] }

func (e *Engine) least(t *target) int { return e.probes.least(e.method(t), t.addr.is4()) }

func (e *Engine) belief(t *target) *belief {
	if t.addr.is4() {
		return e.v4
	}
	return e.v6
}

// send makes the next probe to a target that may be sent to.
func (e *Engine) send(id int32, now time.Time, buf []byte) Send {
	t := e.pool.at(id)
	size := e.least(t)
	if t.state == searching {
		size = e.choose(t)
	}
	t.size = uint16(size)
	t.seq++
	t.sent++
	t.flags |= waiting
	if t.state == searching {
		t.mark = t.seq
		t.flags |= tried
	}
	t.sentAt = e.ticks(now)
	t.bytes += uint32(size)
	e.counts.Packets++
	e.counts.Bytes += uint64(size)
	e.wheel.schedule(id, t.sentAt+inTicks(e.timeout(t)))
	s := Send{To: t.addr.addr(), Method: e.method(t), Port: e.probes.destination(e.method(t)), Size: size, id: id}
	head, tail := e.probes.appendHead(buf, t.addr, e.stamp(t))
	s.Head, s.Tail = head[len(buf):], e.probes.padding[:tail]
	return s
}

func (e *Engine) stamp(t *target) stamp { return stamp{t.size, t.seq, e.method(t)} }

// timeout is how long to wait for the answer to the last packet.
func (e *Engine) timeout(t *target) time.Duration {
	const least, slack = 300 * time.Millisecond, 100 * time.Millisecond
	switch {
	case t.state == connecting && int(t.tries)+1 >= e.cfg.Tries:
		return max(e.cfg.Timeout, e.cfg.Cooldown)
	case t.rtt == 0:
		return e.cfg.Timeout
	}
	rtt := time.Duration(t.rtt) * rttUnit
	return min(e.cfg.Timeout, max(2*rtt+slack, least))
}

// gap is the least time between two packets to a target.
func (e *Engine) gap(t *target) time.Duration {
	if t.addr.is4() && e.method(t) == UDP {
		return max(e.cfg.Gap, udpGap4) // Linux sends one "port unreachable" a second
	}
	return e.cfg.Gap
}

const udpGap4 = 1050 * time.Millisecond

// later makes a target, which is in no list, ready after a time since its last
// packet.
func (e *Engine) later(id int32, now time.Time, after time.Duration) {
	t := e.pool.at(id)
	at := t.sentAt + inTicks(after)
	if at <= e.ticks(now) {
		e.wheel.push(id, readyList)
		return
	}
	e.wheel.schedule(id, at)
}

// fire: a target is due. Either it may be sent to, or no answer has come.
func (e *Engine) fire(id int32, now time.Time) {
	t := e.pool.at(id)
	if t.flags&waiting == 0 {
		e.wheel.push(id, readyList)
		return
	}
	t.flags &^= waiting
	t.lost++
	e.silence(id, now)
}

// SendFailed says that a probe of the last Poll was not sent.
func (e *Engine) SendFailed(now time.Time, s Send, f Failure) {
	t := e.pool.at(s.id)
	if t.list == gone || t.flags&waiting == 0 || t.addr != numberOf(s.To) {
		return
	}
	e.counts.Packets--
	e.counts.Bytes -= uint64(s.Size)
	e.counts.Failed++
	t.sent--
	t.seq--
	t.bytes -= uint32(s.Size)
	t.flags &^= waiting
	e.wheel.unlink(s.id)
	switch {
	case f.Transient:
		const again = 20 * time.Millisecond
		e.wheel.schedule(s.id, e.ticks(now)+inTicks(again))
	case f.TooBig && t.state == searching:
		t.hi = uint16(max(s.Size-1, int(t.lo)))
		t.flags |= unsent
		t.clip()
		e.proceed(s.id, now)
	default:
		e.fail(s.id, now, fmt.Sprintf("sending %d bytes: %v", s.Size, f.Err))
	}
}

// Failure says why a probe couldn't be sent.
type Failure struct {
	TooBig    bool // for the first hop's link
	Transient bool // out of buffers: may be tried again
	Err       error
}
