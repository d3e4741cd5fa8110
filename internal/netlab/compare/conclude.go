package compare

import (
	"fmt"
	"io"
	"strings"
)

// Conclusion is a statement about all results, and whether they bear it out.
type Conclusion struct {
	ID    string `json:"id"`
	Text  string `json:"text"`
	Holds bool   `json:"holds"`
	// Against is the first row that speaks against it.
	Against string `json:"against,omitempty"`
}

// judge collects what speaks against a statement.
type judge struct {
	rows    []Row
	against string
	checked int
}

// each checks all rows of a mechanism for which keep holds; there must be one.
func (j *judge) each(mechanism string, keep, good func(Row) bool) {
	for _, r := range j.rows {
		if r.Mechanism != mechanism || !keep(r) {
			continue
		}
		j.checked++
		if !good(r) && j.against == "" {
			j.against = fmt.Sprintf("%s, %s: %+v", r.Scenario, r.Mechanism, r)
		}
	}
}

// beside checks all rows of a mechanism with those of another one in the same
// scenario.
func (j *judge) beside(mechanism, other string, keep func(Row) bool, good func(r, o Row) bool) {
	for _, o := range j.rows {
		if o.Mechanism == other && keep(o) {
			j.each(mechanism, func(r Row) bool { return r.Scenario == o.Scenario }, func(r Row) bool { return good(r, o) })
		}
	}
}

func filtered(r Row) bool { return strings.Contains(r.Scenario, "PTB filtered") }

func allFiltered(r Row) bool { return strings.Contains(r.Scenario, "all PTB filtered") }

func group(g string) func(Row) bool { return func(r Row) bool { return r.Group == g } }

func and(fs ...func(Row) bool) func(Row) bool {
	return func(r Row) bool {
		for _, f := range fs {
			if !f(r) {
				return false
			}
		}
		return true
	}
}

func not(f func(Row) bool) func(Row) bool { return func(r Row) bool { return !f(r) } }

func narrow(r Row) bool { return r.Truth < edgeMTU }

func converged(r Row) bool { return r.Converged == 1 }

func never(r Row) bool { return r.Converged == 0 }

func every(Row) bool { return true }

// roundTrip bounds one round trip on these paths, in seconds: five links of up
// to 8 ms, both ways.
const roundTrip = 0.08

var probing = []string{"DPLPMTUD", "HBH", "DPLPMTUD+Truncate", "HBH+Truncate"}

