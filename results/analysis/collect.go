package analysis

import (
	"time"

	"pathmtu/results"
)

// mostNames bounds how many different texts of one kind are told apart.
const mostNames = 256

// Others stands for what there are too many of.
const Others = "(others)"

// Collector sums up records. The zero value is ready. It isn't safe for
// concurrent use.
type Collector struct {
	// ByVantage says that records of one target come one after the other, one for
	// each vantage point, as those of a store.Merger by vantage do: they are compared.
	ByVantage bool

	records            int64
	first, last        time.Time
	runs, tools, sites names
	families           map[int]*family
	methods            map[string]*method
	systems            map[uint32]*system
	directions         map[results.Direction]int64
	grades             map[results.Grade]*gradeCount
	loss               map[int]*lossCount
	signals            Signals
	sights             sights
	prior              priorCount
}

// names counts texts.
type names map[string]int64

func (n *names) add(name string) {
	if *n == nil {
		*n = names{}
	}
	if _, known := (*n)[name]; !known && len(*n) >= mostNames {
		name = Others
	}
	(*n)[name]++
}

type family struct {
	targets  int64
	sizes    sizes
	verdicts map[results.Verdict]int64
	probes   costs
	bytes    costs
	elapsed  costs // milliseconds
}

type method struct {
	tried int64
	sizes sizes
}

type system struct {
	targets int64
	sizes   sizes
}

type gradeCount struct{ kinds, messages, targets int64 }

// lossCount counts packets of one size: those no larger than the PMTU of their
// path, larger ones, and those on paths without a PMTU.
type lossCount struct{ fits, above, unknown sentLost }

type sentLost struct{ sent, lost int64 }

func (s *sentLost) add(l results.Loss) {
	s.sent += int64(l.Sent)
	s.lost += int64(l.Lost)
}

func at[K comparable, V any](m *map[K]*V, k K) *V {
	if *m == nil {
		*m = map[K]*V{}
	}
	v := (*m)[k]
	if v == nil {
		v = new(V)
		(*m)[k] = v
	}
	return v
}

func (s *sizes) add(pmtu *int) {
	if *s == nil {
		*s = sizes{}
	}
	if pmtu != nil {
		(*s)[*pmtu]++
	}
}

// Add takes a record that is valid.
func (c *Collector) Add(r *results.Record) {
	c.records++
	if c.first.IsZero() || r.Time.Before(c.first) {
		c.first = r.Time
	}
	if r.Time.After(c.last) {
		c.last = r.Time
	}
	c.runs.add(r.Run)
	c.tools.add(r.Tool)
	c.sites.add(siteOf(r))

	f := at(&c.families, r.Family)
	f.targets++
	f.sizes.add(r.PMTU)
	if f.verdicts == nil {
		f.verdicts = map[results.Verdict]int64{}
	}
	f.verdicts[r.Verdict]++
	if len(r.Methods) > 0 {
		sent, _, bytes := r.Totals()
		var elapsed int64
		for _, m := range r.Methods {
			elapsed += m.Elapsed
		}
		f.probes.add(int64(sent))
		f.bytes.add(bytes)
		f.elapsed.add(elapsed / 1000)
	}
	for _, m := range r.Methods {
		name := m.Method
		if _, known := c.methods[name]; !known && len(c.methods) >= mostNames {
			name = Others
		}
		k := at(&c.methods, name)
		k.tried++
		k.sizes.add(m.PMTU)
	}
	if r.AS != 0 {
		s := at(&c.systems, r.AS)
		s.targets++
		s.sizes.add(r.PMTU)
	}
	if r.PMTU != nil {
		if c.directions == nil {
			c.directions = map[results.Direction]int64{}
		}
		c.directions[r.Direction]++
	}
	c.addPTB(r)
	c.addLoss(r)
	c.signals.add(r)
	if c.ByVantage {
		c.sights.add(r)
	}
	c.prior.add(r)
}

func (c *Collector) addPTB(r *results.Record) {
	seen := map[results.Grade]bool{}
	for _, p := range r.PTB {
		g := at(&c.grades, p.Grade)
		g.kinds++
		g.messages += int64(max(p.Count, 1))
		if !seen[p.Grade] {
			g.targets++
		}
		seen[p.Grade] = true
	}
}

func (c *Collector) addLoss(r *results.Record) {
	for _, l := range r.Loss {
		if l.Sent == 0 || l.Size < 0 || l.Size > results.MaxSize {
			continue
		}
		k := at(&c.loss, l.Size)
		switch {
		case r.PMTU == nil:
			k.unknown.add(l)
		case l.Size <= *r.PMTU:
			k.fits.add(l)
		default:
			k.above.add(l)
		}
	}
}

// Signals counts what routers and hosts signal by other means than Packet Too
// Big.
type Signals struct {
	HBHSent      int64 `json:"hbh_sent"`       // targets that were sent the Minimum Path MTU option
	HBHSurvived  int64 `json:"hbh_survived"`   // of those, where it came back
	HBHEqual     int64 `json:"hbh_equal"`      // its value is the measured path MTU
	HBHLess      int64 `json:"hbh_less"`       // its value is less
	HBHMore      int64 `json:"hbh_more"`       // its value is more
	HBHRewritten int64 `json:"hbh_rewritten"`  // somebody rewrote it
	TruncSent    int64 `json:"trunc_sent"`     // targets that were sent truncatable packets
	TruncCame    int64 `json:"trunc_survived"` // of those, where one came through
	MSSKnown     int64 `json:"mss_known"`      // targets whose TCP maximum segment size is known
	MSSClamped   int64 `json:"mss_clamped"`    // of those, where somebody lowered it
}

func (s *Signals) add(r *results.Record) {
	if h := r.HBH; h != nil && h.Sent {
		s.HBHSent++
		if h.Survived {
			s.HBHSurvived++
		}
		if h.RewrittenAt != "" {
			s.HBHRewritten++
		}
		if h.Survived && r.PMTU != nil && h.MinPMTU != 0 {
			switch {
			case h.MinPMTU == *r.PMTU:
				s.HBHEqual++
			case h.MinPMTU < *r.PMTU:
				s.HBHLess++
			default:
				s.HBHMore++
			}
		}
	}
	if t := r.Truncation; t != nil && t.Sent {
		s.TruncSent++
		if t.Survived {
			s.TruncCame++
		}
	}
	if m := r.MSS; m != nil && m.Received > 0 {
		s.MSSKnown++
		if m.Clamped {
			s.MSSClamped++
		}
	}
}
