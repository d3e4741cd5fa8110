package hbh_test

import (
	"os"
	"testing"

	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/hbh"
	"pathmtu/internal/ip6"
	"pathmtu/internal/ip6/ip6test"
)

func TestObserve(t *testing.T) {
	for _, c := range []struct {
		name string
		p    ip6.Packet
		want hbh.Observed
	}{
		{"nothing", ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(8)), hbh.Observed{}},
		{"one", withOptions(option(hbh.Option{Min: 1500, Rtn: 1400, R: true})), hbh.Observed{Count: 1, Min: 1500, Rtn: 1400, R: true}},
		{"D1 Min under 1280 is ignored", withOptions(option(hbh.Option{Min: 1279, Rtn: 1400})), hbh.Observed{Count: 1, SmallMin: 1, Rtn: 1400}},
		{"Min of 1280 counts", withOptions(option(hbh.Option{Min: 1280})), hbh.Observed{Count: 1, Min: 1280}},
		{"duplicates: smallest valid Min, Rtn that agree, any R",
			withOptions(option(hbh.Option{Min: 9000, Rtn: 1400}), option(hbh.Option{Min: 1500, Rtn: 1400, R: true}), option(hbh.Option{Min: 7, Rtn: 1400})),
			hbh.Observed{Count: 3, Min: 1500, Rtn: 1400, R: true, SmallMin: 1}},
		{"duplicates that disagree", withOptions(option(hbh.Option{Min: 9000, Rtn: 1400}), option(hbh.Option{Min: 9000, Rtn: 1500}), option(hbh.Option{Min: 9000, Rtn: 1400})),
			hbh.Observed{Count: 3, Min: 9000, RtnDiffers: true}},
		{"reported and not reported disagree", withOptions(option(hbh.Option{Min: 9000}), option(hbh.Option{Min: 9000, Rtn: 1500})),
			hbh.Observed{Count: 2, Min: 9000, RtnDiffers: true}},
		{"other lengths", withOptions(ip6.OptionSpec{Type: 0x30, Data: []byte{5, 0xdc}}, ip6.OptionSpec{Type: 0x30}), hbh.Observed{BadLength: 2}},
		{"in destination options", ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(8), ip6test.DestOpts(option(hbh.Option{Min: 1500, R: true}))), hbh.Observed{Misplaced: 1}},
		{"historical", withOptions(ip6.OptionSpec{Type: 0x3e, Data: []byte{5, 0xdc}}, ip6.OptionSpec{Type: 0x3e, Data: []byte{5, 0xdc, 0x80, 0}}, ip6.OptionSpec{Type: 0x3e, Data: []byte{5}}),
			hbh.Observed{Historical: 2}},
		{"overrun", ip6test.Packet(ip6.ProtoNoNext, nil, ip6test.Raw(0, 0x30, 4, 0x23, 0x28, 0, 1, 9, 99, 0, 0, 0, 0, 0, 0)),
			hbh.Observed{Count: 1, Min: 9000, R: true, Problem: ip6.Problem{Reason: ip6.OptionOverrun, Pointer: 49}}},
		{"padding over 7", ip6test.Packet(ip6.ProtoNoNext, nil, ip6test.Raw(0, 1, 6, 0, 0, 0, 0, 0, 0, 0x30, 4, 5, 0xdc, 0, 0)),
			hbh.Observed{Problem: ip6.Problem{Reason: ip6.PaddingTooLong, Pointer: 42}}},
	} {
		t.Run(c.name, func(t *testing.T) { assert.Equal(t, c.want, observed(c.p)) })
	}
}

func TestObserveHeader(t *testing.T) {
	h := hbh.Option{Min: 1500, R: true}.AppendHeader(nil, 0)
	assert.Equal(t, hbh.Observed{Count: 1, Min: 1500, R: true}, hbh.ObserveHeader(h, ip6.Limits{}))
	for n := range len(h) {
		got := hbh.ObserveHeader(h[:n], ip6.Limits{})
		assert.Equal(t, ip6.HeaderTruncated, got.Problem.Reason)
		assert.Zero(t, got.Count)
	}
}

