package versus

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab"
	"pathmtu/results"
)

var target = netip.MustParseAddr("198.51.100.10")

func TestReadScamper(t *testing.T) {
	head := "traceroute from 198.51.100.1 to 198.51.100.10\n 1  198.51.100.2  0.048 ms [mtu: 1500]\n 2  198.51.100.6  0.127 ms [mtu: 1500]\n"
	for _, c := range []struct {
		last string
		want Reading
	}{
		{" 3  198.51.100.10  0.151 ms [*mtu: 1413]\n", Reading{MTU: 1413, Inferred: true, Router: "198.51.100.6"}},
		{" 3  198.51.100.10  0.151 ms [mtu: 1413]\n", Reading{MTU: 1413, Router: "198.51.100.6"}},
		{" 3  198.51.100.10  0.151 ms [mtu: 1500]\n", Reading{MTU: 1500}},
		{" 3  *\n", Reading{}},
		{" 3  198.51.100.14  0.151 ms [mtu: 1413]\n", Reading{}},
		{"", Reading{}},
	} {
		assert.Equal(t, c.want, ReadScamper([]byte(head+c.last), target), c.last)
	}
	assert.Zero(t, ReadScamper([]byte("13  198.51.100.10  1.0 ms\n"), target), "without -M")
	assert.Equal(t, Reading{MTU: 9000}, ReadScamper([]byte("\n 1  198.51.100.10  0.1 ms [mtu: 9000] nhmtu 1480!\n"), target))
}

func TestReadTracepath(t *testing.T) {
	head := " 1?: [LOCALHOST]                      pmtu 1500\n 1:  198.51.100.2                                          0.043ms \n"
	shrinks := " 2:  198.51.100.6                                          0.027ms pmtu 1413\n"
	reached := " 3:  198.51.100.10                                         0.016ms reached\n     Resume: pmtu 1413 hops 3 back 3 \n"
	assert.Equal(t, Reading{MTU: 1413, Router: "198.51.100.6"}, ReadTracepath([]byte(head+shrinks+reached), target))
	assert.Equal(t, Reading{MTU: 1413}, ReadTracepath([]byte(head+reached), target))
	asymm := " 3:  198.51.100.10                    0.016ms asymm  4 reached\n     Resume: pmtu 1500 hops 3 back 4 \n"
	assert.Equal(t, Reading{MTU: 1500}, ReadTracepath([]byte(head+asymm), target))
	assert.Zero(t, ReadTracepath([]byte(head+shrinks+" 3:  no reply\n     Too many hops: pmtu 1413\n     Resume: pmtu 1413 \n"), target), "not reached")
	assert.Zero(t, ReadTracepath(nil, target))
}

func TestReadNmap(t *testing.T) {
	assert.Equal(t, Reading{MTU: 1420}, ReadNmap([]byte("Host script results:\n|_path-mtu: PMTU == 1420\n"), target))
	assert.Equal(t, Reading{Low: 1006, High: 1492}, ReadNmap([]byte("|_path-mtu: 1006 <= PMTU < 1492\n"), target))
	assert.Zero(t, ReadNmap([]byte("Host is up.\n"), target))
}

func TestReadRecord(t *testing.T) {
	mtu := 1420
	rec := &results.Record{
		Schema: results.Schema, Target: "x", Family: 4, PMTU: &mtu, Verdict: results.OK, Methods: []results.Method{}, Direction: results.Forward,
		Bottleneck: &results.Bottleneck{Hop: 1, Addr: "198.51.100.2"},
	}
	var line bytes.Buffer
	require.NoError(t, results.NewWriter(&line).Write(rec))
	assert.Equal(t, Reading{MTU: 1420, Router: "198.51.100.2"}, ReadRecord(line.Bytes(), target))
	line.Reset()
	rec.PMTU, rec.Verdict, rec.Error = nil, results.Unresponsive, "no answer"
	require.NoError(t, results.NewWriter(&line).Write(rec))
	assert.Zero(t, ReadRecord(line.Bytes(), target))
	assert.Zero(t, ReadRecord(nil, target))
}

func TestJudge(t *testing.T) {
	places, truth := Tool{Places: true}, Truth{MTU: 1420, Router: "r"}
	for _, c := range []struct {
		tool  Tool
		truth Truth
		r     Reading
		said  Outcome
		place Outcome
	}{
		{places, truth, Reading{MTU: 1420, Router: "r"}, Exact, Exact},
		{places, truth, Reading{MTU: 1400, Router: "s"}, Wrong, Wrong},
		{places, truth, Reading{MTU: 1420}, Exact, None},
		{places, truth, Reading{}, None, None},
		{places, Truth{MTU: 1420}, Reading{MTU: 1420}, Exact, ""},
		{Tool{}, truth, Reading{Low: 1420, High: 1421}, Range, ""},
		{Tool{}, truth, Reading{Low: 1006, High: 1420}, Wrong, ""},
		{Tool{}, truth, Reading{Low: 1421, High: 1492}, Wrong, ""},
	} {
		var row Row
		row.judge(c.tool, c.truth, c.r)
		assert.Equal(t, c.said, row.Said, "%+v", c.r)
		assert.Equal(t, c.place, row.Place, "%+v", c.r)
	}
}

