package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/results"
	"pathmtu/results/analysis"
	"pathmtu/results/resultstest"
)

// views makes records of targets from vantage points; of each "1400 ok", or "" for
// none.
func views(c *analysis.Collector, target string, family int, found map[string]string) {
	for vantage, text := range found {
		r := resultstest.Example()
		r.Target, r.Family, r.Vantage.Name, r.PMTU = target, family, vantage, nil
		size := 0
		if _, err := fmt.Sscanf(text, "%d %s", &size, &r.Verdict); err == nil {
			r.PMTU = &size
		} else {
			r.Verdict = results.Verdict(text)
		}
		c.Add(r)
	}
}

func TestWhereVantagesDiffer(t *testing.T) {
	c := analysis.Collector{ByVantage: true}
	views(&c, "192.0.2.1", 4, map[string]string{"ams": "1500 ok", "nrt": "1500 ok", "gru": "1500 ok"})
	views(&c, "192.0.2.2", 4, map[string]string{"ams": "1500 ok", "nrt": "1420 ok-silent"})
	views(&c, "192.0.2.3", 4, map[string]string{"ams": "1420 ok", "nrt": "1420 ok-silent", "gru": "1420 ok"})
	views(&c, "host.example", 6, map[string]string{"ams": "unresponsive", "gru": "1480 ok"})
	views(&c, "other.example", 6, map[string]string{"ams": "1280 ok", "gru": "1480 ok"})
	s := c.Summary(8)
	var b bytes.Buffer
	require.NoError(t, Text(&b, s, 3))
	_, rest, ok := strings.Cut(b.String(), "\nAgreement of vantage points\n")
	require.True(t, ok, b.String())
	rest, _, _ = strings.Cut(rest, "\nHonesty of ")
	assert.Equal(t, `  from all vantage points  targets   share
  the same                       1  20.0 %
  another path MTU               3  60.0 %
  another verdict only           1  20.0 %

Where vantage points differ
  target             ams           gru      nrt
  192.0.2.2          1500 ok       -        1420 ok-silent
  192.0.2.3          1420 ok       1420 ok  1420 ok-silent
  host.example IPv6  unresponsive  1480 ok  -
`, rest)
	table := differenceTable(s.Agreement, 3)
	assert.Contains(t, table.Note, "The first 3 of 4 such targets")

	b.Reset()
	require.NoError(t, HTML(&b, s, "Title", nil, 8))
	assert.Contains(t, b.String(), `<h2 id="by-vantage-title">By vantage point</h2>`)
	assert.Contains(t, b.String(), "1420 ok-silent")
}

// There is room for some vantage points only; the others are named.
func TestManyVantages(t *testing.T) {
	c := analysis.Collector{ByVantage: true}
	found := map[string]string{}
	for i := range 12 {
		found[fmt.Sprintf("v%02d", i)] = fmt.Sprintf("%d ok", 1400+i)
	}
	views(&c, "192.0.2.1", 4, found)
	table := differenceTable(c.Summary(8).Agreement, 8)
	assert.Len(t, table.Header, 1+mostColumns)
	assert.Equal(t, []string{"192.0.2.1", "1400 ok"}, table.Rows[0][:2])
	assert.Contains(t, table.Note, "Not shown: v08, v09, v10, v11.")
}

// Without more than one vantage point there is nothing to show.
func TestOneVantage(t *testing.T) {
	c := analysis.Collector{ByVantage: true}
	views(&c, "192.0.2.1", 4, map[string]string{"ams": "1500 ok"})
	var b bytes.Buffer
	require.NoError(t, Text(&b, c.Summary(8), 8))
	assert.NotContains(t, b.String(), "vantage points")
}