// Fragments: the option is in every one, the smallest Min-PMTU counts.
func TestMerge(t *testing.T) {
	a := hbh.Observed{Count: 1, Min: 1500, Rtn: 1400}
	b := hbh.Observed{Count: 1, Min: 1400, Rtn: 1400, R: true}
	assert.Equal(t, hbh.Observed{Count: 2, Min: 1400, Rtn: 1400, R: true}, a.Merge(b))
	assert.Equal(t, a.Merge(b), b.Merge(a))
	assert.Equal(t, a, a.Merge(hbh.Observed{}))
	assert.Equal(t, a, hbh.Observed{}.Merge(a))
	c := hbh.Observed{Count: 1, Rtn: 1300}
	assert.Equal(t, hbh.Observed{Count: 2, Min: 1500, RtnDiffers: true}, a.Merge(c))
	assert.Equal(t, a.Merge(b).Merge(c), a.Merge(b.Merge(c)))
}

// Packets that other programs dissected: valid and malformed options.
func TestCapture(t *testing.T) {
	f, err := os.Open("testdata/opt_0x30.pcap")
	require.NoError(t, err)
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	require.NoError(t, err)
	want := []hbh.Observed{
		{Count: 1, Min: 1420, Rtn: 1400, R: true},
		{Count: 1, Min: 9000},
		{Count: 1, Min: 1420, Rtn: 1400, R: true}, // after Router Alert
		{BadLength: 1},                            // length 2
		{BadLength: 1},                            // length 6
		{},                                        // 0x1e in destination options
		{Misplaced: 1},                            // 0x30 in destination options
		{},                                        // 0xbe in destination options
	}
	for i, w := range want {
		frame, _, err := r.ReadPacketData()
		require.NoError(t, err)
		p, err := ip6.Parse(frame[14:])
		require.NoError(t, err, "packet %d", i+1)
		assert.Equal(t, w, observed(p), "packet %d", i+1)
	}
}

func FuzzObserve(f *testing.F) {
	f.Add([]byte(withOptions(option(hbh.Option{Min: 9000, Rtn: 1400, R: true}))), 1500)
	f.Add([]byte(withOptions(option(hbh.Option{Min: 9000}), other, option(hbh.Option{Min: 1300, Rtn: 7}))), 1280)
	f.Add([]byte(ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(8), ip6test.DestOpts(option(hbh.Option{Min: 1500})))), 0)
	f.Fuzz(func(t *testing.T, b []byte, link int) {
		hbh.ObserveHeader(b, ip6.Limits{})
		p, err := ip6.Parse(b)
		if err != nil {
			return
		}
		before := ip6test.Clone(p)
		seen := observed(p)
		r := hbh.Rewrite(p, link, ip6.Limits{})
		after := observed(p)
		switch {
		case r.Options() != seen.Count && seen.Problem.Reason == ip6.NoProblem:
			t.Fatalf("router sees %d options, host %d", r.Options(), seen.Count)
		case after.Min > seen.Min:
			t.Fatalf("raised from %d to %d", seen.Min, after.Min)
		case after.Rtn != seen.Rtn || after.R != seen.R || after.Count != seen.Count:
			t.Fatalf("%+v became %+v", seen, after)
		}
		changed := 0
		for i := range p {
			if p[i] != before[i] {
				changed++
			}
		}
		if changed > 2*r.Lowered {
			t.Fatalf("%d bytes changed for %d options", changed, r.Lowered)
		}
	})
}

func FuzzHistorical(f *testing.F) {
	f.Add([]byte{5, 0xdc})
	f.Add([]byte{5, 0xdc, 0x80, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		l, o, err := hbh.ParseHistorical(b)
		if (err == nil) != (len(b) == 2 || len(b) == 4) {
			t.Fatalf("%v for %d bytes", err, len(b))
		}
		if err == nil && l == hbh.Layout2018 && (o.R || o.Rtn != 0) {
			t.Fatalf("%+v", o)
		}
	})
}
