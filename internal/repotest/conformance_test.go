package repotest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var writeConformance = flag.Bool("write-conformance", false, "write docs/conformance.md")

// conformance is the text of docs/conformance.md: each requirement, and what keeps it.
func conformance(t *testing.T) string {
	named := namedInTests(t)
	var documents []string // in order of the tables
	rows := map[string][]string{}
	kept, excepted := map[string]int{}, map[string]int{}
	cell := strings.NewReplacer("|", "\\|", "\n", " ")
	for _, r := range requirements(t) {
		document, section, _ := strings.Cut(r.Source, " section")
		section = strings.TrimSpace(strings.TrimPrefix(section, "s "))
		if _, seen := rows[document]; !seen {
			documents = append(documents, document)
		}
		// A file of tests may come or go without the page: it names the packages.
		status := "exception: " + r.Exception
		if r.Exception != "" {
			excepted[document]++
		} else {
			kept[document]++
			var in []string
			for _, file := range named[r.ID] {
				if dir := filepath.Dir(file); len(in) == 0 || in[len(in)-1] != dir {
					in = append(in, dir)
				}
			}
			status = "tests in " + strings.Join(in, ", ")
		}
		rows[document] = append(rows[document], fmt.Sprintf("| %s | %s | %s | %s | %s |\n",
			r.ID, cell.Replace(section), cell.Replace(r.Level), cell.Replace(r.Fact), cell.Replace(status)))
	}
	var b strings.Builder
	b.WriteString("# Conformance\n\nMade from the tables in [spec/](spec) by `make conformance`. \"-\" as level is descriptive text.\nA test keeps a requirement if it names the requirement's id.\n\n")
	b.WriteString("| document | requirements | with tests | exceptions |\n|---|---|---|---|\n")
	for _, d := range documents {
		fmt.Fprintf(&b, "| %s | %d | %d | %d |\n", d, len(rows[d]), kept[d], excepted[d])
	}
	for _, d := range documents {
		fmt.Fprintf(&b, "\n## %s\n\n| id | section | level | requirement | status |\n|---|---|---|---|---|\n%s", d, strings.Join(rows[d], ""))
	}
	return b.String()
}

// The page of requirements says what the tables and tests say.
func TestConformancePage(t *testing.T) {
	page := filepath.Join(root(t), "docs/conformance.md")
	want := conformance(t)
	if *writeConformance {
		require.NoError(t, os.WriteFile(page, []byte(want), 0o644))
	}
	got, err := os.ReadFile(page)
	require.NoError(t, err)
	assert.Equal(t, want, string(got), "run make conformance")
}
