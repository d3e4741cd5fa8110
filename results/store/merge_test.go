package store

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pathmtu/results"
	"pathmtu/results/resultstest"
)

func merged(t require.TestingT, m *Merger, shards ...[]*results.Record) []*results.Record {
	var out []*results.Record
	for _, s := range shards {
		for _, r := range s {
			require.NoError(t, m.Add(r))
		}
	}
	require.NoError(t, m.Each(func(r *results.Record) error { out = append(out, r); return nil }))
	require.NoError(t, m.Close())
	return out
}

// few makes targets and times that meet often.
func few(t *rapid.T) []*results.Record {
	all := draws(t, 7)
	for _, r := range all {
		r.Target = rapid.SampledFrom([]string{"192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:DB8:0::1", "host", "HOST."}).Draw(t, "name")
		r.Time = time.Unix(rapid.Int64Range(0, 2).Draw(t, "when"), 0).UTC()
		r.Vantage.Name = rapid.SampledFrom([]string{"a", "b"}).Draw(t, "where")
	}
	return all
}

// TestMergeProperties: one record for each target; the order of records, how
// they are spread over files, and what fits into memory don't matter; what was
// merged can be merged again.
func TestMergeProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := few(t), few(t)
		by := rapid.Bool().Draw(t, "by vantage")
		small := func() *Merger { return &Merger{ByVantage: by, Batch: rapid.IntRange(4, 9).Draw(t, "batch")} }
		m := &Merger{ByVantage: by}
		want := merged(t, m, a, b)

		all := append(slices.Clone(a), b...)
		shuffled := rapid.Permutation(all).Draw(t, "order")
		n := small()
		require.Equal(t, want, merged(t, n, shuffled), "in any order, with files")
		require.Equal(t, want, merged(t, small(), merged(t, small(), b), merged(t, small(), a)), "of shards that were merged")
		require.Equal(t, want, merged(t, small(), want, want), "with itself")

		s := m.Stats()
		require.EqualValues(t, len(all), s.Records)
		require.EqualValues(t, len(want), s.Targets)
		require.Equal(t, s.Records, s.Targets+s.Identical+s.Superseded)
		require.Equal(t, s.Targets, n.Stats().Targets)
		require.Equal(t, s.NotFinal, n.Stats().NotFinal)

		seen := map[results.Key]bool{}
		for _, r := range want {
			k := m.key(r)
			require.False(t, seen[k], "two records of %q", r.Target)
			seen[k] = true
			for _, o := range all {
				require.False(t, m.key(o) == k && o.Compare(r) > 0, "a later final one is lost")
			}
		}
		for _, r := range all { // nobody is lost
			prefix, unresolved := m.key(r).Unresolved()
			found := seen[m.key(r)]
			for k := range seen {
				p, _ := k.Unresolved()
				found = found || unresolved && p == prefix
			}
			require.True(t, found, r.Target)
		}
	})
}

func TestMergeRules(t *testing.T) {
	at := func(sec int64, change func(*results.Record)) *results.Record {
		r := resultstest.Example()
		r.Time = time.Unix(sec, 0).UTC()
		if change != nil {
			change(r)
		}
		return r
	}
	interrupted := func(r *results.Record) {
		r.PMTU, r.Verdict, r.Error, r.Methods = nil, results.NoVerdict, results.Interrupted, nil
	}
	unresolved := func(r *results.Record) {
		interrupted(r)
		r.Error, r.Family = "unknown host", 0
	}
	other := func(r *results.Record) { r.Target, r.Family = "EXAMPLE.net.", 4 }
	for _, c := range []struct {
		name string
		give []*results.Record
		want []int
		s    MergeStats
	}{
		{"the latest", []*results.Record{at(2, nil), at(1, nil), at(0, nil)}, []int{0}, MergeStats{3, 1, 0, 2, 0}},
		{"final before late", []*results.Record{at(1, nil), at(2, interrupted)}, []int{0}, MergeStats{2, 1, 0, 1, 0}},
		{"not final rather than nothing", []*results.Record{at(1, interrupted), at(2, interrupted)}, []int{1}, MergeStats{2, 1, 0, 1, 1}},
		{"the same", []*results.Record{at(1, nil), at(1, nil)}, []int{0}, MergeStats{2, 1, 1, 0, 0}},
		{"two families", []*results.Record{at(1, nil), at(0, other)}, []int{1, 0}, MergeStats{2, 2, 0, 0, 0}},
		{"a name that was unknown once", []*results.Record{at(9, unresolved), at(1, nil), at(1, other), at(8, unresolved)}, []int{2, 1}, MergeStats{4, 2, 0, 2, 0}},
		{"a name that is unknown", []*results.Record{at(9, unresolved)}, []int{0}, MergeStats{1, 1, 0, 0, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &Merger{}
			got := merged(t, m, c.give)
			var want []*results.Record
			for _, i := range c.want {
				want = append(want, c.give[i])
			}
			assert.Equal(t, want, got)
			assert.Equal(t, c.s, m.Stats())
		})
	}
}

// TestMergeOrder: addresses in their order, IPv4 first, then names.
func TestMergeOrder(t *testing.T) {
	var give []*results.Record
	for _, name := range []string{"b.example", "2001:db8::2", "192.0.2.10", "a.example", "2001:db8::1", "192.0.2.9"} {
		r := resultstest.Example()
		r.Target = name
		give = append(give, r)
	}
	var order []string
	for _, r := range merged(t, &Merger{}, give) {
		order = append(order, r.Target)
	}
	assert.Equal(t, []string{"192.0.2.9", "192.0.2.10", "2001:db8::1", "2001:db8::2", "a.example", "b.example"}, order)
}

// TestManyRuns: more runs than are read at the same time, and nothing stays.
func TestManyRuns(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	m := &Merger{Batch: 1}
	const n = 2*mostRuns + 3
	for i := range n {
		r := resultstest.Example()
		r.AS = uint32(i + 1)
		r.Target = string(rune('a' + i%5))
		require.NoError(t, m.Add(r))
	}
	assert.LessOrEqual(t, len(m.runs), mostRuns)
	assert.Len(t, merged(t, m), 5)
	assert.Equal(t, MergeStats{Records: n, Targets: 5, Superseded: n - 5}, m.Stats())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, left)
	assert.NoError(t, m.Close())
}
