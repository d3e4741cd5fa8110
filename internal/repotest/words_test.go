package repotest

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Packages of no concern in particular have no place in the tree.
func TestNoCatchAllPackages(t *testing.T) {
	for _, f := range goFiles(t) {
		for _, name := range []string{"util", "utils", "common", "helpers", "misc"} {
			assert.NotEqual(t, name, f.ast.Name.Name, f.path)
		}
	}
}

// Every package says what it is for.
func TestEveryPackageIsDocumented(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range goFiles(t) {
		if !f.test {
			documented[f.dir] = documented[f.dir] || f.ast.Doc != nil
		}
	}
	for dir, ok := range documented {
		assert.True(t, ok, "%s has no package comment", dir)
	}
}

// What is left for later belongs into an issue, not into the code.
func TestNoLeftovers(t *testing.T) {
	marks := regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`)
	walk(t, root(t), func(path, rel string) {
		if !strings.HasSuffix(rel, ".go") && !strings.HasSuffix(rel, ".md") || rel == "internal/repotest/words_test.go" {
			return
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for i, line := range bytes.Split(text, []byte("\n")) {
			assert.False(t, marks.Match(line), "%s:%d: %s", rel, i+1, line)
		}
	})
}

// The README fits on a screen or so.
func TestREADMEIsShort(t *testing.T) {
	text, err := os.ReadFile(root(t) + "/README.md")
	require.NoError(t, err)
	assert.LessOrEqual(t, bytes.Count(text, []byte("\n")), 80)
}

// A block of figures in a document stands, line for line, in the recorded run
// that the comment before it names.
func TestDocumentsQuoteRecordedRuns(t *testing.T) {
	quote := regexp.MustCompile("(?s)<!-- from (\\S+) -->\n```\n(.*?)```")
	quotes := 0
	walk(t, root(t), func(path, rel string) {
		if !strings.HasSuffix(rel, ".md") {
			return
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, m := range quote.FindAllStringSubmatch(string(text), -1) {
			quotes++
			recorded, err := os.ReadFile(root(t) + "/" + m[1])
			require.NoError(t, err, rel)
			lines := map[string]bool{}
			for line := range strings.Lines(string(recorded)) {
				lines[strings.TrimRight(line, " \n")] = true
			}
			for line := range strings.Lines(m[2]) {
				assert.True(t, lines[strings.TrimRight(line, " \n")], "%s quotes what %s does not say: %s", rel, m[1], line)
			}
		}
	})
	assert.Positive(t, quotes)
}
