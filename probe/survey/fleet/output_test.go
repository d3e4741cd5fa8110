//go:build unix

package fleet_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/probe/survey/fleet"
	"pathmtu/results"
)

// What was written is gone on with; what was cut short is removed.
func TestLinesFileRestores(t *testing.T) {
	p, set, _ := makePlan(t, 100, "a")
	name := filepath.Join(t.TempDir(), "out.jsonl")
	var text bytes.Buffer
	w := results.NewWriter(&text)
	for i := range uint64(3) {
		r := record(set.At(i), 1500)
		r.Run, r.Vantage.Name = p.ID, "a"
		require.NoError(t, w.Write(r))
	}
	require.NoError(t, os.WriteFile(name, append(text.Bytes(), `{"schema":2,"tar`...), 0o600))
	c, err := fleet.NewCollector(fleet.NewMemory(), p, set, nil)
	require.NoError(t, err)
	f, err := fleet.OpenLines(name, c.Restore)
	require.NoError(t, err)
	assert.EqualValues(t, 3, c.Records)
	_, err = fleet.OpenLines(name, c.Restore)
	require.ErrorContains(t, err, "another process")
	require.NoError(t, f.Close())
	got, err := os.ReadFile(name)
	require.NoError(t, err)
	assert.Equal(t, text.String(), string(got))
	_, err = fleet.OpenLines(name, c.Restore)
	assert.ErrorContains(t, err, "twice")
}
