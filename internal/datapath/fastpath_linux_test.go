package datapath

import (
	"errors"
	"net/netip"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"pathmtu/internal/netlab"
	"pathmtu/internal/router"
)

// xdpReceiver puts an XDP program that passes everything on an interface, so
// that its veth peer can send XDP frames.
func xdpReceiver(t testing.TB, ns *netlab.Namespace, ifname string) {
	t.Helper()
	require.NoError(t, ns.Do(func() error {
		l, err := netlink.LinkByName(ifname)
		if err != nil {
			return err
		}
		p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: programLicense, Flags: unix.BPF_F_XDP_HAS_FRAGS,
			Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, xdpPass), asm.Return()}})
		if err != nil {
			return err
		}
		t.Cleanup(func() { _ = p.Close() })
		x, err := link.AttachXDP(link.XDPOptions{Program: p, Interface: l.Attrs().Index, Flags: link.XDPDriverMode})
		if err != nil {
			return err
		}
		t.Cleanup(func() { _ = x.Close() })
		return nil
	}))
}

// eventually polls for what the router's housekeeping does within a second.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	require.Eventually(t, f, soon, 10*time.Millisecond, what)
}

func TestFastPath(t *testing.T) {
	lab := buildLab(t, 1500, 1400)
	xdpReceiver(t, lab.Node("cli").Namespace, "to-r1")
	u := runRouter(t, lab.Node("r1"), UserRouterConfig{Ports: portSpecs(KindAFXDP), KernelRoutes: true, FastPath: true})
	assert.Equal(t, []string{"to-cli"}, u.FastPorts(), "srv can't receive XDP frames yet")
	pair := newUDPPair(t, lab, "cli", "srv")
	back := newUDPPairAt(t, lab, "srv", "cli", 7778)
	stats := func() UserRouterStats {
		s, ok := u.Stats()
		require.True(t, ok)
		return s
	}
	both := func(hbh []byte) (there, here received) {
		t.Helper()
		require.NoError(t, pair.send(100, hbh))
		there, ok := pair.receive(soon)
		require.True(t, ok)
		require.NoError(t, back.send(100, hbh))
		here, ok = back.receive(soon)
		require.True(t, ok)
		return there, here
	}
	// Until the neighbours are resolved, packets take the slow way.
	eventually(t, "packets from srv to cli are forwarded in the kernel", func() bool {
		both(nil)
		return stats().Fast.Forwarded > 0
	})
	before := stats().Fast.Forwarded
	for range 10 {
		both(nil)
	}
	assert.EqualValues(t, 10, stats().Fast.Forwarded-before, "one direction only: the other's egress can't take XDP frames")

	xdpReceiver(t, lab.Node("srv").Namespace, "to-r1")
	eventually(t, "the router notices", func() bool { return slices.Equal(u.FastPorts(), []string{"to-cli", "to-srv"}) })
	eventually(t, "and uses it", func() bool {
		before := stats().Fast.Forwarded
		both(nil)
		return stats().Fast.Forwarded == before+2
	})

	// R3, R4, R6 in the kernel.
	s0 := stats()
	there, here := both(minPMTU9000)
	assert.Equal(t, []byte{0x30, 4, 1400 >> 8, 1400 & 0xff, 0, 1}, there.hbh[2:])
	assert.Equal(t, []byte{0x30, 4, 1500 >> 8, 1500 & 0xff, 0, 1}, here.hbh[2:])
	assert.Equal(t, 63, there.hopLimit)
	there, _ = both([]byte{0, 0, 0x30, 4, 0x05, 0x00, 0x12, 0x35})
	assert.Equal(t, []byte{0x30, 4, 0x05, 0x00, 0x12, 0x35}, there.hbh[2:], "already smaller: kept")
	s1 := stats()
	assert.EqualValues(t, 4, s1.Fast.Forwarded-s0.Fast.Forwarded)
	assert.EqualValues(t, 2, s1.Fast.Rewritten-s0.Fast.Rewritten)
	assert.Equal(t, s0.Router.Reasons, s1.Router.Reasons, "user space saw none of them")

	// Packets to the router itself stay with its kernel.
	out, _, err := lab.Node("cli").Run(t.Context(), "ping", "-c1", "-W2", "2001:db8:2::1")
	require.NoError(t, err, "%s", out)
	assert.Equal(t, s1.Fast, stats().Fast)
	assert.Equal(t, s1.Router.Reasons, stats().Router.Reasons)

	// What needs a decision goes to user space and gets it.
	two := []byte{0, 1, 0x1e, 2, 0, 0, 0x30, 4, 0x23, 0x28, 0, 1, 1, 2, 0, 0}
	there, _ = both(two)
	require.Len(t, there.hbh, 16)
	assert.Equal(t, []byte{0x30, 4, 1400 >> 8, 1400 & 0xff, 0, 1}, there.hbh[6:12], "not the first option: rewritten in user space")
	require.NoError(t, pair.send(1401-48, nil))
	typ, _, info, _, ok := pair.icmp(soon)
	require.True(t, ok, "too big is answered")
	assert.Equal(t, []int{2, 1400}, []int{typ, info})
	require.NoError(t, unix.SetsockoptInt(pair.from, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, 1))
	require.NoError(t, pair.send(100, minPMTU9000))
	typ, _, _, _, ok = pair.icmp(soon)
	require.True(t, ok, "hop limit 1 is answered")
	assert.Equal(t, 3, typ)
	s2 := stats()
	assert.Equal(t, s1.Fast, s2.Fast, "the kernel forwarded none of them")
	assert.EqualValues(t, 1, s2.Router.Reasons[router.TooBig]-s1.Router.Reasons[router.TooBig])

	// The MTU of the link changes: so does what the kernel writes.
	require.NoError(t, lab.SetMTU("r1", "srv", 1300))
	require.NoError(t, unix.SetsockoptInt(pair.from, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, 64))
	eventually(t, "new MTU in Min-PMTU", func() bool {
		there, _ := both(minPMTU9000)
		return there.hbh[4] == 1300>>8 && there.hbh[5] == 1300&0xff
	})
}

