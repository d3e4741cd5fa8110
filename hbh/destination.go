package hbh

import (
	"net/netip"
	"time"
)

// Destination is what all flows to one remote address know together (RFC 9268
// section 6.3). Paths to one address can differ between flows (ECMP), so it
// is where a new flow begins, and never proof for it.
type Destination struct {
	addr netip.Addr
	used time.Time
	// Confirmed is the largest size in bytes of a whole IP packet that a flow to
	// this address has proven by an acknowledged probe, and not taken back.
	Confirmed int
	// Suggested is the last hint of a flow to this address.
	Suggested int
}

// Start is the size that a new flow's PLPMTUD may begin with: the confirmed
// one, or less if the option has since reported less. 0: nothing is known.
func (d Destination) Start() int {
	if d.Suggested > 0 && d.Suggested < d.Confirmed {
		return d.Suggested
	}
	return d.Confirmed
}

// Confirmed tells the size in bytes of a whole IP packet that PLPMTUD uses for
// the flow, proven by an acknowledged probe or lowered by a lack of them. Only
// this raises what is remembered about the destination.
func (h *Host) Confirmed(now time.Time, key Key, pmtu int) {
	h.Do(key, func(f *Flow) { f.SetPMTU(pmtu) })
	h.destination(now, key.Remote.Addr()).Confirmed = pmtu
}

// Destination tells what is known about a remote address; the zero value after
// 10 minutes without news, or if nothing ever was.
func (h *Host) Destination(now time.Time, remote netip.Addr) Destination {
	e := h.dests[remote]
	if e == nil {
		return Destination{}
	}
	d := e.Value.(*Destination)
	if now.Sub(d.used) >= destinationAge {
		h.recent.Remove(e)
		delete(h.dests, remote)
		return Destination{}
	}
	return *d
}

// destinationAge is how long a path MTU is remembered (RFC 8201 section 4
// recommends 10 minutes).
const destinationAge = 10 * time.Minute

func (h *Host) suggest(now time.Time, remote netip.Addr, mtu int) {
	h.destination(now, remote).Suggested = mtu
}

// destination is the entry to be written; the least recently used one makes
// room.
func (h *Host) destination(now time.Time, remote netip.Addr) *Destination {
	if e := h.dests[remote]; e != nil {
		d := e.Value.(*Destination)
		if now.Sub(d.used) >= destinationAge {
			d.Confirmed, d.Suggested = 0, 0
		}
		d.used = now
		h.recent.MoveToFront(e)
		return d
	}
	if len(h.dests) >= h.cfg.Destinations {
		last := h.recent.Back()
		delete(h.dests, last.Value.(*Destination).addr)
		h.recent.Remove(last)
	}
	d := &Destination{addr: remote, used: now}
	h.dests[remote] = h.recent.PushFront(d)
	return d
}
