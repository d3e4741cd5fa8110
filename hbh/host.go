package hbh

import (
	"container/heap"
	"container/list"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/time/rate"
)

// Key names a flow. Ports are 0 where the protocol has none; for ICMPv6 echo
// the identifier is the local port.
type Key struct {
	Local, Remote netip.AddrPort
	Proto         uint8 // upper-layer protocol, as in Next Header
}

// HostConfig configures a Host. Zero fields are the defaults stated.
type HostConfig struct {
	// Flow is for flows that the peer began, and the default of Open.
	Flow FlowConfig
	// Flows is the most that are kept; default 4096. When the table is full, the
	// flow of a peer that was used least recently makes room; flows that were
	// opened here never do.
	Flows int
	// Destinations is the most remote addresses whose path MTU is remembered;
	// default 4096, the least recently used one makes room.
	Destinations int
	// ReplyRate is the replies a second, over all flows; default 100.
	// ReplyBurst is how many may go at once; default ReplyRate, at least 1.
	ReplyRate  float64
	ReplyBurst int
}

// Host is a bounded table of flows, one budget of replies, and what is known
// about destinations. Like Flow it reads no clock and does not lock.
type Host struct {
	cfg    HostConfig
	budget Budget
	flows  map[Key]*entry
	guests *list.List // *entry that peers began; least recently used last
	due    deadlines
	dests  map[netip.Addr]*list.Element
	recent *list.List // *Destination; least recently used last

	Evicted uint64 // flows that made room for others
	Refused uint64 // packets of new peers with no room: all flows were opened here
}

type entry struct {
	key   Key
	flow  *Flow
	used  time.Time
	guest *list.Element // nil: opened here
	next  time.Time
	index int // in due; -1: not there
}

// NewHost checks the configuration: the error names the field that is out of
// range.
func NewHost(cfg HostConfig) (*Host, error) {
	var err error
	if cfg.Flow, err = cfg.Flow.withDefaults(); err != nil {
		return nil, err
	}
	for _, n := range []struct {
		name string
		v    *int
		def  int
	}{{"Flows", &cfg.Flows, 4096}, {"Destinations", &cfg.Destinations, 4096}} {
		if *n.v < 0 {
			return nil, fmt.Errorf("hbh: HostConfig.%s %d: want 0 or more", n.name, *n.v)
		}
		if *n.v == 0 {
			*n.v = n.def
		}
	}
	if cfg.ReplyRate < 0 || cfg.ReplyBurst < 0 {
		return nil, fmt.Errorf("hbh: HostConfig.ReplyRate %g and ReplyBurst %d: want 0 or more", cfg.ReplyRate, cfg.ReplyBurst)
	}
	if cfg.ReplyRate == 0 {
		cfg.ReplyRate = 100
	}
	if cfg.ReplyBurst == 0 {
		cfg.ReplyBurst = max(1, int(cfg.ReplyRate))
	}
	h := &Host{cfg: cfg, flows: map[Key]*entry{}, guests: list.New(), dests: map[netip.Addr]*list.Element{}, recent: list.New()}
	h.budget = rate.NewLimiter(rate.Limit(cfg.ReplyRate), cfg.ReplyBurst)
	return h, nil
}

// Open adds a flow that this host began, or takes over one that the peer
// began. A nil Budget becomes the host's. The error says what is wrong with cfg,
// or that all flows are in use. Use the Host's methods for it, so
// that Next and Poll know its deadlines.
func (h *Host) Open(now time.Time, key Key, cfg FlowConfig) error {
	if cfg.Budget == nil {
		cfg.Budget = h.budget
	}
	f, err := NewFlow(cfg)
	if err != nil {
		return err
	}
	if old := h.flows[key]; old != nil {
		f.inherit(old.flow)
		h.Close(key)
	}
	if !h.room() {
		return fmt.Errorf("hbh: HostConfig.Flows: all %d flows are in use", h.cfg.Flows)
	}
	e := &entry{key: key, flow: f, used: now, index: -1}
	h.flows[key] = e
	f.Start(now)
	h.touched(e)
	return nil
}

// Close forgets a flow.
func (h *Host) Close(key Key) {
	e := h.flows[key]
	if e == nil {
		return
	}
	delete(h.flows, key)
	if e.guest != nil {
		h.guests.Remove(e.guest)
	}
	if e.index >= 0 {
		heap.Remove(&h.due, e.index)
	}
}

// Flow is the flow of that key for reading, or nil.
func (h *Host) Flow(key Key) *Flow {
	if e := h.flows[key]; e != nil {
		return e.flow
	}
	return nil
}

