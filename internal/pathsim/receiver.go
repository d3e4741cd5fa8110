package pathsim

import "time"

// receiver acknowledges packets: one ACK frame for every so many packets, or
// when the oldest has waited long enough. Each frame repeats the one before, so
// that the loss of a single frame is harmless.
type receiver struct {
	sim    *Sim
	back   *Path
	flow   uint64
	every  int
	delay  time.Duration
	fresh  []uint64 // numbers not acknowledged yet
	before []uint64 // those of the last frame
	frame  int
}

// ackSize is the size of a packet with an ACK frame.
const ackSize = 80

func (r *receiver) receive(number uint64) {
	r.fresh = append(r.fresh, number)
	switch {
	case len(r.fresh) >= r.every:
		r.acknowledge()
	case len(r.fresh) == 1:
		frame := r.frame
		r.sim.After(r.delay, func() {
			if r.frame == frame {
				r.acknowledge()
			}
		})
	}
}

func (r *receiver) acknowledge() {
	r.frame++
	numbers := make([]uint64, 0, len(r.before)+len(r.fresh))
	numbers = append(append(numbers, r.before...), r.fresh...)
	r.before = r.fresh
	r.fresh = nil
	r.back.Send(Packet{Size: ackSize, Flow: r.flow, Meta: numbers})
}
