package trace

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/hbh"
)

// plainHops are routers that do nothing special.
func plainHops(n int) []simHop {
	hops := make([]simHop, n)
	for i := range hops {
		hops[i].mtu = 1500
	}
	return hops
}

func fates(r Report) map[Arm]Fate {
	m := map[Arm]Fate{}
	for _, f := range r.Options {
		m[f.Arm] = f.Fate
	}
	return m
}

func TestOptionsUntouched(t *testing.T) {
	s := path(t, true, plainHops(4)...)
	r, _ := s.run(s.config(1500))
	rec := record(t, s, r)
	for _, a := range optionArms {
		assert.Equal(t, Unchanged, fates(r)[a], a)
	}
	require.NotNil(t, rec.HBH)
	assert.True(t, rec.HBH.Sent && rec.HBH.Survived)
	assert.Equal(t, 1500, rec.HBH.MinPMTU)
	assert.Empty(t, rec.HBH.RewrittenAt)
	require.NotNil(t, rec.Truncation)
	assert.True(t, rec.Truncation.Survived)
	for _, h := range r.Hops {
		assert.Equal(t, 1500, h.MinPMTU)
	}
}

// Whoever lowers Min-PMTU is named, each of several.
func TestMinPMTURewritten(t *testing.T) {
	hops := plainHops(5)
	hops[1].mtu, hops[1].lower = 1450, true
	hops[3].mtu, hops[3].lower = 1400, true
	s := path(t, true, hops...)
	r, _ := s.run(s.config(1500))
	rec := record(t, s, r)
	assert.Equal(t, Lowered, fates(r)[HBHMinPMTU])
	assert.Equal(t, []Rewrite{{2, 3, 1500, 1450}, {4, 5, 1450, 1400}}, r.Rewrites)
	assert.Equal(t, 1400, rec.HBH.MinPMTU)
	assert.Equal(t, simAddr(true, 14).String(), rec.HBH.RewrittenAt)
	for i, want := range []int{1500, 1500, 1450, 1450, 1400, 1400} {
		assert.Equal(t, want, r.Hops[i].MinPMTU, "hop %d", i+1)
	}
	assert.Equal(t, 1400, *rec.PMTU, "what the signal says is the truth")
}

// A router that changes what it must not.
func TestMinPMTUCorrupted(t *testing.T) {
	hops := plainHops(4)
	hops[2].corrupt = true
	s := path(t, true, hops...)
	r, _ := s.run(s.config(1500))
	assert.Equal(t, Corrupted, fates(r)[HBHMinPMTU])
	assert.Equal(t, Unchanged, fates(r)[DstPadding])
}

// Dropping 0x30, dropping every Hop-by-Hop header, and complaining about it, are
// told apart, and where.
func TestOptionsDropped(t *testing.T) {
	for at := range 4 {
		hops := plainHops(4)
		hops[at].dropHBH = true
		s := path(t, true, hops...)
		r, _ := s.run(s.config(1500))
		rec := record(t, s, r)
		for _, a := range []Arm{HBHPadding, HBHUnassigned, HBHMinPMTU} {
			f := r.Options[a-HBHPadding]
			assert.Equal(t, Dropped, f.Fate, "%v at %d", a, at)
			assert.Equal(t, []int{at, at + 1}, []int{f.Hop, f.Next}, "%v at %d", a, at)
		}
		assert.Equal(t, Unchanged, fates(r)[DstPadding])
		assert.False(t, rec.HBH.Survived)

		hops = plainHops(4)
		hops[at].dropTyp = hbh.Type
		s = path(t, true, hops...)
		r, _ = s.run(s.config(1500))
		assert.Equal(t, map[Arm]Fate{HBHPadding: Unchanged, HBHUnassigned: Unchanged, HBHMinPMTU: Dropped, DstPadding: Unchanged, DstEligible: Unchanged}, fates(r))

		hops = plainHops(4)
		hops[at].fault = 2
		s = path(t, true, hops...)
		r, _ = s.run(s.config(1500))
		f := r.Options[0]
		assert.Equal(t, Dropped, f.Fate)
		assert.Equal(t, simAddr(true, 11+at), f.Fault)
		assert.EqualValues(t, 2, f.Code)
	}
}

func TestMSSClamped(t *testing.T) {
	families(t, func(t *testing.T, v6 bool) {
		hops := plainHops(4)
		hops[1].clamp = 1300
		s := path(t, v6, hops...)
		r, _ := s.run(s.config(1500))
		rec := record(t, s, r)
		require.NotNil(t, rec.MSS)
		assert.True(t, rec.MSS.Clamped)
		assert.Equal(t, 1300, rec.MSS.Received)
		assert.Equal(t, simAddr(v6, 12).String(), rec.MSS.At)
		assert.Equal(t, 1300, r.SYNACK, "the target of the simulation repeats it")
	})
}

// A target that sends the option back: what arrived is known, though nobody
// quotes it.
func TestMinPMTUAnswered(t *testing.T) {
	hops := plainHops(3)
	hops[2].mtu, hops[2].lower = 1401, true
	s := path(t, true, hops...)
	s.echo = true
	r, _ := s.run(s.config(1500))
	rec := record(t, s, r)
	require.NotNil(t, rec.PMTU, rec.Error)
	assert.Equal(t, 1401, *rec.PMTU, "by ICMP echo")
	assert.Equal(t, Answered, fates(r)[HBHMinPMTU])
	assert.Equal(t, Arrived, fates(r)[HBHPadding])
	assert.Equal(t, 1400, rec.HBH.MinPMTU, "the lowest bit is lost")
	assert.Equal(t, []Rewrite{{3, 4, 1500, 1400}}, r.Rewrites)
	assert.Equal(t, simAddr(true, 13).String(), rec.HBH.RewrittenAt)
}