// The fast path keeps to the policy of the ingress interface, also when that
// changes; and it refuses routes that it doesn't see.
func TestFastPathPolicy(t *testing.T) {
	lab := buildLab(t, 1500, 1400)
	xdpReceiver(t, lab.Node("srv").Namespace, "to-r1")
	cfg := UserRouterConfig{Ports: portSpecs(KindAFXDP), KernelRoutes: true, FastPath: true}
	u := runRouter(t, lab.Node("r1"), cfg)
	pair := newUDPPair(t, lab, "cli", "srv")
	send := func() (lowered, fast bool) {
		t.Helper()
		before, _ := u.Stats()
		require.NoError(t, pair.send(10, minPMTU9000))
		r, ok := pair.receive(soon)
		require.True(t, ok)
		after, _ := u.Stats()
		return r.hbh[4] == 1400>>8, after.Fast.Forwarded > before.Fast.Forwarded
	}
	eventually(t, "fast", func() bool { lowered, fast := send(); return lowered && fast })
	off := cfg
	off.Ports = portSpecs(KindAFXDP)
	off.Ports[0].Policy = router.Policy{}
	require.NoError(t, u.Reload(off))
	lowered, fast := send()
	assert.False(t, lowered)
	assert.False(t, fast)
	require.NoError(t, u.Reload(cfg))
	lowered, fast = send()
	assert.True(t, lowered)
	assert.True(t, fast)

	off.Routes = []StaticRoute{{Prefix: netip.MustParsePrefix("2001:db8:2::/64"), Kind: router.Blackhole}}
	assert.ErrorIs(t, u.Reload(off), errors.ErrUnsupported)
	off = cfg
	off.Ports = portSpecs(KindAFPacket)
	assert.ErrorContains(t, u.Reload(off), "can't change")
}

