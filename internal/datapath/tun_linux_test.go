package datapath

import (
	"errors"
	"net/netip"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"pathmtu/internal/netlab"
	"pathmtu/internal/router"
)

// tunConfig is a router of two TUN ports, for tunLab.
func tunConfig() UserRouterConfig {
	return UserRouterConfig{
		Ports: []PortSpec{
			{Name: "tuna", Kind: KindTUN, MTU: 9000, Addr: netip.MustParseAddr("2001:db8:a::ff"), Policy: router.ProcessMinPMTU()},
			{Name: "tunb", Kind: KindTUN, MTU: 1500, Addr: netip.MustParseAddr("2001:db8:b::ff"), Policy: router.ProcessMinPMTU(), Truncate: true},
		},
		Routes: []StaticRoute{
			{Prefix: netip.MustParsePrefix("2001:db8:a::/64"), Port: "tuna"},
			{Prefix: netip.MustParsePrefix("2001:db8:b::/64"), Port: "tunb"},
		},
	}
}

// tunLab runs a router of two TUN ports whose interfaces are moved into the
// namespaces of cli and srv: the router then has no kernel of its own.
func tunLab(t *testing.T) (*netlab.Lab, *UserRouter) {
	t.Helper()
	lab := buildLab(t, 1500, 1500)
	u := runRouter(t, lab.Node("r1"), tunConfig())
	moveTUNs(t, lab)
	return lab, u
}

// moveTUNs gives tuna to cli and tunb to srv.
func moveTUNs(t testing.TB, lab *netlab.Lab) {
	for _, m := range []struct{ tun, node, addr, other string }{
		{"tuna", "cli", "2001:db8:a::1/64", "2001:db8:b::/64"}, {"tunb", "srv", "2001:db8:b::1/64", "2001:db8:a::/64"},
	} {
		require.NoError(t, lab.Node("r1").Do(func() error {
			l, err := netlink.LinkByName(m.tun)
			if err != nil {
				return err
			}
			return netlink.LinkSetNsFd(l, lab.Node(m.node).Fd())
		}))
		require.NoError(t, lab.Node(m.node).Do(func() error {
			l, err := netlink.LinkByName(m.tun)
			if err != nil {
				return err
			}
			a, err := netlink.ParseAddr(m.addr)
			if err != nil {
				return err
			}
			a.Flags = unix.IFA_F_NODAD
			return errors.Join(netlink.LinkSetUp(l), netlink.AddrAdd(l, a),
				netlink.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Dst: prefix(m.other)}))
		}))
	}
}

func TestTUNRouter(t *testing.T) {
	lab, u := tunLab(t)
	pair := newUDPPairAddrs(t, lab, "cli", "srv", netip.MustParseAddr("2001:db8:a::1"), netip.MustParseAddr("2001:db8:b::1"), 7777)
	// The kernel enters an address in its tables some time after it was added.
	eventually(t, "srv's address is in use", func() bool {
		require.NoError(t, pair.send(10, nil))
		_, ok := pair.receive(never)
		return ok
	})
	before, _ := u.Stats()
	require.NoError(t, pair.send(1452, nil))
	r, ok := pair.receive(soon)
	require.True(t, ok)
	assert.Equal(t, 63, r.hopLimit)
	require.NoError(t, pair.send(10, minPMTU9000))
	r, ok = pair.receive(soon)
	require.True(t, ok)
	assert.Equal(t, []byte{0x30, 4, 0x05, 0xdc, 0, 1}, r.hbh[2:])
	require.NoError(t, pair.send(8000, nil))
	typ, _, info, from, ok := pair.icmp(soon)
	require.True(t, ok)
	assert.Equal(t, []int{2, 1500}, []int{typ, info})
	assert.Equal(t, "2001:db8:a::ff", from.String())
	// Inside the prefix of a point-to-point link, but nobody's address: the
	// packet would only go back and forth.
	back := newUDPPairAddrs(t, lab, "srv", "cli", netip.MustParseAddr("2001:db8:b::1"), netip.MustParseAddr("2001:db8:a::1"), 7778)
	back.dst.Addr = netip.MustParseAddr("2001:db8:b::77").As16()
	require.NoError(t, back.send(10, nil))
	typ, code, _, _, ok := back.icmp(soon)
	require.True(t, ok)
	assert.Equal(t, []int{1, 3}, []int{typ, code})
	s, ok := u.Stats()
	require.True(t, ok)
	assert.EqualValues(t, 2, s.Router.Reasons[router.Forwarded]-before.Router.Reasons[router.Forwarded])
}

