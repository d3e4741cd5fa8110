package repotest

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// requirement is one entry of docs/spec/*.toml.
type requirement struct {
	ID        string `toml:"id"`
	Source    string `toml:"source"` // document and section
	Level     string `toml:"level"`  // MUST, SHOULD, MAY ...
	Duty      string `toml:"duty"`
	Fact      string `toml:"fact"`
	Exception string `toml:"exception"` // why no test keeps it
}

func requirements(t *testing.T) []requirement {
	files, err := filepath.Glob(filepath.Join(root(t), "docs/spec/*.toml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var all []requirement
	for _, f := range files {
		var doc struct {
			Requirement []requirement `toml:"requirement"`
		}
		meta, err := toml.DecodeFile(f, &doc)
		require.NoError(t, err)
		require.Empty(t, meta.Undecoded(), "%s: unknown keys", f)
		require.NotEmpty(t, doc.Requirement, f)
		all = append(all, doc.Requirement...)
	}
	return all
}

// idPattern matches the ids of the specification tables: D3-6c, D4.6.2-5,
// U3.1-1, R4, H12, P1 ...
var idPattern = regexp.MustCompile(`\b[A-Z][0-9]+(?:\.[0-9]+)*(?:-[0-9a-z]+)?\b`)

// namedInTests returns, for each id, the test files that name it.
func namedInTests(t *testing.T) map[string][]string {
	named := map[string][]string{}
	walk(t, root(t), func(path, rel string) {
		if !strings.HasSuffix(rel, "_test.go") || strings.HasPrefix(rel, "internal/repotest/") {
			return
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, id := range idPattern.FindAllString(string(text), -1) {
			if !slices.Contains(named[id], rel) {
				named[id] = append(named[id], rel)
			}
		}
	})
	return named
}

// Every requirement has a test that names it, or a written exception.
func TestRequirementsAreTraced(t *testing.T) {
	named := namedInTests(t)
	seen := map[string]bool{}
	for _, r := range requirements(t) {
		assert.False(t, seen[r.ID], "%s is listed twice", r.ID)
		seen[r.ID] = true
		assert.NotEmpty(t, r.Source, r.ID)
		assert.NotEmpty(t, r.Level, r.ID)
		assert.NotEmpty(t, r.Fact, r.ID)
		if r.Exception != "" {
			assert.Greater(t, len(r.Exception), 20, "%s: an exception needs a reason", r.ID)
			continue
		}
		assert.NotEmpty(t, named[r.ID], "%s (%s, %s): no test names it: %s", r.ID, r.Source, r.Level, r.Fact)
	}
}
