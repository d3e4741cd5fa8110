package main

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/pathsim/compare"
)

func TestRecordedRun(t *testing.T) {
	const measured = "testdata/measured.txt"
	scale := compare.Scale{Seed: 5, Packets: 300, Seeds: 1, Runs: 20}
	tables, err := compute(scale, measured)
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "run")
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	require.NoError(t, record(dir, tables, newManifest(scale, true, now)))

	text, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	require.NoError(t, err)
	var m manifest
	require.NoError(t, json.Unmarshal(text, &m))
	assert.Equal(t, scale, m.Scale)
	assert.Equal(t, "2026-01-02T03:04:05Z", m.Time)
	assert.NotEmpty(t, m.Go)
	require.Len(t, m.Files, len(tables)+1)
	for _, name := range m.Files {
		content, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		if !strings.HasSuffix(name, ".csv") {
			assert.Contains(t, string(content), "False black-hole verdicts")
			assert.Contains(t, string(content), "own L=1.25", "the measured prior")
			continue
		}
		rows, err := csv.NewReader(strings.NewReader(string(content))).ReadAll()
		require.NoError(t, err, name)
		require.Greater(t, len(rows), 1, name)
		for _, r := range rows {
			require.Len(t, r, len(rows[0]), name)
		}
	}

	again, err := compute(scale, measured)
	require.NoError(t, err)
	assert.Equal(t, tables, again, "the same seed, the same tables")
}