func TestOpenErrorsNameTheFault(t *testing.T) {
	lab := buildLab(t, 1500, 1500)
	require.NoError(t, lab.Node("r1").Do(func() error {
		_, err := OpenTUN(TUNConfig{Name: "x", MTU: 1279})
		assert.ErrorContains(t, err, "MTU 1279")
		_, err = OpenTUN(TUNConfig{Name: "a-name-that-is-too-long"})
		assert.ErrorContains(t, err, "a-name-that-is-too-long")
		_, err = OpenAFPacket(AFPacketConfig{Interface: "nothere"})
		assert.ErrorContains(t, err, `"nothere"`)
		_, err = OpenAFPacket(AFPacketConfig{Interface: "to-cli", RingBytes: 5})
		assert.ErrorContains(t, err, "ring of 5 bytes")
		tun, err := OpenTUN(TUNConfig{Name: "t0"})
		if err != nil {
			return err
		}
		defer tun.Close()
		_, err = OpenAFPacket(AFPacketConfig{Interface: "t0", NoShield: true})
		var no *NotSupportedError
		assert.ErrorAs(t, err, &no)
		assert.ErrorIs(t, err, errors.ErrUnsupported)
		assert.ErrorContains(t, err, "TUN port")

		local, err := NewLocalSet()
		if err != nil {
			return err
		}
		defer local.Close()
		one, err := OpenAFXDP(AFXDPConfig{Interface: "to-cli", Local: local})
		if err != nil {
			return err
		}
		_, err = OpenAFXDP(AFXDPConfig{Interface: "to-cli", Local: local})
		assert.ErrorAs(t, err, &no, "a second socket on one queue")
		assert.NoError(t, one.Close())
		assert.ErrorIs(t, one.Close(), ErrClosed)
		again, err := OpenAFXDP(AFXDPConfig{Interface: "to-cli", Local: local})
		if assert.NoError(t, err, "closing frees the interface") {
			assert.NoError(t, again.Close())
		}
		_, err = OpenUserRouter(UserRouterConfig{Ports: portSpecs(KindAFXDP), FastPath: true})
		assert.ErrorContains(t, err, "KernelRoutes")
		_, err = OpenUserRouter(UserRouterConfig{Ports: []PortSpec{{Name: "to-cli", Kind: "ether"}}})
		assert.ErrorContains(t, err, `"ether"`)
		_, err = OpenUserRouter(UserRouterConfig{Ports: portSpecs(KindAFPacket), Routes: []StaticRoute{{Prefix: netip.MustParsePrefix("2001:db8::/32"), Port: "eth9"}}})
		assert.ErrorContains(t, err, `"eth9"`)
		specs := portSpecs(KindAFPacket)
		specs[0].MTU = 1501
		_, err = OpenUserRouter(UserRouterConfig{Ports: specs})
		assert.ErrorContains(t, err, "1501")
		return nil
	}))
}

// Closing leaves no descriptor, program or ring behind.
func TestCloseLeavesNothing(t *testing.T) {
	lab := buildLab(t, 1500, 1500)
	open := func() int {
		d, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(d)
	}
	once := func(m mode) {
		require.NoError(t, lab.Node("r1").Do(func() error {
			if m.fast {
				if err := switchForwardingOn(); err != nil {
					return err
				}
			}
			u, err := OpenUserRouter(UserRouterConfig{Ports: portSpecs(m.kind), KernelRoutes: true, FastPath: m.fast})
			if err != nil {
				return err
			}
			return u.Close()
		}))
	}
	for _, m := range modes {
		once(m) // what is opened once for the process
		before := open()
		for range 3 {
			once(m)
		}
		// Subscriptions close their sockets a moment after Close.
		eventually(t, m.name, func() bool { return open() <= before })
	}
}
