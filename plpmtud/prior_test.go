package plpmtud

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestParsePrior(t *testing.T) {
	p, err := ParsePrior(strings.NewReader("# comment\n\n\tpathmtu-prior  1 # version\r\n1500 3\nuniform 1280 1283 1\n576 4 # last line, no newline"))
	require.NoError(t, err)
	got := map[int]float64{}
	last := 0
	for size, share := range p.All() {
		require.Greater(t, size, last)
		last = size
		got[size] = share
	}
	assert.InDeltaMapValues(t, map[int]float64{
		576: 0.5, 1280: 0.03125, 1281: 0.03125, 1282: 0.03125, 1283: 0.03125, 1500: 0.375,
	}, got, 1e-12)
	for range p.All() { // may be left early
		break
	}
}

func TestParsePriorErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "no header"},
		{"# only a comment\n", "no header"},
		{"pathmtu-prior 1\n", "0 entries"},
		{"1500 1\n", "line 1: header is"},
		{"pathmtu-prior\n1500 1", "line 1: header is"},
		{"pathmtu-prior 2\n1500 1", `line 1: version is "2"`},
		{"pathmtu-prior 1 1\n", "line 1: header is"},
		{"pathmtu-prior 1\n\n1500", "line 3: 1 fields"},
		{"pathmtu-prior 1\n1500 1 1", "line 2: 3 fields"},
		{"pathmtu-prior 1\nuniform 1 2", "line 2: 3 fields, want: uniform LO HI WEIGHT"},
		{"pathmtu-prior 1\n1500 1\n1492 x", `line 3: weight is "x"`},
		{"pathmtu-prior 1\n+1500 1", `line 2: size is "+1500"`},
		{"pathmtu-prior 1\n1500.0 1", `line 2: size is "1500.0"`},
		{"pathmtu-prior 1\n-1 1", `line 2: size is "-1"`},
		{"pathmtu-prior 1\n65536 1", `line 2: size is "65536"`},
		{"pathmtu-prior 1\n67 1", "line 2: size is 67, want 68 to 65535 bytes"},
		{"pathmtu-prior 1\n1500 -1", "line 2: weight is -1"},
		{"pathmtu-prior 1\n1500 0", "line 2: weight is 0"},
		{"pathmtu-prior 1\n1500 NaN", "line 2: weight is NaN"},
		{"pathmtu-prior 1\n1500 Inf", "line 2: weight is +Inf"},
		{"pathmtu-prior 1\n1500 1e13", "line 2: weight is 1e+13"},
		{"pathmtu-prior 1\n1500 1e999", `line 2: weight is "1e999"`},
		{"pathmtu-prior 1\n1500 1\n1500 2", "line 3: size 1500 was given in line 2"},
		{"pathmtu-prior 1\nuniform 1500 1280 1", "line 2: lo is 1500, want at most hi (1280)"},
		{"pathmtu-prior 1\nuniform 60 1280 1", "line 2: lo is 60"},
		{"pathmtu-prior 1\nuniform 1280 a 1", `line 2: hi is "a"`},
		{"pathmtu-prior 1\n" + strings.Repeat("x", maxPriorLine+10), "line 2: longer than 256 bytes"},
		{"pathmtu-prior 1\n" + strings.Repeat("uniform 1280 1500 1\n", maxPriorLen+1), "line 8194: more than 8192 entries"},
		{"pathmtu-prior 1\n1500 1\n" + strings.Repeat("\n", maxPriorFile), "longer than 1048576 bytes"},
	} {
		p, err := ParsePrior(strings.NewReader(c.text))
		assert.Nil(t, p)
		var pe *PriorError
		if assert.ErrorAs(t, err, &pe, "%.60q", c.text) {
			assert.Contains(t, err.Error(), c.want)
		}
	}
	failure := errors.New("disk on fire")
	_, err := ParsePrior(iotest.ErrReader(failure))
	assert.ErrorIs(t, err, failure)
}

func TestNewPriorErrors(t *testing.T) {
	for _, c := range []struct {
		points []PriorPoint
		ranges []PriorRange
		want   string
	}{
		{want: "0 entries, want 1 to 8192"},
		{points: []PriorPoint{{1500, 1}, {1400, 1}, {1500, 1}}, want: "size 1500 is given twice"},
		{points: []PriorPoint{{70000, 1}}, want: "size is 70000"},
		{points: []PriorPoint{{1500, math.NaN()}}, want: "weight is NaN"},
		{ranges: []PriorRange{{1500, 70000, 1}}, want: "hi is 70000"},
		{ranges: []PriorRange{{1500, 1500, math.Inf(1)}}, want: "weight is +Inf"},
		{ranges: make([]PriorRange, maxPriorLen+1), want: "8193 entries"},
	} {
		p, err := NewPrior(c.points, c.ranges)
		assert.Nil(t, p)
		assert.ErrorContains(t, err, c.want)
	}
	points := []PriorPoint{{1500, 1}, {1400, 1}}
	p, err := NewPrior(points, nil)
	require.NoError(t, err)
	points[0].Size = 9000
	assert.Equal(t, []PriorPoint{{1400, 1}, {1500, 1}}, p.points, "a Prior keeps its own copy")
}