// The plan has what was asked of it, and each path its truth in both families.
func TestPlan(t *testing.T) {
	names := map[string]bool{}
	truths := map[int]bool{}
	for _, p := range Paths() {
		require.NoError(t, p.network(1).Validate(), p.Name())
		assert.Contains(t, groups, p.Group)
		assert.Positive(t, p.Runs)
		assert.False(t, names[p.Name()], p.Name())
		names[p.Name()] = true
		for _, family := range []int{4, 6} {
			truth, err := p.Truth(family)
			require.NoError(t, err)
			truths[truth.MTU] = true
			walk, err := p.Topology.Walk("cli", mustAddr(t, p.Topology, family))
			require.NoError(t, err)
			assert.Equal(t, truth.MTU < walk.FirstHop(), truth.Router != "", p.Name())
		}
	}
	for _, mtu := range []int{9000, 1500, 1492, 1420, 1413, 1400, 1280} {
		assert.True(t, truths[mtu], mtu)
	}
	far := slices.IndexFunc(Paths(), func(p Path) bool { return p.Topology.Name == "far-delivered" })
	truth, err := Paths()[far].Truth(4)
	require.NoError(t, err)
	assert.Equal(t, Truth{1413, "198.51.100.10"}, truth, "the client's side of r3")
}

func mustAddr(t *testing.T, topology netlab.Topology, family int) netip.Addr {
	a, ok := topology.Addr("srv", family)
	require.True(t, ok)
	return a
}

func someRows() []Row {
	row := func(tool, path string, said Outcome, packets int, seconds float64) Row {
		return Row{Tool: tool, Group: GroupDelivered, Path: path, Family: 4, Said: said, Packets: packets, Seconds: seconds}
	}
	return []Row{
		row("a", "p", Exact, 3, 0.1), row("a", "p", Exact, 5, 0.3), row("a", "p", Wrong, 90, 9),
		row("b", "p", Exact, 5, 0.1), row("b", "p", Exact, 7, 0.1), row("b", "p", Exact, 5, 0.1),
		row("a", "q", Exact, 4, 0.1), row("b", "q", None, 4, 0.2),
		row("a", "r", Exact, 6, 0.1), row("b", "r", Exact, 5, 0.2),
	}
}

func TestCompare(t *testing.T) {
	d := Compare(someRows(), "a", "b")
	assert.Equal(t, [4]int{3, 3, 2, 2}, [4]int{d.Paths, d.OursRight, d.TheirsRight, d.Both})
	assert.Equal(t, [4]int{1, 0, 1, 1}, [4]int{d.Fewer, d.Same, d.More, d.Quicker})
	assert.Equal(t, [2]float64{10, 10}, [2]float64{d.OurPackets, d.TheirPackets}, "medians of the exact runs")
	assert.InDelta(t, 150, d.OurMS, 0.001)
	assert.Zero(t, Compare(nil, "a", "b").Both)
}

func TestRecord(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	tools := []Tool{{Name: "a", Ours: true}, {Name: "b"}}
	require.NoError(t, Record(dir, someRows(), tools, Manifest{Command: []string{"versus"}}))
	table, err := os.ReadFile(filepath.Join(dir, "table.txt"))
	require.NoError(t, err)
	assert.Regexp(t, `(?m)^  a +5 +4 +0 +1 +0 +- +- +- +5 +0 +100 ms +108 +9\.6 s$`, string(table))
	assert.Regexp(t, `(?m)^  a / b +3 +3 +2 +2 +1 +0 +1 +10 +10 +1 `, string(table))
	lines, err := os.ReadFile(filepath.Join(dir, "rows.jsonl"))
	require.NoError(t, err)
	assert.Equal(t, len(someRows()), strings.Count(string(lines), "\n"))
	text, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	require.NoError(t, err)
	var m Manifest
	require.NoError(t, json.Unmarshal(text, &m))
	assert.Equal(t, len(someRows()), m.Rows)
	assert.Equal(t, []string{"table.txt", "rows.jsonl", "manifest.json"}, m.Files)
}

func TestManifestNamesTools(t *testing.T) {
	m := NewManifest([]string{"versus"}, Tools("/somewhere/pmtu"), 2)
	assert.Equal(t, []string{"pmtu", "probe", "--method", "udp", "--json", "TARGET"}, m.Tools["pmtu probe, udp"])
	assert.Equal(t, []string{"tracepath", "-n", "-m", "8", "TARGET"}, m.Tools["tracepath"])
	assert.Len(t, m.Versions, 3)
}
