//go:build linux

package netnstests

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/hbh"
)

// A kernel host asks our user-space host across one to four routers of ours,
// of every datapath, mixed with kernel routers and routers that skip the
// option. What the option says in both directions is the smallest MTU of links
// that a participating node sends on (R1, R2, R3, R4, H1, D2, D9).
func TestSignalChains(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mtus []int
		hops []string
	}{
		{[]int{9000, 1500}, []string{hopAFPacket}},
		{[]int{9000, 9000}, []string{hopAFXDP}},
		{[]int{9000, 1500, 9000}, []string{hopTUN, hopAFPacket}},
		{[]int{9000, 4000, 1500, 9000}, []string{hopAFXDP, hopAFPacket, hopAFXDP}},
		{[]int{1500, 1500, 1400, 1500, 1500}, []string{hopAFPacket, hopTUN, hopAFXDP, hopAFPacket}},
		{[]int{1500, 1450, 1500, 1400, 1500}, []string{hopXDP, hopKernel, hopAFXDP, hopKernel}},
		{[]int{9000, 9000, 1500, 9000}, []string{hopAFPacket, hopKernel, hopAFPacket}},
		{[]int{9000, 4000, 9000}, []string{hopSkip, hopAFPacket}},
		{[]int{9000, 1500, 9000}, []string{hopKernel, hopKernel}},
	} {
		t.Run(fmt.Sprint(c.hops), func(t *testing.T) {
			t.Parallel()
			ch := newSignalChain(t, c.mtus, c.hops, "")
			ch.hostUp()
			u := carrier(t, ch.lab.Node("cli"), "["+ch.cli.String()+"]:5000")
			there, back := ch.reported()
			ob := ask(t, u, uint16(c.mtus[0]), "["+ch.host.String()+"]:7")
			assert.Equal(t, hbh.Observed{Count: 1, Min: uint16(back), Rtn: uint16(there)}, ob)
			// An odd Min-PMTU comes back one lower, and a small one is not
			// raised by anybody. (Another flow: replies of one are rationed.)
			u = carrier(t, ch.lab.Node("cli"), "["+ch.cli.String()+"]:5001")
			ob = ask(t, u, 1301, "["+ch.host.String()+"]:7")
			assert.EqualValues(t, 1300, ob.Rtn)
			for i, s := range ch.routers {
				if s != nil {
					code, _ := s.end()
					assert.Zero(t, code, "router %d", i+1)
				}
			}
		})
	}
}

// A link that drops Hop-by-Hop headers: what carries the option is lost, and the
// counter of the rule says where; everything else passes.
func TestSignalDropped(t *testing.T) {
	t.Parallel()
	ch := newSignalChain(t, []int{1500, 1500, 1500}, []string{hopAFPacket, hopDrop}, "")
	ch.hostUp()
	u := carrier(t, ch.lab.Node("cli"), "["+ch.cli.String()+"]:5000")
	to := ch.hostPort()
	require.NoError(t, u.WriteTo([]byte("lost"), &hbh.Option{Min: 1500, R: true}, to))
	require.NoError(t, u.WriteTo([]byte("kept"), nil, to))
	buf := make([]byte, 100)
	n, ob, _, err := u.ReadFrom(buf)
	require.NoError(t, err)
	assert.Equal(t, "kept", string(buf[:n]))
	assert.Equal(t, hbh.Observed{}, ob)
	// The kernel's own multicast reports carry the header too.
	assert.Regexp(t, "counter packets [1-9]", runIn(t, ch.lab.Node("r2"), "nft", "list table inet sig"))
}

// A tunnel whose router takes part reports the MTU inside the tunnel: VXLAN over
// 1500 leaves 1430.
func TestSignalThroughVXLAN(t *testing.T) {
	t.Parallel()
	for _, aware := range []bool{true, false} {
		t.Run(fmt.Sprint(aware), func(t *testing.T) {
			t.Parallel()
			hop := hopKernel
			if aware {
				hop = "" // its routers are started below
			}
			ch := newSignalChainOver(t, []int{1500, 1500, 1500}, hop)
			for i, node := range []string{"r1", "r2"} {
				n := ch.lab.Node(node)
				local, remote := fmt.Sprintf("2001:db8:2::%d", i+1), fmt.Sprintf("2001:db8:2::%d", 2-i)
				net, peer := "2001:db8:3::/64", fmt.Sprintf("2001:db8:77::%d", 2-i)
				if i == 1 {
					net = "2001:db8:1::/64"
				}
				runIn(t, n, "ip", "link", "add", "vx0", "mtu", "1430", "type", "vxlan", "id", "7", "local", local, "remote", remote, "dstport", "4789")
				runIn(t, n, "ip", "-6", "addr", "add", fmt.Sprintf("2001:db8:77::%d/64", i+1), "dev", "vx0", "nodad")
				runIn(t, n, "ip", "link", "set", "vx0", "up")
				runIn(t, n, "ip", "-6", "route", "replace", net, "via", peer, "dev", "vx0")
				if aware {
					edge := "to-cli"
					if i == 1 {
						edge = "to-srv"
					}
					serve(t, n, ": forwarding", "router", "--datapath", hopAFPacket, "--port", edge, "--port", "vx0")
				}
			}
			ch.hostUp()
			require.Eventually(t, func() bool { return pings(t, ch.lab.Node("cli"), ch.host.String(), "100") }, soonest, tick)
			require.True(t, pings(t, ch.lab.Node("cli"), ch.host.String(), "1382"), "1430 fits")
			require.False(t, pings(t, ch.lab.Node("cli"), ch.host.String(), "1383"))
			u := carrier(t, ch.lab.Node("cli"), "["+ch.cli.String()+"]:5000")
			want := uint16(1500)
			if aware {
				want = 1430
			}
			assert.Equal(t, hbh.Observed{Count: 1, Min: want, Rtn: want}, ask(t, u, 1500, ch.hostPort().String()))
		})
	}
}