func drawPrior(t *rapid.T) *Prior {
	weight := rapid.Float64Range(minWeight, 1000)
	size := rapid.IntRange(minPathMTU, maxPathMTU)
	var points []PriorPoint
	for _, s := range rapid.SliceOfNDistinct(size, 1, 40, rapid.ID[int]).Draw(t, "sizes") {
		points = append(points, PriorPoint{s, weight.Draw(t, "weight")})
	}
	var ranges []PriorRange
	for range rapid.IntRange(0, 3).Draw(t, "ranges") {
		lo, hi := size.Draw(t, "lo"), size.Draw(t, "hi")
		ranges = append(ranges, PriorRange{min(lo, hi), max(lo, hi), weight.Draw(t, "weight")})
	}
	p, err := NewPrior(points, ranges)
	require.NoError(t, err)
	return p
}

func TestPriorRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPrior(t)
		var b bytes.Buffer
		n, err := p.WriteTo(&b)
		require.NoError(t, err)
		require.EqualValues(t, b.Len(), n)
		q, err := ParsePrior(&b)
		require.NoError(t, err)
		require.Equal(t, p.points, q.points)
		require.Equal(t, p.ranges, q.ranges)
		total := 0.0
		for _, share := range p.All() {
			total += share
		}
		require.InDelta(t, 1, total, 1e-9)
	})
}

// Every prefix of a good file is either a good file or a clear error.
func TestPriorPrefixes(t *testing.T) {
	for i := range builtinText {
		p, err := ParsePrior(strings.NewReader(builtinText[:i]))
		if err != nil {
			var pe *PriorError
			require.ErrorAs(t, err, &pe, "prefix of %d bytes", i)
			require.Nil(t, p)
		}
	}
}

func FuzzParsePrior(f *testing.F) {
	f.Add([]byte(builtinText))
	f.Add([]byte("pathmtu-prior 1\n1500 76\nuniform 1280 1499 1\n"))
	f.Add([]byte("pathmtu-prior 1\n1500 1e-12\n# x"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ParsePrior(bytes.NewReader(text))
		if err != nil {
			var pe *PriorError
			if !errors.As(err, &pe) || pe.Error() == "" {
				t.Fatalf("error %v is no PriorError", err)
			}
			return
		}
		var b bytes.Buffer
		if _, err := p.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		if q, err := ParsePrior(&b); err != nil || fmt.Sprint(q) != fmt.Sprint(p) {
			t.Fatalf("%v does not survive: %v", p, err)
		}
	})
}

func TestBuiltinPrior(t *testing.T) {
	p := BuiltinPrior()
	assert.Same(t, p, BuiltinPrior())
	share := map[int]float64{}
	ethernet, jumbo := 0.0, 0.0
	for size, w := range p.All() {
		share[size] = w
		if size >= ethernetMTU {
			ethernet += w
		}
		if size >= 8000 && size <= 9216 {
			jumbo += w
		}
	}
	assert.Greater(t, ethernet, 0.5, "most paths carry Ethernet frames")
	assert.Greater(t, jumbo/ethernet, 0.2, "jumbo frames are worth a probe where the interface allows them")
	for _, size := range []int{1280, 1400, 1420, 1460, 1480, 1492, 4352, 9001, 65535} {
		assert.Positive(t, share[size], "size %d", size)
	}
}

// The priors of the reports are what they are said to be.
func TestPriorsOfReports(t *testing.T) {
	at := func(name string, size int) (share float64) {
		for s, w := range testPrior(t, name).All() {
			if s == size {
				share = w
			}
		}
		return share
	}
	uniform := 0.01 / 220
	assert.InDelta(t, 0.76, at("a", 1500), 1e-9)
	assert.InDelta(t, 0.09+uniform, at("a", 1492), 1e-9)
	assert.InDelta(t, 0.02+uniform, at("a", 1480), 1e-9)
	assert.InDelta(t, 0.02+uniform, at("a", 1460), 1e-9)
	uniform = 0.04 / 220
	for size, want := range map[int]float64{1500: 0.35 - uniform, 1492: 0.08, 1420: 0.1, 1460: 0.06, 1400: 0.06, 1280: 0.06} {
		assert.InDelta(t, want+uniform, at("b", size), 1e-9, "size %d", size)
	}
	assert.InDelta(t, 1.0/221, at("c", 1333), 1e-9)
}
