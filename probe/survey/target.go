package survey

import "time"

// target is what is kept of a target that is being measured. It holds no
// pointer, so that the garbage collector passes it by.
type target struct {
	addr   number
	router number // that sent the last tooBig
	index  uint64 // in this shard's order
	next   int32  // in its list; -1: none
	prev   int32
	sentAt tick // last packet
	start  tick
	bytes  uint32

	size  uint16 // of the last packet
	rtt   uint16 // in rttUnit; 0: not known
	lo    uint16 // largest size that was answered; 0: none
	hi    uint16 // larger ones were reported as too big, or can't be sent
	soft1 uint16 // the size after this was lost, and this is the least such; hi: none was
	soft2 uint16 // the same for a larger one
	hint  uint16 // that a router named, and that is to be tried; 0: none
	claim uint16 // that a router named last
	list  uint16 // that it is in

	seq    uint8 // number of the last packet
	sent   uint8
	lost   uint8
	tries  uint8 // small packets lost in a row
	fails  uint8 // losses of soft1+1
	fails2 uint8 // of soft2+1
	ptbs   uint8
	hop    uint8
	upsets uint8 // sizes that passed and failed
	mark   uint8 // seq of the last large packet
	method uint8 // index in Config.Methods
	state  state
	flags  uint8
}

type state uint8

const (
	connecting state = iota // small packets, until one is answered
	searching
	vouching // a small packet, to make sure that losses were no outage
)

// Flags of a target.
const (
	waiting    = 1 << iota // for an answer to the last packet
	tried                  // the largest size was sent
	following              // a router's number was answered: is it one too few?
	noRoute                // somebody said that it can't be reached
	lied                   // the router's numbers are of no use
	notSmaller             // the last claim was not less than what it was about
	unsent                 // more than hi bytes can't be sent from here
)

// tick counts from the start of an Engine.
type tick uint32

// rttUnit is what round-trip times are kept in: up to 6.5 s.
const rttUnit = 100 * time.Microsecond

const tickTime = 4 * time.Millisecond

func (e *Engine) ticks(now time.Time) tick {
	return tick(now.Sub(e.origin) / tickTime)
}

// inTicks rounds up.
func inTicks(d time.Duration) tick { return tick((d + tickTime - 1) / tickTime) }

// chunk is how many targets are allocated at once: memory follows their number
// without copying.
const chunk = 1 << 12

// pool holds targets by number and finds them by address.
type pool struct {
	chunks [][]target
	free   int32 // first of those that were given back, linked by next; -1: none
	fresh  int32 // numbers that were never used begin here
	n      int   // in use
	table  []int32
	seed   uint64
}

const none = -1

func newPool(seed uint64) *pool {
	p := &pool{free: none, table: make([]int32, 1<<10), seed: seed}
	for i := range p.table {
		p.table[i] = none
	}
	return p
}

func (p *pool) at(id int32) *target { return &p.chunks[id/chunk][id%chunk] }

func (p *pool) slot(n number) uint64 {
	return scramble(scramble(n.hi^p.seed)^n.lo) & uint64(len(p.table)-1)
}

// find returns the target with an address, or none.
func (p *pool) find(n number) int32 {
	mask := uint64(len(p.table) - 1)
	for i := p.slot(n); ; i = (i + 1) & mask {
		id := p.table[i]
		if id == none || p.at(id).addr == n {
			return id
		}
	}
}

// add returns a new target with the address.
func (p *pool) add(n number) int32 {
	if 4*(p.n+1) > 3*len(p.table) {
		p.grow()
	}
	id := p.free
	if id != none {
		p.free = p.at(id).next
	} else {
		id = p.fresh
		p.fresh++
		if int(id/chunk) == len(p.chunks) {
			p.chunks = append(p.chunks, make([]target, chunk))
		}
	}
	*p.at(id) = target{addr: n, next: none, prev: none}
	p.n++
	p.enter(id)
	return id
}

func (p *pool) enter(id int32) {
	mask := uint64(len(p.table) - 1)
	i := p.slot(p.at(id).addr)
	for p.table[i] != none {
		i = (i + 1) & mask
	}
	p.table[i] = id
}

func (p *pool) grow() {
	old := p.table
	p.table = make([]int32, 2*len(old))
	for i := range p.table {
		p.table[i] = none
	}
	for _, id := range old {
		if id != none {
			p.enter(id)
		}
	}
}

// remove gives a target back.
func (p *pool) remove(id int32) {
	mask := uint64(len(p.table) - 1)
	i := p.slot(p.at(id).addr)
	for p.table[i] != id {
		i = (i + 1) & mask
	}
	// Close the gap: move back what would no longer be found.
	for j := i; ; {
		j = (j + 1) & mask
		if p.table[j] == none {
			break
		}
		home := p.slot(p.at(p.table[j]).addr)
		if (j-home)&mask >= (j-i)&mask {
			p.table[i] = p.table[j]
			i = j
		}
	}
	p.table[i] = none
	t := p.at(id)
	*t = target{next: p.free}
	p.free = id
	p.n--
}
