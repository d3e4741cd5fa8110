//go:build linux

package netnstests

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/demo"
	"pathmtu/results"
)

// twoWays is cli -- r0 == ra | rb == r3 -- srv, 9000 but for the links behind ra
// and rb. r0 chooses by addresses and ports, and lets no error of ra and rb
// through.
func twoWays(t *testing.T, middle netlab.Kind, behindA, behindB int) *netlab.Lab {
	t.Helper()
	top := netlab.Topology{Name: "ecmp", Nodes: []netlab.Node{{Name: "cli"}, {Name: "r0", Kind: netlab.Router}, {Name: "ra", Kind: middle}, {Name: "rb", Kind: middle}, {Name: "r3", Kind: netlab.Router}, {Name: "srv"}}}
	top.Nodes[1].Sysctls = map[string]string{"net.ipv6.fib_multipath_hash_policy": "1"}
	ends := []struct {
		a, b string
		mtu  int
	}{{"cli", "r0", 9000}, {"r0", "ra", 9000}, {"r0", "rb", 9000}, {"ra", "r3", behindA}, {"rb", "r3", behindB}, {"r3", "srv", 9000}}
	for i, e := range ends {
		pre := func(host int) []netip.Prefix {
			return []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("2001:db8:%d::%d/64", i+1, host))}
		}
		top.Links = append(top.Links, netlab.Link{A: netlab.End{Node: e.a, MTU: e.mtu, Addrs: pre(1)}, B: netlab.End{Node: e.b, MTU: e.mtu, Addrs: pre(2)}})
	}
	route := func(node, dst, via string) {
		top.Routes = append(top.Routes, netlab.Route{Node: node, Dst: netip.MustParsePrefix(dst), Via: netip.MustParseAddr(via)})
	}
	for _, dst := range []string{"2001:db8:6::/64"} {
		route("cli", dst, "2001:db8:1::2")
		route("r0", dst, "2001:db8:2::2")
		route("ra", dst, "2001:db8:4::2")
		route("rb", dst, "2001:db8:5::2")
	}
	for _, r := range [][2]string{{"ra", "2001:db8:2::1"}, {"rb", "2001:db8:3::1"}, {"r3", "2001:db8:5::1"}, {"srv", "2001:db8:6::1"}} {
		route(r[0], "2001:db8:1::/64", r[1])
	}
	lab := build(t, top)
	r0 := lab.Node("r0")
	runIn(t, r0, "ip", "-6", "route", "replace", "2001:db8:6::/64", "nexthop", "via", "2001:db8:2::2", "nexthop", "via", "2001:db8:3::2")
	mute(t, r0, "{ 2001:db8:2::2, 2001:db8:3::2 }")
	return lab
}

// A kernel router spreads flows over two ways of different MTU, in silence. Many
// flows show that there is no one path MTU; each flow found that of its way.
func TestFlowsOverTwoWays(t *testing.T) {
	t.Parallel()
	lab := twoWays(t, netlab.Router, 1500, 4000)
	// A port where nobody listens: resets are not rationed.
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	m, err := demo.Probe(ctx, lab.Node("cli"), program, "--method", "tcp", "--flows", "16", "2001:db8:6::2")
	require.NoError(t, err)
	require.NotNil(t, m.Record, m.Stderr)
	r := m.Record
	assert.Equal(t, results.Inconsistent, r.Verdict, "%+v", r)
	assert.Nil(t, r.PMTU)
	require.Len(t, r.Methods, 16)
	found := map[int]int{}
	for _, m := range r.Methods {
		require.NotNil(t, m.PMTU, "%+v", m)
		found[*m.PMTU]++
	}
	assert.Len(t, found, 2, "%v", found)
	assert.NotZero(t, found[1500])
	assert.NotZero(t, found[4000])
	t.Logf("path MTU of the flows: %v", found)
}
