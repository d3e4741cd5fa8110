package compare

import (
	"time"

	"pathmtu/internal/pathsim/stacks"
	"pathmtu/plpmtud"
)

// Cost model: an acknowledgement takes one round trip, a lost probe so many
// round trips to be noticed; nothing else takes time.

// LossCosts are the costs of a lost probe that the tables have, in round trips:
// loss detection with traffic, a probe timeout without, timers of 1 s and 15 s
// on a path of 50 ms.
var LossCosts = []float64{1.25, 3.5, 20, 300}

// horizon is for how long unused capacity counts, in round trips.
const horizon = 1000.0

// Range is where a search looks. Sizes are bytes of IP packet.
type Range struct {
	IPHeader  int // 20 for IPv4, 40 for IPv6
	Base, Max int // 0: the contender's own default
	Interface int // MTU of the local interface
}

// Common is the range that all searches get when they are compared.
var Common = Range{IPHeader: ipv4Header, Base: 1228, Max: 1500, Interface: 1500}

const (
	ipv4Header = 20
	ipv6Header = 40
	udpHeader  = 8
)

// A Trial is one path, with its loss.
type Trial struct {
	Range
	PathMTU  int         // bytes of IP packet
	LossCost float64     // round trips
	Lose     func() bool // whether a probe that fits is lost all the same; nil: never
	// TooBig says whether a router answers a probe that does not fit with a
	// Packet Too Big message, which is there after a round trip; nil: never. The
	// baselines don't listen.
	TooBig func() bool
}

// A Contender is a search under comparison.
type Contender struct {
	Name string
	Run  func(Trial) Outcome
}

// Outcome is what one search did on one path.
type Outcome struct {
	Fail         bool // what the search starts from does not fit the path
	Probes, Lost int
	Bytes        int     // of probes, in whole IP packets
	RTTs         float64 // until the search ended
	Final        int     // bytes of IP packet
	Reached      []Reach // sizes as they came into use
}

// Reach is a size that came into use, and when.
type Reach struct {
	Size int // bytes of IP packet
	RTTs float64
}

// reach notes that packets of a size may be used from now on.
func (o *Outcome) reach(size int) {
	if n := len(o.Reached); n == 0 || size > o.Reached[n-1].Size {
		o.Reached = append(o.Reached, Reach{size, o.RTTs})
	}
	o.Final = size
}

// Unused returns the share of the path's payload that goes unused, summed over
// the first 1000 round trips: 1 is a round trip in which nothing was sent.
func (o Outcome) Unused(t Trial) float64 {
	sum := 0.0
	for i, r := range o.Reached {
		until := horizon
		if i+1 < len(o.Reached) {
			until = min(o.Reached[i+1].RTTs, horizon)
		}
		sum += max(until-r.RTTs, 0) * (1 - t.efficiency(r.Size))
	}
	return sum
}

// efficiency is the share of the path's payload (over UDP) that packets of a
// size carry, 0 to 1.
func (t Trial) efficiency(size int) float64 {
	headers := t.IPHeader + udpHeader
	return float64(size-headers) / float64(t.PathMTU-headers)
}

// StackContender makes a baseline compete.
func StackContender(st stacks.Stack) Contender {
	return Contender{Name: st.Name, Run: func(t Trial) Outcome {
		set := stacks.Setting{IPHeader: t.IPHeader, Interface: t.Interface}
		over := st.Overhead(set)
		if t.Base != 0 {
			set.Base = t.Base - over
		}
		if t.Max != 0 {
			set.Max = t.Max - over
		}
		o := Outcome{}
		o.reach(st.New(set).Size() + over)
		r := stacks.Run(st, set, t.PathMTU, t.Lose, func(size int, acked bool) {
			if !acked {
				o.RTTs += t.LossCost
				return
			}
			o.RTTs++
			o.reach(max(size+over, o.Final))
		})
		o.Fail, o.Probes, o.Lost, o.Bytes = r.Fail, r.Sent, r.Lost, r.Bytes
		return o
	}}
}

// Stacks returns all baselines as contenders.
func Stacks() []Contender {
	var list []Contender
	for _, st := range stacks.All() {
		list = append(list, StackContender(st))
	}
	return list
}

// costRTT is the round-trip time of the virtual clock in the cost model.
const costRTT = 50 * time.Millisecond

// timed says whether PROBE_TIMER can be as short as a loss cost asks.
func timed(lossCost float64) (time.Duration, bool) {
	d := time.Duration(lossCost * float64(costRTT))
	return d, d >= plpmtud.MinProbeTimeout
}
