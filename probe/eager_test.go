package probe

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/results"
)

func eager(c *Config) { c.Eager = true }

// An eager Session needs no more packets than there are sizes to find out about.
func TestEagerPackets(t *testing.T) {
	for _, c := range []struct {
		name  string
		path  path
		sizes []int
	}{
		{"all that the first link carries", path{forward: 1500}, []int{1500}},
		{"honest", path{forward: 1420, ptb: says(1420)}, []int{1500, 1420, 1421}},
		{"slow", path{forward: 1420, ptb: says(1420), rtt: 190 * time.Millisecond}, []int{1500, 1420, 1421}},
		{"slower than is waited for", path{forward: 1500, rtt: 250 * time.Millisecond}, []int{1500, 44}},
	} {
		for _, method := range []string{"icmp", "udp"} {
			p := c.path
			o := p.run(t, newSession(t, &p, method, eager))
			require.NotNil(t, o.PMTU, c.name)
			assert.Equal(t, results.OK, o.Verdict, c.name)
			assert.Equal(t, c.sizes, p.sizes, c.name)
			assert.Equal(t, p.rtt, time.Duration(o.RTT)*time.Microsecond, c.name)
		}
	}
}

// What only routers say of sizes is no PMTU: the target has to answer.
func TestEagerProvesNothingWithoutTheTarget(t *testing.T) {
	p := path{forward: 44, dead: true, ptb: func(size int) (int, bool) { return size - 1, size > 44 }}
	o := p.run(t, newSession(t, &p, "icmp", func(c *Config) { c.Eager, c.Max = true, 60 }))
	assert.Nil(t, o.PMTU)
	assert.Equal(t, results.Unresponsive, o.Verdict)
	assert.NotEmpty(t, o.PTB)

	p = path{forward: 43, ptb: says(43)}
	o = p.run(t, newSession(t, &p, "icmp", eager))
	assert.Nil(t, o.PMTU)
	assert.Equal(t, BelowMin, o.End)
}

// The first, large packet is lost by chance, and so is the first small one: that
// the target answers is seen all the same, and the large one tried again.
func TestEagerFirstPacketsLost(t *testing.T) {
	p := path{forward: 1500}
	p.lose = func(int) bool { return p.sent <= 2 }
	o := p.run(t, newSession(t, &p, "icmp", eager))
	require.NotNil(t, o.PMTU, o.Error)
	assert.Equal(t, 1500, *o.PMTU)
	assert.Equal(t, []int{1500, 44, 44, 1500}, p.sizes)
}
