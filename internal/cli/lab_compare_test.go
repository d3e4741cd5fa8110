package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	comparison "pathmtu/internal/netlab/compare"
)

func compareMain(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = Main(append([]string{"lab", "compare"}, args...), strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

// One command runs the comparison, prints the conclusions and writes the files.
func TestLabCompare(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	code, out, errOut := compareMain(t, "--quick", "--seeds", "1", "--json", "--out", dir, "--source", "../..")
	require.Equal(t, exitOK, code, "%s", errOut)
	assert.Contains(t, errOut, "written to "+dir)
	var r comparison.Report
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	for _, c := range r.Conclusions {
		assert.True(t, c.Holds, "%s: %s", c.Text, c.Against)
	}
	lines := 0
	for _, c := range r.Costs {
		lines += c.Lines
	}
	assert.Greater(t, lines, 1000)
	b, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	require.NoError(t, err)
	var m comparison.Manifest
	require.NoError(t, json.Unmarshal(b, &m))
	assert.Equal(t, []any{uint64(1), 1, true, len(r.Conclusions)}, []any{m.Seed, m.Seeds, m.Quick, m.Holding})
	table, err := os.ReadFile(filepath.Join(dir, "table.txt"))
	require.NoError(t, err)
	assert.Contains(t, string(table), "DPLPMTUD+Truncate")
}

func TestLabCompareWrongUse(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"--seeds", "-1"}, "--seeds -1"},
		{[]string{"--seeds", "101"}, "--seeds 101"},
		{[]string{"--json", "--csv"}, "--json and --csv"},
		{[]string{"all"}, `"all"`},
	} {
		code, out, errOut := compareMain(t, append(c.args, "--out", "-")...)
		assert.Equal(t, exitUsage, code)
		assert.Contains(t, errOut, c.says)
		assert.Empty(t, out)
	}
}