// Packets to the router's own addresses and Neighbor Discovery stay with the
// kernel, also when addresses come and go.
func TestKernelKeepsItsOwn(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			lab := buildLab(t, 1500, 1500)
			u := runRouter(t, lab.Node("r1"), UserRouterConfig{Ports: portSpecs(m.kind), KernelRoutes: true, FastPath: m.fast})
			ping := func(addr string) bool {
				out, _, err := lab.Node("cli").Run(t.Context(), "ping", "-c1", "-W1", addr)
				if err != nil {
					if _, ok := err.(*exec.ExitError); !ok {
						require.NoError(t, err, "%s", out)
					}
				}
				return err == nil
			}
			assert.True(t, ping("2001:db8:1::2"), "near address of the router")
			assert.True(t, ping("2001:db8:2::1"), "far address of the router")
			assert.False(t, ping("2001:db8:2::77"))
			require.NoError(t, lab.Node("r1").Do(func() error {
				l, err := netlink.LinkByName("to-srv")
				if err != nil {
					return err
				}
				a, err := netlink.ParseAddr("2001:db8:2::77/64")
				if err != nil {
					return err
				}
				a.Flags = unix.IFA_F_NODAD
				return netlink.AddrAdd(l, a)
			}))
			eventually(t, "a new address answers", func() bool { return ping("2001:db8:2::77") })

			// A new route of the kernel is used.
			s, _ := u.Stats()
			require.NoError(t, lab.Node("r1").Do(func() error {
				return netlink.RouteAdd(&netlink.Route{
					Dst: prefix("2001:db8:99::/64"), Gw: netip.MustParseAddr("2001:db8:2::2").AsSlice()})
			}))
			eventually(t, "routes are followed", func() bool {
				now, _ := u.Stats()
				return now.Routes == s.Routes+1
			})
		})
	}
}

// A kernel that forwards must not forward what a port forwards: no packet
// arrives twice.
func TestNoPacketTwice(t *testing.T) {
	for _, m := range modes {
		t.Run(m.name, func(t *testing.T) {
			lab := buildLab(t, 1500, 1500)
			_, errOut, err := lab.Node("r1").Run(t.Context(), "sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
			require.NoError(t, err, "%s", errOut)
			runRouter(t, lab.Node("r1"), UserRouterConfig{Ports: portSpecs(m.kind), KernelRoutes: true, FastPath: m.fast})
			pair := newUDPPair(t, lab, "cli", "srv")
			for range 20 {
				require.NoError(t, pair.send(64, nil))
			}
			for i := range 20 {
				_, ok := pair.receive(soon)
				require.True(t, ok, "packet %d", i)
			}
			_, ok := pair.receive(never)
			assert.False(t, ok, "none comes twice")
		})
	}
}

// Large links: AF_XDP packets then span several chunks of memory.
func TestJumbo(t *testing.T) {
	for _, m := range modes {
		for _, mtu := range []int{3000, 9000} {
			lab := buildLab(t, mtu, mtu)
			if m.fast {
				xdpReceiver(t, lab.Node("cli").Namespace, "to-r1")
				xdpReceiver(t, lab.Node("srv").Namespace, "to-r1")
			}
			runRouter(t, lab.Node("r1"), UserRouterConfig{Ports: portSpecs(m.kind), KernelRoutes: true, FastPath: m.fast})
			pair := newUDPPair(t, lab, "cli", "srv")
			for _, n := range []int{1400, 1792 - 62, 2048 - 62, 2049 - 62, mtu - 49, mtu - 48, mtu - 48} {
				require.NoError(t, pair.send(n, nil))
				r, ok := pair.receive(soon)
				require.True(t, ok, "%s, MTU %d: %d bytes", m.name, mtu, n)
				assert.Equal(t, n, r.n)
			}
		}
	}
}
