package report

import (
	"bytes"
	"encoding/xml"
	"flag"
	"image/png"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/results"
	"pathmtu/results/analysis"
	"pathmtu/results/resultstest"
)

var update = flag.Bool("update", false, "write the golden files")

func summary(all ...*results.Record) *analysis.Summary {
	c := new(analysis.Collector)
	for _, r := range all {
		c.Add(r)
	}
	return c.Summary(8)
}

// TestText: the text of a made-up survey, as kept in testdata; `go test -update`
// writes it anew.
func TestText(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, Text(&b, summary(resultstest.Survey(1, 3000)...), 8))
	const golden = "testdata/report.txt"
	if *update {
		require.NoError(t, os.WriteFile(golden, b.Bytes(), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), b.String())
}

func TestTextOfNothing(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, Text(&b, summary(), 8))
	assert.Equal(t, "0 targets, of which 0 (-) have a path MTU\n", b.String())
}

// few are small inputs in which something is missing.
func few() map[string][]*results.Record {
	failed := &results.Record{Schema: 1, Target: "x", Direction: results.Forward, Error: "unknown host"}
	silent := &results.Record{Schema: 1, Target: "192.0.2.1", Family: 4, Direction: results.Forward, Verdict: results.Unresponsive}
	one, jumbo := resultstest.Example(), resultstest.Example()
	size := 9000
	jumbo.PMTU = &size
	lossless := resultstest.Example()
	lossless.Loss = []results.Loss{{Size: 0, Sent: 1}, {Size: 1420, Sent: 3}}
	return map[string][]*results.Record{
		"nothing": nil, "unresolved": {failed}, "silent": {silent}, "one": {one}, "jumbo": {one, jumbo},
		"lossless": {lossless}, "all": {failed, silent, one, jumbo, lossless}, "survey": resultstest.Survey(2, 500),
	}
}

// TestFigures: whatever is missing, figures are good XML and PNG, and show no
// NaN.
func TestFigures(t *testing.T) {
	for name, all := range few() {
		t.Run(name, func(t *testing.T) {
			figures, err := Figures(summary(all...), 8)
			require.NoError(t, err)
			seen := map[string]bool{}
			for _, f := range figures {
				assert.False(t, seen[f.Name], f.Name)
				seen[f.Name] = true
				assert.NotEmpty(t, f.Title)
				assert.Greater(t, len(f.Alt), 20, f.Name)
				assert.NotContains(t, f.Alt, "NaN")
				var svg bytes.Buffer
				require.NoError(t, f.SVG(&svg))
				assert.NotContains(t, svg.String(), "NaN", f.Name)
				assert.NotContains(t, svg.String(), "Inf", f.Name)
				wellFormed(t, svg.String())
			}
			if name != "survey" {
				return
			}
			assert.Len(t, figures, 10)
			var b bytes.Buffer
			require.NoError(t, figures[0].PNG(&b))
			picture, err := png.Decode(&b)
			require.NoError(t, err)
			assert.Greater(t, picture.Bounds().Dx(), 1000)
		})
	}
}

func wellFormed(t *testing.T, text string) {
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		_, err := d.Token()
		if err == io.EOF {
			return
		}
		require.NoError(t, err)
	}
}

// TestPage: the page needs nothing from elsewhere, its pictures have titles and
// descriptions, its tables headers, its ids are unique, and what records say is
// escaped.
func TestPage(t *testing.T) {
	hostile := resultstest.Example()
	hostile.Run, hostile.Methods[0].Method, hostile.Vantage.Name = `<script>alert(1)</script>`, `"><img src=x>`, "</svg><b>"
	all := append(resultstest.Survey(3, 500), hostile)
	var b bytes.Buffer
	require.NoError(t, HTML(&b, summary(all...), "Title <1>", []string{"a note & more"}, 8))
	page := b.String()
	assert.Contains(t, page, "<title>Title &lt;1&gt;</title>")
	assert.Contains(t, page, "a note &amp; more")
	for _, bad := range []string{"<script", "<img", "<b>", "<link", "@import", "url(", "NaN", "<?xml"} {
		assert.False(t, strings.Contains(page, bad), bad)
	}
	for _, ref := range regexp.MustCompile(`(?:href|xmlns[:a-z]*)="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		assert.True(t, strings.HasPrefix(ref[1], "#") || strings.HasPrefix(ref[1], "http://www.w3.org/"), ref[1])
	}
	pictures := strings.Count(page, "<svg ")
	assert.Equal(t, 10, pictures)
	assert.Equal(t, pictures, strings.Count(page, `role="img"`))
	assert.Equal(t, pictures, strings.Count(page, "<desc "))
	assert.Equal(t, strings.Count(page, "<table>"), strings.Count(page, "<caption>"))
	ids := map[string]bool{}
	for _, id := range regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		assert.False(t, ids[id[1]], "id %s comes twice", id[1])
		ids[id[1]] = true
	}
	for _, link := range regexp.MustCompile(`href="#([^"]*)"|aria-labelledby="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		for _, id := range strings.Fields(link[1] + " " + link[2]) {
			assert.True(t, ids[id], "nothing has the id %s", id)
		}
	}
	for name, records := range few() {
		var b bytes.Buffer
		require.NoError(t, HTML(&b, summary(records...), name, nil, 8), name)
		assert.NotContains(t, b.String(), "NaN", name)
	}
}

func TestNumbers(t *testing.T) {
	assert.Equal(t, "0", count(0))
	assert.Equal(t, "999", count(999))
	assert.Equal(t, "1\u202f000\u202f001", count(1000001))
	for v, want := range map[float64]string{0: "0 B", 999: "999 B", 1500: "1.5 kB", 2.5e6: "2.5 MB", 3e12: "3 TB"} {
		assert.Equal(t, want, bytesText(v))
	}
	for _, c := range []struct {
		k, n int64
		want string
	}{{0, 0, "-"}, {0, 9, "0 %"}, {9, 9, "100 %"}, {1, 100000, "0.001 %"}, {1, 200, "0.50 %"}, {1, 3, "33.3 %"}, {9999, 10000, "99.99 %"}} {
		assert.Equal(t, c.want, percent(c.k, c.n))
	}
}
