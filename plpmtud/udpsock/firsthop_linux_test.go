package udpsock_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"pathmtu/internal/netlab"
	"pathmtu/plpmtud/udpsock"
)

// D3-5a: the interface's MTU, and not what the kernel believes of the path.
func TestFirstHopIsNotTheCachedPathMTU(t *testing.T) {
	for _, f := range []udpsock.Family{udpsock.IPv4, udpsock.IPv6} {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			lab := build(t, netlab.Path(9000, 1420, netlab.PTB{}))
			c := newClient(t, lab, socketKind{network: "udp", family: f}, 7, udpsock.QueueConfig{})
			ask := func() (hop udpsock.Hop, cached int) {
				require.NoError(t, lab.Node("cli").Do(func() (err error) {
					if hop, err = udpsock.FirstHop(c.dst.Addr(), netip.Addr{}); err != nil {
						return err
					}
					cached, err = udpsock.CachedPathMTU(c.dst.Addr(), netip.Addr{})
					return err
				}))
				return hop, cached
			}
			hop, cached := ask()
			assert.Equal(t, udpsock.Hop{Interface: "to-r1", MTU: 9000}, hop)
			assert.Equal(t, 9000, cached)
			_, err := c.send(1421)
			require.NoError(t, err)
			c.notice()
			hop, cached = ask()
			assert.Equal(t, udpsock.Hop{Interface: "to-r1", MTU: 9000}, hop)
			assert.Equal(t, 1420, cached, "the kernel has learned it, which makes it a hint")
		})
	}
}

func TestFirstHopOfOwnAddressesIsTheLoopback(t *testing.T) {
	lab := build(t, netlab.Chain("own", netlab.PTB{}, 1500))
	for _, dst := range []netip.Addr{
		addr(t, lab, "cli", udpsock.IPv4), addr(t, lab, "cli", udpsock.IPv6), unmapped("127.0.0.1"), unmapped("::1"),
	} {
		var hop udpsock.Hop
		require.NoError(t, lab.Node("cli").Do(func() (err error) {
			hop, err = udpsock.FirstHop(dst, netip.Addr{})
			return err
		}))
		assert.Equal(t, udpsock.Hop{Interface: "lo", MTU: 65536}, hop, "%v", dst)
	}
}

func TestFirstHopKnowsTheMTUOfARoute(t *testing.T) {
	lab := build(t, netlab.Path(9000, 1500, netlab.PTB{}))
	n := lab.Node("cli")
	nl, err := netlink.NewHandleAt(netns.NsHandle(n.Fd()))
	require.NoError(t, err)
	defer nl.Close()
	for _, f := range []udpsock.Family{udpsock.IPv4, udpsock.IPv6} {
		dst := addr(t, lab, "srv", f)
		via := addr(t, lab, "r1", f)
		bits := dst.BitLen()
		require.NoError(t, nl.RouteReplace(&netlink.Route{
			Dst: &net.IPNet{IP: dst.AsSlice(), Mask: net.CIDRMask(bits, bits)}, Gw: via.AsSlice(), MTU: 1450,
		}))
		var hop udpsock.Hop
		require.NoError(t, n.Do(func() (err error) {
			hop, err = udpsock.FirstHop(dst, addr(t, lab, "cli", f))
			return err
		}))
		assert.Equal(t, udpsock.Hop{Interface: "to-r1", MTU: 9000, RouteMTU: 1450}, hop)
	}
}

func TestFirstHopErrors(t *testing.T) {
	lab := build(t, netlab.Chain("none", netlab.PTB{}, 1500))
	for want, pair := range map[string][2]netip.Addr{
		"destination is the zero address":   {},
		"are of different families":         {unmapped("192.0.2.1"), unmapped("2001:db8::1")},
		"route to 192.0.2.1":                {unmapped("192.0.2.1"), {}},
		"route to 2001:db8:ffff::1":         {unmapped("2001:db8:ffff::1"), {}},
		"zone of fe80::1%nosuch":            {unmapped("fe80::1%nosuch"), {}},
		"source 192.0.2.1 and destination ": {unmapped("::1"), unmapped("::ffff:192.0.2.1")},
	} {
		err := lab.Node("cli").Do(func() error {
			_, err := udpsock.FirstHop(pair[0], pair[1])
			return err
		})
		assert.ErrorContains(t, err, want)
	}
	// A link-local address needs its zone, and then has a hop.
	require.NoError(t, lab.Node("cli").Do(func() error {
		hop, err := udpsock.FirstHop(unmapped("fe80::1%to-srv"), netip.Addr{})
		assert.Equal(t, udpsock.Hop{Interface: "to-srv", MTU: 1500}, hop)
		return err
	}))
}
