package analysis

import (
	"cmp"
	"maps"
	"slices"

	"pathmtu/results"
)

// mostDiffering is how many targets that look different are kept.
const mostDiffering = 1000

// Agreement says whether vantage points agree about the targets that more than one
// of them measured to the end: on the path MTU, and on the verdict.
type Agreement struct {
	Vantages []string `json:"vantages"` // those that are compared, sorted
	Targets  int64    `json:"targets"`  // that are compared
	Same     int64    `json:"same"`     // of those: the same path MTU, or none, and the same verdict from all
	// Size counts those of different path MTUs, or with one from some vantages
	// only; Verdict the rest, of different verdicts.
	Size    int64 `json:"size_differs"`
	Verdict int64 `json:"verdict_differs"`
	// Differ are the first 1000 targets that are not the same, in their order.
	Differ []Difference `json:"differ"`
}

// Difference is one target that looks different from different vantage points.
type Difference struct {
	Target string  `json:"target"`
	Family int     `json:"family"`
	Views  []Sight `json:"views"` // by vantage, sorted
}

// Sight is what was found from one vantage point.
type Sight struct {
	Vantage string          `json:"vantage"`
	PMTU    *int            `json:"pmtu"` // bytes; nil: none was confirmed
	Verdict results.Verdict `json:"verdict"`
}

// size is the path MTU, 0 if there is none.
func (s Sight) size() int {
	if s.PMTU == nil {
		return 0
	}
	return *s.PMTU
}

// sights compares records of a target that come one after the other, as those of
// a store.Merger do.
type sights struct {
	target results.Key // without the family
	open   map[int]*Difference
	sites  map[string]bool
	found  Agreement
}

// siteOf names a record's vantage point.
func siteOf(r *results.Record) string { return cmp.Or(r.Vantage.Name, r.Vantage.Source) }

func (s *sights) add(r *results.Record) {
	if !r.Final() {
		return
	}
	key := r.Key()
	if target := key[:len(key)-1]; target != s.target {
		s.close()
		s.target = target
	}
	if s.open == nil {
		s.open = map[int]*Difference{}
	}
	d := s.open[r.Family]
	if d == nil {
		d = &Difference{Target: r.Target, Family: r.Family}
		s.open[r.Family] = d
	}
	now := Sight{siteOf(r), r.PMTU, r.Verdict}
	if i := slices.IndexFunc(d.Views, func(v Sight) bool { return v.Vantage == now.Vantage }); i >= 0 {
		d.Views[i] = now
		return
	}
	d.Views = append(d.Views, now)
}

// close counts the target whose records are all there.
func (s *sights) close() {
	for _, family := range slices.Sorted(maps.Keys(s.open)) {
		if d := s.open[family]; len(d.Views) > 1 {
			s.compare(*d)
		}
	}
	clear(s.open)
}

func (s *sights) compare(d Difference) {
	if s.sites == nil {
		s.sites = map[string]bool{}
	}
	size, verdict := true, true // the same
	for _, v := range d.Views {
		if len(s.sites) < mostNames {
			s.sites[v.Vantage] = true
		}
		size = size && v.size() == d.Views[0].size()
		verdict = verdict && v.Verdict == d.Views[0].Verdict
	}
	s.found.Targets++
	switch {
	case size && verdict:
		s.found.Same++
		return
	case !size:
		s.found.Size++
	default:
		s.found.Verdict++
	}
	if len(s.found.Differ) < mostDiffering {
		slices.SortFunc(d.Views, func(a, b Sight) int { return cmp.Compare(a.Vantage, b.Vantage) })
		s.found.Differ = append(s.found.Differ, d)
	}
}

// agreement returns what the records so far come to; more may follow.
func (s *sights) agreement() Agreement {
	all := sights{sites: maps.Clone(s.sites), found: s.found, open: maps.Clone(s.open)}
	all.found.Differ = slices.Clone(s.found.Differ)
	for family, d := range all.open {
		all.open[family] = &Difference{d.Target, d.Family, slices.Clone(d.Views)}
	}
	all.close()
	a := all.found
	a.Vantages = slices.Sorted(maps.Keys(all.sites))
	if a.Vantages == nil {
		a.Vantages = []string{}
	}
	if a.Differ == nil {
		a.Differ = []Difference{}
	}
	return a
}
