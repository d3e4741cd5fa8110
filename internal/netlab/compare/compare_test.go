package compare

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/hbh"
	"pathmtu/internal/ip6"
	"pathmtu/internal/pathsim"
)

func quick(t *testing.T, seed uint64) []Trial {
	t.Helper()
	trials, err := RunAll(t.Context(), Config{Quick: true, Seed: seed, Seeds: 2})
	require.NoError(t, err)
	return trials
}

// Whatever the seed, the comparison comes to the same conclusions; with the same
// seed, to the same numbers.
func TestSameConclusions(t *testing.T) {
	first := quick(t, 1)
	var ids [2][]string
	for i, trials := range [][]Trial{first, quick(t, 1000)} {
		for _, c := range Conclude(Summarise(trials)) {
			assert.True(t, c.Holds, "seed run %d: %s: %s", i, c.Text, c.Against)
			ids[i] = append(ids[i], c.ID)
		}
	}
	assert.Equal(t, ids[0], ids[1])
	for _, s := range []string{"1500, all PTB filtered", "5 % loss", "50 % of routers"} {
		for _, sc := range Scenarios(true) {
			if sc.Name != s {
				continue
			}
			for _, m := range Mechanisms() {
				again, err := sc.Run(m, 1)
				require.NoError(t, err)
				assert.Contains(t, first, again)
			}
		}
	}
	report(t, first)
}

// report writes everything, and reads it again.
func report(t *testing.T, trials []Trial) {
	dir := t.TempDir()
	rows := Summarise(trials)
	r := Report{Rows: rows, Conclusions: Conclude(rows)}
	require.NoError(t, Write(dir, trials, r, Manifest{Command: []string{"compare"}, Seed: 1, Seeds: 2, Trials: len(trials)}))
	var m Manifest
	b, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &m))
	assert.Equal(t, len(r.Conclusions), m.Holding)
	assert.Len(t, m.Files, 16)
	for _, name := range m.Files {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		assert.Greater(t, info.Size(), int64(500), name)
	}
	f, err := os.Open(filepath.Join(dir, "summary.csv"))
	require.NoError(t, err)
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	assert.Len(t, lines, 1+len(rows))
}

// A statement without rows, or with one against it, does not hold.
func TestConclusionsCanFail(t *testing.T) {
	for _, c := range Conclude(nil) {
		assert.False(t, c.Holds, c.ID)
		assert.NotEmpty(t, c.Against)
	}
	rows := []Row{{Mechanism: "PMTUD", Scenario: "1500, all PTB filtered", Truth: 1500, Converged: 0.5}}
	c := Conclude(rows)[0]
	assert.Equal(t, "pmtud-silent", c.ID)
	assert.False(t, c.Holds)
	assert.Contains(t, c.Against, "1500, all PTB filtered")
	var b bytes.Buffer
	require.NoError(t, WriteConclusions(&b, []Conclusion{c}))
	assert.Contains(t, b.String(), "FAILS")
}