// statements are what Conclude checks.
var statements = []struct {
	id, text string
	check    func(*judge)
}{
	{"pmtud-silent", "Where routers' Packet Too Big messages are filtered, classic PMTUD never finds a path that is narrower than its first hop.", func(j *judge) {
		j.each("PMTUD", and(filtered, narrow), never)
	}},
	{"probing-always", "Whatever is filtered, dropped, lost or changed, and whoever takes part, each combination with DPLPMTUD ends with a size of at least 90 % of the path MTU.", func(j *judge) {
		for _, m := range probing {
			j.each(m, every, func(r Row) bool { return r.Final <= r.Truth && r.Final >= 0.9*r.Truth })
		}
	}},
	{"signal-exact", "Where no Packet Too Big arrives and the path MTU is none of the usual ones, a search stops a little below it; with the option it ends exactly there.", func(j *judge) {
		unusual := func(r Row) bool { return r.Scenario == "4000, all PTB filtered" }
		j.each("DPLPMTUD", unusual, func(r Row) bool { return r.Final < r.Truth })
		j.each("HBH", unusual, func(r Row) bool { return r.Final == r.Truth })
	}},
	{"hint-no-false", "No combination with DPLPMTUD ever uses a size that the path does not carry when it comes into use.", func(j *judge) {
		for _, m := range probing {
			j.each(m, every, func(r Row) bool { return r.FalseSizes == 0 })
		}
	}},
	{"hbh-fewer-probes", "Where routers' messages are filtered and all routers take part, HBH finds the path MTU (an odd one to one byte) with no more probes than DPLPMTUD alone needs.", func(j *judge) {
		j.beside("HBH", "DPLPMTUD", and(group(GroupSizes), filtered), func(r, o Row) bool { return r.Exact == 1 && r.Probes <= o.Probes })
	}},
	{"hbh-deployment", "The more routers take part, the more often HBH finds an unusual path MTU exactly: never less often, always with all of them, and with none as often as DPLPMTUD alone.", func(j *judge) {
		last := -1.0
		j.each("HBH", group(GroupUnusual), func(r Row) bool {
			grows := r.Exact >= last
			last = r.Exact
			return grows
		})
		j.each("HBH", func(r Row) bool { return r.Scenario == "100 % of routers, 4000" }, func(r Row) bool { return r.Exact == 1 })
		j.beside("HBH", "DPLPMTUD", func(r Row) bool { return r.Scenario == "0 % of routers, 4000" }, func(r, o Row) bool { return r.Exact == o.Exact })
	}},
	{"harmless", "Where a signal is dropped, unknown, or few routers give it, DPLPMTUD with it needs at most one round trip more than without.", func(j *judge) {
		for _, m := range probing[1:] {
			j.beside(m, "DPLPMTUD", func(r Row) bool {
				return r.Group == GroupDropped || r.Group == GroupDeployment
			}, func(r, o Row) bool {
				return r.Seconds <= o.Seconds+roundTrip
			})
		}
	}},
	{"truncate-needs", "Truncation without probing works where the destination's messages arrive, and fails like PMTUD where they, or the header, or the destination's knowledge are missing.", func(j *judge) {
		j.each("Truncate", and(group(GroupSizes), not(allFiltered)), converged)
		j.each("Truncate", and(group(GroupSizes), allFiltered, narrow), never)
		j.each("Truncate", func(r Row) bool {
			return r.Scenario == "DO header dropped, routers' PTB filtered" || r.Scenario == "destination unaware, routers' PTB filtered"
		}, never)
	}},
	{"truncate-deployment", "Truncation without probing converges never with no router, always with all, and never less often with more of them.", func(j *judge) {
		last := -1.0
		j.each("Truncate", group(GroupDeployment), func(r Row) bool {
			grows := r.Converged >= last
			last = r.Converged
			return grows
		})
		j.each("Truncate", func(r Row) bool { return r.Scenario == "0 % of routers" }, never)
		j.each("Truncate", func(r Row) bool { return r.Scenario == "100 % of routers" }, converged)
	}},
	{"shrink-truncate", "When a path shrinks and routers' messages are filtered, truncation tells within a few round trips; DPLPMTUD alone, and with HBH, takes at least twice as long and loses more data.", func(j *judge) {
		shrink := func(r Row) bool { return r.Scenario == "9000 to 1500, routers' PTB filtered" }
		for _, slow := range []string{"DPLPMTUD", "HBH"} {
			j.beside("DPLPMTUD+Truncate", slow, shrink, func(r, o Row) bool { return o.Seconds >= 2*r.Seconds && o.LostBytes > r.LostBytes })
		}
	}},
	{"grow-timer", "When a path grows, the timer decides: within 5 s all that probe or ask each 10 minutes are alike, and asking each minute takes at most one.", func(j *judge) {
		grow := func(r Row) bool { return r.Scenario == "1500 to 9000, routers' PTB filtered" }
		j.beside("HBH", "DPLPMTUD", grow, func(r, o Row) bool { return o.Seconds > 300 && r.Seconds > o.Seconds-5 && r.Seconds < o.Seconds+5 })
		j.each("HBH each minute", grow, func(r Row) bool { return r.Converged == 1 && r.Worst <= 61 })
	}},
	{"waste", "Only those that don't probe first (PMTUD, Truncate) send data that is too large on a path that doesn't change.", func(j *judge) {
		still := and(not(group(GroupChange)), narrow)
		for _, m := range probing {
			j.each(m, still, func(r Row) bool { return r.Oversized == 0 })
		}
		for _, m := range []string{"PMTUD", "Truncate"} {
			j.each(m, still, func(r Row) bool { return r.Oversized > 0 })
		}
	}},
}

// Conclude says which statements the rows bear out.
func Conclude(rows []Row) []Conclusion {
	var out []Conclusion
	for _, s := range statements {
		j := &judge{rows: rows}
		s.check(j)
		c := Conclusion{ID: s.id, Text: s.text, Holds: j.against == "" && j.checked > 0, Against: j.against}
		if j.checked == 0 {
			c.Against = "no row to check it by"
		}
		out = append(out, c)
	}
	return out
}

// WriteConclusions writes them for people.
func WriteConclusions(w io.Writer, cs []Conclusion) error {
	for _, c := range cs {
		mark := "holds "
		if !c.Holds {
			mark = "FAILS "
		}
		if _, err := fmt.Fprintf(w, "%s %-20s %s\n", mark, c.ID, c.Text); err != nil {
			return err
		}
		if c.Against != "" {
			if _, err := fmt.Fprintf(w, "       against: %s\n", c.Against); err != nil {
				return err
			}
		}
	}
	return nil
}
