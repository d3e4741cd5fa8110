package compare

import (
	"fmt"
	"time"

	"pathmtu/internal/pathsim"
	"pathmtu/plpmtud"
)

// PathContender makes a plpmtud.Path with the given search (nil: its default)
// compete, through its public methods on virtual time. Where PROBE_TIMER can be
// as short as the loss cost asks, the layer is an unacknowledged one, and the
// timer finds the losses; otherwise losses are reported.
func PathContender(name string, search plpmtud.Search) Contender {
	return Contender{Name: name, Run: func(t Trial) Outcome {
		o, err := runPath(search, t)
		if err != nil {
			panic(fmt.Sprintf("compare: %s at path MTU %d, loss cost %g: %v", name, t.PathMTU, t.LossCost, err))
		}
		return o
	}}
}

// maxProbesPerTrial ends a search that doesn't end by itself.
const maxProbesPerTrial = 4096

// runPath runs one Path from a confirmed base until its search is complete.
func runPath(search plpmtud.Search, t Trial) (Outcome, error) {
	headers := t.IPHeader + udpHeader
	base, top := t.Base, t.Max
	if base == 0 {
		base = plpmtud.DefaultBase + headers
	}
	if top == 0 {
		top = t.Interface
	}
	var o Outcome
	o.reach(base)
	if base > t.PathMTU {
		o.Fail = true
		return o, nil
	}
	cfg := plpmtud.Config{Overhead: headers, Base: base - headers, Max: top - headers, Search: search}
	delay, timer := timed(t.LossCost)
	if timer {
		cfg.Layer, cfg.ProbeTimeout = plpmtud.Unacknowledged, delay
	}
	p, err := plpmtud.New(cfg)
	if err != nil {
		return o, err
	}
	now := pathsim.Epoch
	p.Start(now, base-headers)
	p.SetRTT(costRTT)
	for {
		probe, ok := p.Poll(now) // if PROBE_TIMER runs, it runs out here
		if p.State() != plpmtud.Searching {
			break
		}
		if o.Probes == maxProbesPerTrial {
			return o, fmt.Errorf("%d probes and no end; PLPMTU %d", o.Probes, p.PLPMTU())
		}
		if !ok {
			next := p.Next()
			if !next.After(now) {
				return o, fmt.Errorf("no probe at %v, and Next is %v", now, next)
			}
			now = next
			continue
		}
		o.Probes++
		o.Bytes += probe.Size + headers
		acked := probe.Size+headers <= t.PathMTU && (t.Lose == nil || !t.Lose())
		switch {
		case acked:
			now = now.Add(costRTT)
			p.Acked(now, probe.ID)
		case probe.Size+headers > t.PathMTU && t.TooBig != nil && t.TooBig():
			o.Lost++
			now = now.Add(costRTT)
			p.Hint(now, plpmtud.Hint{Source: plpmtud.PacketTooBig, MTU: t.PathMTU})
		case timer:
			o.Lost++
			now = now.Add(delay)
		default:
			o.Lost++
			now = now.Add(delay)
			p.Lost(now, probe.ID)
		}
		o.RTTs = float64(now.Sub(pathsim.Epoch)) / float64(costRTT)
		o.reach(p.MTU())
	}
	if p.State() != plpmtud.SearchComplete {
		return o, fmt.Errorf("the search ended in state %v at %v", p.State(), now.Sub(pathsim.Epoch).Round(time.Millisecond))
	}
	return o, nil
}
