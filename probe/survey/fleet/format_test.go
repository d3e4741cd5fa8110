package fleet

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/probe/survey"
	"pathmtu/results"
)

func sampleSet(t testing.TB, entries ...string) *survey.Set {
	var l survey.List
	for _, e := range entries {
		require.NoError(t, l.Add(e))
	}
	s, _, err := survey.Selection{Lab: true}.Select(&l)
	require.NoError(t, err)
	return s
}

func samplePlan() *Plan {
	return &Plan{
		ID: "s", Targets: 250, Shard: 100, Places: []string{"a", "b"}, Lease: Duration(time.Minute), Workers: 2,
		Methods: []string{"icmp"}, Total: survey.Rates{Packets: 100, Bits: 1e6},
	}
}

func sampleBlock() *Block {
	b := &Block{Survey: "s", Vantage: "a", Shard: 3, Sequence: 5, Worker: results.Worker{ID: "w", Epoch: 2}}
	for i := range 3 {
		a := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}).String()
		b.Records = append(b.Records, &results.Record{
			Schema: results.Schema, Target: a, Address: a, Family: 4, Time: time.Unix(1e9, 0).UTC(), Verdict: results.Unresponsive, Direction: results.RoundTrip,
		})
	}
	return b
}

func TestBlockRoundTrip(t *testing.T) {
	b := sampleBlock()
	packed, err := b.Encode()
	require.NoError(t, err)
	again, err := DecodeBlock(packed)
	require.NoError(t, err)
	require.Len(t, again.Records, 3)
	assert.Equal(t, "s/a/3/8589934597", again.ID())
	assert.Equal(t, b.Worker, again.Worker)
	for _, r := range again.Records {
		assert.Equal(t, &b.Worker, r.Worker, "who measured is in each record")
	}
	assert.Equal(t, b.Records[2].Target, again.Records[2].Target)
	for n := range packed { // cut short anywhere
		if cut, err := DecodeBlock(packed[:n]); err == nil {
			t.Fatalf("%d of %d bytes: %+v", n, len(packed), cut)
		}
	}
	b.Worker.ID = ""
	packed, err = b.Encode()
	require.NoError(t, err)
	_, err = DecodeBlock(packed)
	assert.ErrorContains(t, err, `worker.id is ""`)
	b.Records = make([]*results.Record, MostBlock+1)
	_, err = b.Encode()
	assert.ErrorContains(t, err, "1025 records")
}

func TestListRoundTrip(t *testing.T) {
	s := sampleSet(t, "10.0.0.0/24", "10.0.2.7", "2001:db8::/120")
	b, err := EncodeList(s)
	require.NoError(t, err)
	again, err := DecodeList(b, s.Len())
	require.NoError(t, err)
	assert.Equal(t, s.Hash(), again.Hash())
	for n := range b {
		_, err := DecodeList(b[:n], s.Len())
		assert.Error(t, err, "%d of %d bytes", n, len(b))
	}
	for _, n := range []uint64{0, s.Len() - 1, s.Len() + 1} {
		_, err := DecodeList(b, n)
		assert.ErrorContains(t, err, fmt.Sprintf("targets is %d", n))
	}
}

// The shards of a plan cover each target exactly once, minus what is finished.
func TestShardsCoverAll(t *testing.T) {
	p := samplePlan()
	s := sampleSet(t, "10.0.0.0/25", "10.0.1.0/26", "10.0.2.0/27", "10.0.3.0/28", "10.0.4.0/29", "10.0.5.0/31")
	require.EqualValues(t, 250, s.Len())
	require.EqualValues(t, 3, p.Shards())
	all := &survey.List{}
	for n := range p.Shards() {
		sh := p.At(n, "a")
		require.NoError(t, p.check(sh))
		c := newCursor(sh)
		c.finish(7)
		l, err := targets(s, sh, c)
		require.NoError(t, err)
		assert.EqualValues(t, sh.Count-1, l.Len())
		l, err = targets(s, sh, newCursor(sh))
		require.NoError(t, err)
		part, _, err := survey.Selection{Lab: true}.Select(l)
		require.NoError(t, err)
		require.Equal(t, sh.Count, part.Len())
		for i := range part.Len() {
			require.NoError(t, all.Add(part.At(i).String()))
		}
	}
	require.EqualValues(t, 250, all.Len())
	union, _, err := survey.Selection{Lab: true}.Select(all)
	require.NoError(t, err)
	assert.Equal(t, s.Hash(), union.Hash())
	bad := p.At(0, "a")
	bad.Count = 99
	assert.Error(t, p.check(bad))
	assert.Error(t, p.check(Shard{Survey: "s", Vantage: "a", Number: 3}))
}

func TestPlanRefuses(t *testing.T) {
	require.NoError(t, samplePlan().Validate())
	for field, change := range map[string]func(*Plan){
		"survey":      func(p *Plan) { p.ID = "a.b" },
		"vantages":    func(p *Plan) { p.Places = []string{"a", "any"} },
		"vantage":     func(p *Plan) { p.Places = []string{"a*"} },
		"targets":     func(p *Plan) { p.Targets = 0 },
		"shard":       func(p *Plan) { p.Shard = MostShard + 1 },
		"workers":     func(p *Plan) { p.Workers = -1 },
		"lease":       func(p *Plan) { p.Lease = Duration(time.Hour) },
		"methods":     func(p *Plan) { p.Methods = []string{"smtp"} },
		"prior":       func(p *Plan) { p.Prior = "nonsense" },
		"attribution": func(p *Plan) { p.Attribution = string(make([]byte, 500)) },
	} {
		p := samplePlan()
		change(p)
		assert.ErrorContains(t, p.Validate(), field)
	}
	assert.NotEqual(t, samplePlan().Hash(), (&Plan{}).Hash())
	p := samplePlan()
	p.ID = "other"
	assert.Equal(t, samplePlan().Hash(), p.Hash(), "the name is no part of the plan")
}

func FuzzDecodeBlock(f *testing.F) {
	b, err := sampleBlock().Encode()
	require.NoError(f, err)
	f.Add(b)
	f.Add(slices.Concat(b, b))
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := DecodeBlock(b)
		if err == nil && len(x.Records) > MostBlock {
			t.Fatal("too many records")
		}
	})
}

func FuzzDecodeList(f *testing.F) {
	var l survey.List
	_ = l.Add("10.0.0.0/24")
	s, _, _ := survey.Selection{Lab: true}.Select(&l)
	b, _ := EncodeList(s)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := DecodeList(b, 256)
		if err == nil && (s.Len() != 256 || !s.At(255).IsValid()) {
			t.Fatalf("%d addresses, the last of them %v", s.Len(), s.At(s.Len()-1))
		}
	})
}

func FuzzDecodePlanAndCursor(f *testing.F) {
	b, _ := json.Marshal(samplePlan())
	f.Add(b)
	f.Add(newCursor(Shard{Count: 100}).encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := DecodePlan(b); err == nil {
			last := p.At(p.Shards()-1, p.Places[0])
			require.Equal(t, p.Targets, last.Start+last.Count)
		}
		if c, err := decodeCursor(b, Shard{Count: 100}); err == nil {
			require.LessOrEqual(t, c.count(), uint64(104))
		}
	})
}
