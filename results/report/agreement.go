package report

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"

	"pathmtu/results/analysis"
)

// mostColumns is how many vantage points stand side by side.
const mostColumns = 8

// differences is the name of the table whose cells are sizes with their verdict.
const differences = "differences"

func agreementTable(a *analysis.Agreement) Table {
	t := Table{
		Name: "agreement", Title: "Agreement of vantage points", Header: []string{"from all vantage points", "targets", "share"},
		Note: fmt.Sprintf("Of targets that were measured from more than one of %d vantage points.", len(a.Vantages)),
	}
	for _, r := range []struct {
		name string
		n    int64
	}{{"the same", a.Same}, {"another path MTU", a.Size}, {"another verdict only", a.Verdict}} {
		t.Rows = append(t.Rows, []string{r.name, count(r.n), percent(r.n, a.Targets)})
	}
	return t
}

// differenceTable has a row for each of the first targets that look different, and
// a column for each vantage point.
func differenceTable(a *analysis.Agreement, rows int) Table {
	shown := a.Differ[:min(rows, len(a.Differ))]
	columns := a.Vantages[:min(len(a.Vantages), mostColumns)]
	t := Table{
		Name: differences, Title: "Where vantage points differ", Header: []string{"target"},
		Note: fmt.Sprintf("The first %s of %s such targets, by address. -: no record from there.", count(int64(len(shown))), count(a.Size+a.Verdict)),
	}
	for _, v := range columns {
		t.Header = append(t.Header, cmp.Or(v, notNamed))
	}
	if more := a.Vantages[len(columns):]; len(more) > 0 {
		t.Note += " Not shown: " + strings.Join(more[:min(len(more), mostColumns)], ", ")
		if len(more) > mostColumns {
			t.Note += ", ..."
		}
		t.Note += "."
	}
	for _, d := range shown {
		row := []string{d.Target}
		if _, err := netip.ParseAddr(d.Target); err != nil { // a name may have both families
			row[0] += " " + familyName(d.Family)
		}
		for _, v := range columns {
			row = append(row, sight(d, v))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// sight is what was found of a target from a vantage point, in a few words.
func sight(d analysis.Difference, vantage string) string {
	for _, v := range d.Views {
		switch {
		case v.Vantage != vantage:
		case v.PMTU == nil:
			return verdictName(v.Verdict)
		default:
			return itoa(*v.PMTU) + " " + verdictName(v.Verdict)
		}
	}
	return "-"
}