// The network: a packet that fits arrives, one that does not is answered, cut or
// lost, as configured, and the option is lowered by those who take part only.
func TestNetwork(t *testing.T) {
	build := func(part []takesPart, f Filter, mtus ...int) (*network, *[]ip6.Packet, *[]ip6.Packet) {
		links := make([]link, len(mtus))
		for i, m := range mtus {
			links[i] = link{mtu: m, delay: time.Millisecond}
		}
		n, err := newNetwork(pathsim.New(1), links, part, f)
		require.NoError(t, err)
		var src, dst []ip6.Packet
		n.toSrc = func(b []byte) { src = append(src, b) }
		n.toDst = func(b []byte) { dst = append(dst, b) }
		return n, &src, &dst
	}
	all := takesPart{hbh: true, truncate: true}
	t.Run("delivered", func(t *testing.T) {
		n, src, dst := build([]takesPart{all, {}}, Delivered, 9000, 4000, 1500)
		assert.Equal(t, 1500, n.truth())
		p, err := withOption(datagram(true, 1400, head{7, 8}), hbh.Option{Min: 9000, R: true})
		require.NoError(t, err)
		n.fromSource(p)
		n.fromSource(datagram(true, 1501, head{1, 2}))
		n.sim.Run(time.Second)
		require.Len(t, *dst, 1)
		assert.EqualValues(t, 4000, hbh.Observe((*dst)[0], ip6.Limits{}).Min, "the second router does not take part")
		h, err := parse((*dst)[0])
		require.NoError(t, err)
		assert.Equal(t, head{7, 8}, h)
		require.Len(t, *src, 1)
		e, err := ip6.ParseErrorPacket((*src)[0], ip6.Limits{})
		require.NoError(t, err)
		assert.EqualValues(t, 1500, e.Param)
		q, err := quoted(e.Quote)
		require.NoError(t, err)
		assert.Equal(t, head{1, 2}, q)
	})
	t.Run("cut, filtered", func(t *testing.T) {
		n, src, dst := build([]takesPart{{}, all}, RoutersFiltered, 9000, 9000, 1500)
		n.fromSource(mustMark(datagram(true, 4000, head{1, 2})))
		n.sim.Run(time.Second)
		assert.Empty(t, *src)
		assert.Equal(t, 1, n.icmp, "sent, and filtered")
		require.Len(t, *dst, 1)
		assert.Len(t, []byte((*dst)[0]), 1500)
	})
	t.Run("dropped headers, shrinking", func(t *testing.T) {
		n, _, dst := build([]takesPart{all}, Delivered, 9000, 9000)
		n.links[1].dropDO, n.links[0].dropHBH = true, true
		n.fromSource(mustMark(datagram(true, 4000, head{1, 2})))
		p, err := withOption(datagram(true, 1400, head{7, 8}), hbh.Option{Min: 9000})
		require.NoError(t, err)
		n.fromSource(p)
		n.fromSource(datagram(true, 4000, head{3, 4}))
		n.sim.Run(time.Second)
		assert.Len(t, *dst, 1)
		n.setMTU(1, 1500)
		n.fromSource(datagram(true, 4000, head{5, 6}))
		n.sim.Run(time.Second)
		assert.Len(t, *dst, 1)
		assert.Equal(t, 1500, n.truth())
	})
}

func TestSettle(t *testing.T) {
	line := []change{{0, 1280, 0}, {time.Second, 1500, 10}, {2 * time.Second, 1280, 20}, {3 * time.Second, 1490, 30}, {4 * time.Second, 1500, 40}}
	for _, c := range []struct {
		final, truth int
		want         float64
		packets      int
	}{{1500, 1500, 3, 30}, {1500, 9000, -1, -1}, {1500, 1400, -1, -1}} {
		tr := Trial{Final: c.final, Truth: c.truth}
		tr.settle(line, 0, 0)
		assert.Equal(t, c.want, tr.Seconds)
		assert.Equal(t, c.packets, tr.Packets)
		assert.Equal(t, c.want >= 0, tr.Converged)
	}
}

func TestCodeLines(t *testing.T) {
	text := "// Package p\npackage p\n\n/* no\n code */\nvar s = `a\nb\nc` // x\n\nfunc f() { g()\n}\n"
	assert.Equal(t, 6, codeLines([]byte(text)))
	n, err := countLines(".", []string{"network.go"})
	require.NoError(t, err)
	assert.Greater(t, n, 80)
	_, err = countLines(".", []string{"nowhere.go"})
	assert.ErrorContains(t, err, "nowhere.go")
}

// Each part that has a cost is measured.
func TestCosts(t *testing.T) {
	costs, err := Costs("../../..")
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, WriteCosts(&b, costs))
	t.Log(b.String())
	lines := map[string]int{}
	for _, c := range costs {
		assert.NotEmpty(t, c.What)
		assert.Positive(t, c.Nanos, c.What)
		lines[c.Proposal] += c.Lines
	}
	for _, p := range []string{"DPLPMTUD", "HBH", "Truncate"} {
		assert.Greater(t, lines[p], 100, p)
	}
}

func TestRunAllRefuses(t *testing.T) {
	_, err := RunAll(t.Context(), Config{})
	assert.ErrorContains(t, err, "Seeds 0")
}
