package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/labtest"
	"pathmtu/internal/netlab/wiretap"
)

// What the observer makes of a search and of a path that shrinks.
func TestReport(t *testing.T) {
	began := time.Unix(1000, 0)
	at := func(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }
	w := &watch{shrunk: at(500)}
	send := func(ms, size int, arrives bool) {
		w.sent = append(w.sent, wiretap.Packet{At: at(ms), Size: size})
		if arrives {
			w.came = append(w.came, wiretap.Packet{At: at(ms + 10), Size: size})
		}
	}
	send(0, 1228, true)
	send(20, 1200, true)
	send(30, 1450, false)
	send(40, 1400, true)
	send(60, 1400, true) // data
	send(80, 1410, false)
	send(495, 1400, true) // under way
	send(600, 1400, false)
	send(700, 1300, false)
	send(800, 60, true) // a ping
	send(900, 1228, true)
	send(950, 1280, true)
	r := row{ShrinkTo: 1280}
	require.NoError(t, w.report(&r))
	assert.Equal(t, 1228, r.First)
	assert.Equal(t, 1400, r.Final)
	assert.InDelta(t, 0.050, r.FinalAt, 1e-9)
	assert.Equal(t, []probe{{1450, 0.03, false}, {1400, 0.04, true}, {1410, 0.08, false}}, r.Probes)
	assert.Equal(t, 2, r.lost())
	assert.Equal(t, 2, r.TooBig)
	assert.InDelta(t, 0.410, r.Recovery, 1e-9)
	assert.Equal(t, 1280, r.After)
	assert.Contains(t, table([]row{r}), "failed")
}

// One transfer of each stack that is always there, on a path that shrinks: the
// example survives.
func TestMeasure(t *testing.T) {
	labtest.Need(t, netlab.Capable(), "CAP_NET_ADMIN and CAP_SYS_ADMIN")
	stacks, _, err := prepare(t.TempDir())
	require.NoError(t, err)
	p := path{mtu: 1500, family: 6, ptb: netlab.PTBFiltered, shrink: 1280}
	for _, s := range stacks {
		if s.name != "quiclike" && s.name != "quic-go, watched" {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			r := cell{p, s}.measure(t.Context())
			assert.Empty(t, r.Error)
			assert.True(t, r.Completed)
			assert.Positive(t, r.Recovery)
			assert.LessOrEqual(t, r.After, 1280)
			assert.NotEmpty(t, r.Probes)
		})
	}
}
