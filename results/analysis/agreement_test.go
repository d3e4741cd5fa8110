package analysis

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/results"
	"pathmtu/results/resultstest"
)

// seen is a record of a target from a vantage; pmtu 0: none.
func seen(target string, family int, vantage string, pmtu int, v results.Verdict) *results.Record {
	r := resultstest.Example()
	r.Target, r.Family, r.Vantage.Name, r.Verdict, r.PMTU = target, family, vantage, v, nil
	if pmtu != 0 {
		r.PMTU = &pmtu
	}
	return r
}

func TestAgreement(t *testing.T) {
	c := Collector{ByVantage: true}
	interrupted := seen("192.0.2.5", 4, "b", 0, results.NoVerdict)
	interrupted.Error = results.Interrupted
	unnamed := seen("192.0.2.6", 4, "", 1400, results.OK)
	unnamed.Vantage.Source = "198.51.100.1"
	for _, r := range []*results.Record{
		seen("192.0.2.1", 4, "a", 1500, results.OK), seen("192.0.2.1", 4, "b", 1500, results.OK), seen("192.0.2.1", 4, "c", 1500, results.OK),
		seen("192.0.2.2", 4, "a", 1500, results.OK), seen("192.0.2.2", 4, "b", 1400, results.OK),
		seen("192.0.2.3", 4, "b", 1400, results.OKSilent), seen("192.0.2.3", 4, "a", 1400, results.OK),
		seen("192.0.2.4", 4, "a", 0, results.Unresponsive), seen("192.0.2.4", 4, "b", 0, results.Unresponsive),
		seen("192.0.2.5", 4, "a", 1500, results.OK), interrupted,
		unnamed, seen("192.0.2.6", 4, "a", 0, results.Unresponsive),
		seen("192.0.2.7", 4, "a", 1500, results.OK),
		// Of a name both families are compared, each with itself.
		seen("host", 4, "a", 1500, results.OK), seen("host", 6, "a", 1480, results.OK), seen("HOST.", 4, "b", 1500, results.OK), seen("host", 6, "b", 1280, results.OKSilent),
	} {
		c.Add(r)
		c.Summary(1) // at any time
	}
	a := c.Summary(1).Agreement
	assert.EqualValues(t, 7, a.Targets)
	assert.EqualValues(t, 3, a.Same)
	assert.EqualValues(t, 3, a.Size)
	assert.EqualValues(t, 1, a.Verdict)
	assert.Equal(t, []string{"198.51.100.1", "a", "b", "c"}, a.Vantages)
	var said []string
	for _, d := range a.Differ {
		text := fmt.Sprintf("%s/%d", d.Target, d.Family)
		for _, v := range d.Views {
			text += fmt.Sprintf(" %s %d %s", v.Vantage, v.size(), v.Verdict)
		}
		said = append(said, text)
	}
	assert.Equal(t, []string{
		"192.0.2.2/4 a 1500 ok b 1400 ok",
		"192.0.2.3/4 a 1400 ok b 1400 ok-silent",
		"192.0.2.6/4 198.51.100.1 1400 ok a 0 unresponsive",
		"host/6 a 1480 ok b 1280 ok-silent",
	}, said)
}

// Memory is bounded, counts are not.
func TestAgreementOfMany(t *testing.T) {
	c := Collector{ByVantage: true}
	const n = mostDiffering + 500
	for i := range n {
		target := fmt.Sprintf("10.0.%d.%d", i/256, i%256)
		c.Add(seen(target, 4, "a", 1500, results.OK))
		c.Add(seen(target, 4, "b", 1400, results.OK))
	}
	a := c.Summary(1).Agreement
	assert.EqualValues(t, n, a.Size)
	require.Len(t, a.Differ, mostDiffering)
	assert.Equal(t, "10.0.0.0", a.Differ[0].Target)
}

// A later record of the same place counts, not the earlier one beside it.
func TestAgreementOfOneVantage(t *testing.T) {
	c := Collector{ByVantage: true}
	late := seen("192.0.2.1", 4, "a", 1400, results.OK)
	late.Time = late.Time.Add(time.Hour)
	c.Add(seen("192.0.2.1", 4, "a", 1500, results.OK))
	c.Add(late)
	assert.Zero(t, c.Summary(1).Agreement.Targets)
	var other Collector
	other.Add(late)
	assert.Nil(t, other.Summary(1).Agreement, "nobody asked")
}
