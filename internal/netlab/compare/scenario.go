package compare

import (
	"math/rand/v2"
	"time"
)

// Scenario is a network, and what happens to it.
type Scenario struct {
	Name  string
	Group string // one of the groups below
	About string

	// Narrow are the MTUs of as many different links behind the first one, in
	// the order of the path, at places that the seed chooses; all others have
	// 9000.
	Narrow []int
	Filter Filter
	// Share of the routers takes part in HBH and in Truncate; the seed chooses
	// which.
	Share float64
	// DropHBH and DropDO: one link, chosen by the seed, drops packets with that
	// header.
	DropHBH, DropDO bool
	// Unaware: the destination knows neither option.
	Unaware bool
	Loss    float64 // of every packet on the last link, each way
	// ChangeTo is the MTU of the narrow link after ChangeAt; 0: no change.
	ChangeTo int
	ChangeAt time.Duration
	Duration time.Duration
	Interval time.Duration // between packets of data; 0: 100 ms
	Extra    []Mechanism   // beside Mechanisms
}

// Groups of scenarios.
const (
	GroupSizes      = "sizes"
	GroupDropped    = "options dropped"
	GroupDeployment = "deployment"
	GroupUnusual    = "deployment, unusual path MTU"
	GroupChange     = "change"
	GroupLoss       = "loss"
)

// Routers is the length of the chain.
const Routers = 4

const edgeMTU = 9000

// eachMinute is HBH that asks more often: a request costs one small packet,
// where a probe may cost a large one.
var eachMinute = Mechanism{Name: "HBH each minute", Probing: true, HopByHop: true, AskInterval: time.Minute}

// Scenarios returns all of them, or those of the quick mode.
func Scenarios(quick bool) []Scenario {
	var all []Scenario
	add := func(s Scenario) {
		if s.Duration == 0 {
			s.Duration = 60 * time.Second
		}
		all = append(all, s)
	}
	for _, f := range []Filter{Delivered, RoutersFiltered, AllFiltered} {
		suffix := map[Filter]string{Delivered: "", RoutersFiltered: ", routers' PTB filtered", AllFiltered: ", all PTB filtered"}[f]
		for _, c := range []struct {
			name   string
			narrow []int
		}{{"9000", nil}, {"4000", []int{4000}}, {"1500", []int{1500}}, {"4000 then 1500", []int{4000, 1500}}, {"1437", []int{1437}}, {"1280", []int{1280}}} {
			if quick && (c.name == "1437" || c.name == "1280") {
				continue
			}
			add(Scenario{Name: c.name + suffix, Group: GroupSizes, About: "all routers take part", Narrow: c.narrow, Filter: f, Share: 1})
		}
	}
	for _, f := range []Filter{Delivered, RoutersFiltered} {
		for _, c := range []struct {
			name    string
			hbh, do bool
			unaware bool
		}{{"HBH header dropped", true, false, false}, {"DO header dropped", false, true, false}, {"destination unaware", false, false, true}} {
			name := c.name
			if f == RoutersFiltered {
				name += ", routers' PTB filtered"
			}
			add(Scenario{Name: name, Group: GroupDropped, About: "1500, all routers take part", Narrow: []int{1500}, Filter: f, Share: 1, DropHBH: c.hbh, DropDO: c.do, Unaware: c.unaware})
		}
	}
	for _, share := range []float64{0, 0.25, 0.5, 0.75, 1} {
		add(Scenario{Name: percent(share) + " of routers", Group: GroupDeployment, About: "1500, routers' PTB filtered", Narrow: []int{1500}, Filter: RoutersFiltered, Share: share})
	}
	for _, share := range []float64{0, 0.25, 0.5, 0.75, 1} {
		add(Scenario{Name: percent(share) + " of routers, 4000", Group: GroupUnusual, About: "4000, routers' PTB filtered", Narrow: []int{4000}, Filter: RoutersFiltered, Share: share})
	}
	for _, f := range []Filter{Delivered, RoutersFiltered} {
		suffix := map[Filter]string{Delivered: "", RoutersFiltered: ", routers' PTB filtered"}[f]
		add(Scenario{Name: "9000 to 1500" + suffix, Group: GroupChange, About: "after 20 s", Narrow: []int{9000}, Filter: f, Share: 1, ChangeTo: 1500, ChangeAt: 20 * time.Second, Duration: 80 * time.Second})
		grown := 1400 * time.Second
		if quick {
			grown = 700 * time.Second
		}
		if quick && f == Delivered {
			continue
		}
		add(Scenario{Name: "1500 to 9000" + suffix, Group: GroupChange, About: "after 20 s", Narrow: []int{1500}, Filter: f, Share: 1, ChangeTo: 9000, ChangeAt: 20 * time.Second, Duration: grown, Interval: 500 * time.Millisecond, Extra: []Mechanism{eachMinute}})
	}
	for _, loss := range []float64{0.01, 0.05} {
		for _, f := range []Filter{Delivered, RoutersFiltered} {
			if quick && loss == 0.01 {
				continue
			}
			suffix := map[Filter]string{Delivered: "", RoutersFiltered: ", routers' PTB filtered"}[f]
			add(Scenario{Name: percent(loss) + " loss" + suffix, Group: GroupLoss, About: "1500, all routers take part", Narrow: []int{1500}, Filter: f, Share: 1, Loss: loss, Duration: 120 * time.Second})
		}
	}
	return all
}

// place chooses the links that are narrow, in order.
func (s Scenario) place(r *rand.Rand) []int {
	places := r.Perm(Routers)[:len(s.Narrow)] // links 1 to Routers
	for i := range places {
		places[i]++
	}
	if len(places) == 2 && places[0] > places[1] {
		places[0], places[1] = places[1], places[0]
	}
	return places
}

// participants chooses the routers that take part.
func (s Scenario) participants(r *rand.Rand) []takesPart {
	part := make([]takesPart, Routers)
	n := int(s.Share*Routers + 0.5)
	for _, i := range r.Perm(Routers)[:n] {
		part[i] = takesPart{hbh: true, truncate: true}
	}
	return part
}
