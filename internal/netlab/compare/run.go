package compare

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"pathmtu/internal/pathsim"
)

// Trial is the outcome of one mechanism in one scenario with one seed.
type Trial struct {
	Scenario  string `json:"scenario"`
	Group     string `json:"group"`
	Mechanism string `json:"mechanism"`
	Seed      uint64 `json:"seed"`
	Truth     int    `json:"path_mtu"` // at the end
	Final     int    `json:"final"`    // size in use at the end
	// Converged: the size in use is within 1 % below the path MTU, and stayed
	// so until the end.
	Converged bool `json:"converged"`
	// Seconds and Packets until then: since the begin, or since the change.
	Seconds float64 `json:"seconds"`
	Packets int     `json:"packets"`
	// LostBytes are of data, LostPackets too, since the begin or the change.
	LostBytes   int `json:"lost_bytes"`
	LostPackets int `json:"lost_packets"`
	// Oversized are data packets larger than the path MTU.
	Oversized int `json:"oversized"`
	// FalseSizes came into use, and the path did not carry them.
	FalseSizes int `json:"false_sizes"`
	// Messages that the discovery took: probes, requests with the option, their
	// answers (on packets that go anyhow), trials, and ICMPv6 errors.
	Probes  int `json:"probes"`
	Options int `json:"options"`
	Trials  int `json:"trials"`
	ICMP    int `json:"icmp"`
}

// Messages is the sum.
func (t Trial) Messages() int { return t.Probes + t.Options + t.Trials + t.ICMP }

// near says whether a size in use is as good as the path MTU.
func near(size, truth int) bool { return size <= truth && truth-size <= truth/100 }

// Run runs one trial.
func (s Scenario) Run(m Mechanism, seed uint64) (Trial, error) {
	sim := pathsim.New(seed)
	r := sim.Rand("network")
	links := make([]link, Routers+1)
	for i := range links {
		links[i] = link{mtu: edgeMTU, delay: 2*time.Millisecond + time.Duration(r.Int64N(int64(6*time.Millisecond)))}
	}
	places := s.place(r)
	for i, at := range places {
		links[at].mtu = s.Narrow[i]
	}
	part := s.participants(r)
	drop := 1 + r.IntN(Routers)
	links[drop].dropHBH, links[drop].dropDO = s.DropHBH, s.DropDO
	links[Routers].loss = s.Loss
	last := links[Routers].mtu
	n, err := newNetwork(sim, links, part, s.Filter)
	if err != nil {
		return Trial{}, err
	}
	src, err := newSource(n, m)
	if err != nil {
		return Trial{}, err
	}
	if s.Interval != 0 {
		src.gap = s.Interval
	}
	dst, err := newReceiver(n, last, m.HopByHop && !s.Unaware, m.Truncate && !s.Unaware)
	if err != nil {
		return Trial{}, err
	}
	n.toSrc, n.toDst = src.receive, dst.receive
	src.start()
	var before counts
	icmpBefore := 0
	if s.ChangeTo != 0 {
		sim.Run(s.ChangeAt)
		before, icmpBefore = src.count, n.icmp
		n.setMTU(places[0], s.ChangeTo)
	}
	sim.Run(s.Duration - s.ChangeAt)
	src.stopped = true
	c := src.count
	t := Trial{
		Scenario: s.Name, Group: s.Group, Mechanism: m.Name, Seed: seed, Truth: n.truth(), Final: src.onWire(),
		LostBytes: c.lostBytes - before.lostBytes, LostPackets: c.lostPackets - before.lostPackets,
		Oversized: c.oversized - before.oversized, FalseSizes: c.falseSizes - before.falseSizes,
		Probes: c.probes - before.probes, Options: c.asks + c.optionReplies - before.asks - before.optionReplies,
		Trials: c.trials - before.trials, ICMP: n.icmp - icmpBefore,
	}
	src.unacknowledged(&t)
	t.settle(src.timeline, s.ChangeAt, before.packets())
	return t, nil
}

// unacknowledged counts data that is still open and should have been
// acknowledged by now.
func (s *source) unacknowledged(t *Trial) {
	for _, r := range s.log {
		if r.open && r.kind == dataKind && s.sim.Now().Sub(r.at) > time.Second {
			t.LostPackets++
			t.LostBytes += r.size
		}
	}
}

// settle finds when the size in use came near the path MTU, to stay there.
func (t *Trial) settle(line []change, since time.Duration, packetsBefore int) {
	if !near(t.Final, t.Truth) {
		t.Seconds, t.Packets = -1, -1
		return
	}
	t.Converged = true
	i := len(line) - 1
	for i > 0 && near(line[i-1].size, t.Truth) {
		i--
	}
	t.Seconds = max(0, (line[i].at - since).Seconds())
	t.Packets = max(0, line[i].packets-packetsBefore)
}

// Config says how much is run.
type Config struct {
	Quick bool
	Seed  uint64 // the first one
	Seeds int    // how many
	// Done is called after each trial; it may be called from several goroutines,
	// one at a time.
	Done func()
}

// plan is one trial to be run.
type plan struct {
	s    Scenario
	m    Mechanism
	seed uint64
}

func (c Config) plan() (all []plan) {
	for _, s := range Scenarios(c.Quick) {
		for _, m := range append(Mechanisms(), s.Extra...) {
			for i := range c.Seeds {
				all = append(all, plan{s, m, c.Seed + uint64(i)})
			}
		}
	}
	return all
}

// Count is how many trials there are.
func (c Config) Count() int { return len(c.plan()) }

// RunAll runs all trials, on all processors. Their order, and all that they say,
// depends on the configuration alone.
func RunAll(ctx context.Context, c Config) ([]Trial, error) {
	if c.Seeds < 1 {
		return nil, fmt.Errorf("compare: Seeds %d: want 1 or more", c.Seeds)
	}
	all := c.plan()
	out, errs := make([]Trial, len(all)), make([]error, len(all))
	next := make(chan int)
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				out[i], errs[i] = all[i].s.Run(all[i].m, all[i].seed)
				if c.Done != nil {
					mu.Lock()
					c.Done()
					mu.Unlock()
				}
			}
		})
	}
	var stopped error
	for i := range all {
		if stopped = ctx.Err(); stopped != nil {
			break
		}
		next <- i
	}
	close(next)
	wg.Wait()
	if stopped != nil {
		return nil, stopped
	}
	for i, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("compare: %s, %s, seed %d: %w", all[i].s.Name, all[i].m.Name, all[i].seed, err)
		}
	}
	return out, nil
}
