package stacks

// A Search is the search of one stack on one path. It is not safe for
// concurrent use.
type Search interface {
	// Next returns the size to probe next, or 0 when the search is over. It
	// returns the same size until Acked or Lost was called.
	Next() int
	// Acked says that the probe of size Next arrived.
	Acked()
	// Lost says that the probe of size Next was lost.
	Lost()
	// Size returns the size that the stack uses now.
	Size() int
}

// Local is a Search that acts on a probe which the local interface refuses
// (EMSGSIZE). Other searches take it for a lost probe.
type Local interface {
	Search
	// TooBig says that the probe of size Next could not be sent at all.
	TooBig()
}

// Setting says where a search runs. Sizes are bytes of PL size unless noted.
type Setting struct {
	IPHeader  int // bytes: 20 for IPv4, 40 for IPv6
	Interface int // the interface's MTU, bytes of a whole IP packet
	Base      int // confirmed before the search begins; 0: the stack's default
	Max       int // the largest size to look for; 0: the stack's default
}

// Stack names a search and makes it.
type Stack struct {
	Name string
	// Transport is the size of the header between IP and the PL: 8 for UDP.
	Transport int
	// New begins a search. It sets what Setting leaves to the stack.
	New func(Setting) Search
}

// Overhead returns what turns the stack's sizes into whole IP packets.
func (s Stack) Overhead(set Setting) int { return set.IPHeader + s.Transport }

const udpHeader = 8

// local is the largest UDP payload that the interface takes.
func (s Setting) local() int { return s.Interface - s.IPHeader - udpHeader }

// base returns Base, or the stack's default.
func (s Setting) base(own int) int {
	if s.Base != 0 {
		return s.Base
	}
	return own
}

// max returns Max, or the stack's default, but not more than the interface takes.
func (s Setting) max(own int) int {
	if s.Max != 0 {
		return s.Max
	}
	return min(own, s.local())
}

// maxProbes is how often most stacks try one size.
const maxProbes = 3

// tries counts the losses of one size in a row.
type tries int

// lost counts one more, and says whether that was the last try.
func (t *tries) lost() bool {
	*t++
	if *t < maxProbes {
		return false
	}
	*t = 0
	return true
}