// Len is the number of flows.
func (h *Host) Len() int { return len(h.flows) }

// Do calls f with the flow of that key: for Ask, Acked, Lost, Refused,
// SetLinkMTU. false: there is no such flow.
func (h *Host) Do(key Key, f func(*Flow)) bool {
	e := h.flows[key]
	if e == nil {
		return false
	}
	f(e.flow)
	h.touched(e)
	return true
}

// Received is Flow.Received: for packets that the upper layer validated. A
// packet with an option begins a flow when there is none.
func (h *Host) Received(now time.Time, key Key, ob Observed) Report {
	e := h.flows[key]
	if e == nil {
		if ob.Count == 0 {
			return Report{Rejected: NoOption}
		}
		if e = h.admit(now, key); e == nil {
			h.Refused++
			return Report{Rejected: NoOption}
		}
	}
	h.use(e, now)
	r := e.flow.Received(now, ob)
	h.touched(e)
	if r.MTU > 0 {
		h.suggest(now, key.Remote.Addr(), r.MTU)
	}
	return r
}

// Outgoing is Flow.Outgoing; false for a flow that is not known.
func (h *Host) Outgoing(now time.Time, key Key, size int, data bool) (Option, bool) {
	e := h.flows[key]
	if e == nil {
		return Option{}, false
	}
	h.use(e, now)
	o, ok := e.flow.Outgoing(now, size, data)
	h.touched(e)
	return o, ok
}

// Poll returns a flow that should send an empty packet now, and the option to
// put into it. Call it until it returns false.
func (h *Host) Poll(now time.Time) (Key, Option, bool) {
	h.expire(now)
	for len(h.due) > 0 && !h.due[0].next.After(now) {
		e := h.due[0]
		o, ok := e.flow.Poll(now)
		h.touched(e)
		if ok {
			return e.key, o, true
		}
		if e.index >= 0 && !e.next.After(now) {
			break // no progress: never loop here
		}
	}
	return Key{}, Option{}, false
}

// Next is when to call Poll, unless an event comes first. The zero time: not
// before one.
func (h *Host) Next() time.Time {
	if len(h.due) == 0 {
		return time.Time{}
	}
	return h.due[0].next
}

func (h *Host) admit(now time.Time, key Key) *entry {
	if !h.room() {
		return nil
	}
	cfg := h.cfg.Flow
	if cfg.Budget == nil {
		cfg.Budget = h.budget
	}
	f, err := NewFlow(cfg)
	if err != nil {
		return nil // NewHost has checked it
	}
	f.Start(now)
	e := &entry{key: key, flow: f, used: now, index: -1}
	e.guest = h.guests.PushFront(e)
	h.flows[key] = e
	return e
}

// room makes room for one more flow, at the cost of a guest.
func (h *Host) room() bool {
	if len(h.flows) < h.cfg.Flows {
		return true
	}
	last := h.guests.Back()
	if last == nil {
		return false
	}
	h.Evicted++
	h.Close(last.Value.(*entry).key)
	return true
}

func (h *Host) use(e *entry, now time.Time) {
	e.used = now
	if e.guest != nil {
		h.guests.MoveToFront(e.guest)
	}
}

// expire drops guests that were not used for longer than values are kept, a
// few at a time.
func (h *Host) expire(now time.Time) {
	for range 16 {
		last := h.guests.Back()
		if last == nil || now.Sub(last.Value.(*entry).used) < h.cfg.Flow.Age {
			return
		}
		h.Close(last.Value.(*entry).key)
	}
}

// touched moves the flow to its new deadline.
func (h *Host) touched(e *entry) {
	e.next = e.flow.Next()
	switch {
	case e.next.IsZero():
		if e.index >= 0 {
			heap.Remove(&h.due, e.index)
		}
	case e.index < 0:
		heap.Push(&h.due, e)
	default:
		heap.Fix(&h.due, e.index)
	}
}

// deadlines is a heap of flows by their deadline.
type deadlines []*entry

func (d deadlines) Len() int           { return len(d) }
func (d deadlines) Less(i, j int) bool { return d[i].next.Before(d[j].next) }
func (d deadlines) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].index, d[j].index = i, j
}

func (d *deadlines) Push(x any) {
	e := x.(*entry)
	e.index = len(*d)
	*d = append(*d, e)
}

func (d *deadlines) Pop() any {
	old := *d
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*d = old[:len(old)-1]
	e.index = -1
	return e
}
