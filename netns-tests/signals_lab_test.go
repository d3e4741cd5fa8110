//go:build linux

package netnstests

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"pathmtu/internal/ip6"
	"pathmtu/internal/netlab"
)

// What a router of a signal chain is. All but the kernel ones are a "pmtu
// router" of their own; its kernel doesn't forward, except for hopXDP and
// hopTUN, which need it to.
const (
	hopKernel   = "kernel"   // knows nothing of the option
	hopDrop     = "drop"     // a kernel router that drops Hop-by-Hop headers
	hopSkip     = "skip"     // ours, configured not to look at Hop-by-Hop headers
	hopAFPacket = "afpacket" //
	hopAFXDP    = "afxdp"    //
	hopXDP      = "xdp"      // the kernel fast path, AF_XDP for the rest
	hopTUN      = "tun"      // ours, behind two TUN interfaces of a kernel router
)

// signalChain is cli == r1 == ... == rN == srv, with a user-space host beside
// srv on the last link.
type signalChain struct {
	t       *testing.T
	lab     *netlab.Lab
	mtus    []int // mtus[i] is that of the link after router i
	hops    []string
	routers []*service // nil where the kernel routes
	cli     netip.Addr
	host    netip.Addr // of the user-space host, once hostUp was called
}

type chainOption func(*signalChain, *netlab.Topology)

// ptbs sets what becomes of Packet Too Big messages of kernel routers.
func ptbs(p netlab.PTB) chainOption {
	return func(_ *signalChain, t *netlab.Topology) {
		for i := range t.Nodes {
			if t.Nodes[i].Kind == netlab.Router {
				t.Nodes[i].PTB = p
			}
		}
	}
}

// slowFirstLink gives the link from cli a propagation delay.
func slowFirstLink(oneWay time.Duration) chainOption {
	return func(_ *signalChain, t *netlab.Topology) { t.Links[0].Delay = &netlab.Delay{OneWay: oneWay} }
}

// newSignalChain builds the chain; conf is added to the configuration of each
// router of ours, in TOML.
func newSignalChain(t *testing.T, mtus []int, hops []string, conf string, opts ...chainOption) *signalChain {
	t.Helper()
	require.Len(t, mtus, len(hops)+1)
	c := &signalChain{t: t, mtus: mtus, hops: hops}
	top := netlab.Chain("sig", netlab.PTB{}, mtus...)
	for i, h := range hops {
		if h == hopAFPacket || h == hopAFXDP || h == hopSkip {
			top.Nodes[i+1].Kind = netlab.Host
		}
	}
	for _, o := range opts {
		o(c, &top)
	}
	c.lab = build(t, top)
	c.cli, _ = c.lab.Addr("cli", 6)
	for i, h := range hops {
		c.routers = append(c.routers, c.startRouter(i+1, h, conf))
	}
	return c
}

func (c *signalChain) name(i int) string {
	switch i {
	case 0:
		return "cli"
	case len(c.hops) + 1:
		return "srv"
	}
	return fmt.Sprintf("r%d", i)
}

func (c *signalChain) startRouter(i int, hop, conf string) *service {
	left, right := "to-"+c.name(i-1), "to-"+c.name(i+1)
	node := c.lab.Node(c.name(i))
	switch hop {
	case hopKernel:
		return nil
	case hopDrop:
		c.run(node, "nft", "add table inet sig; add chain inet sig pre { type filter hook prerouting priority -300; }; add rule inet sig pre exthdr hbh exists counter drop")
		return nil
	case hopTUN:
		return c.startTUNRouter(i, left, right, conf)
	}
	look := fmt.Sprintf("hop-by-hop = %v\n", hop != hopSkip)
	path := hop
	if hop == hopSkip {
		path = hopAFPacket
	}
	text := fmt.Sprintf("datapath = %q\n[[port]]\nname = %q\n%s[[port]]\nname = %q\n%s", path, left, look, right, look)
	return serve(c.t, node, ": forwarding", "router", "--config", c.file(i, text+conf))
}

// startTUNRouter puts a router on two TUN interfaces into a kernel router: what
// comes from the left link goes through it to the right one, and back.
func (c *signalChain) startTUNRouter(i int, left, right, conf string) *service {
	var b strings.Builder
	fmt.Fprintf(&b, "datapath = \"tun\"\n")
	for k, name := range []string{"ta", "tb"} {
		fmt.Fprintf(&b, "[[port]]\nname = %q\nmtu = %d\naddress = \"2001:db8:7%d::%d\"\n", name, c.mtus[i-1+k], i, k+1)
	}
	for link := range c.mtus {
		port := "ta"
		if link >= i {
			port = "tb"
		}
		fmt.Fprintf(&b, "[[route]]\nprefix = \"2001:db8:%d::/64\"\nport = %q\n", link+1, port)
	}
	node := c.lab.Node(c.name(i))
	s := serve(c.t, node, ": forwarding", "router", "--config", c.file(i, b.String()+conf))
	for k, way := range [][2]string{{left, "ta"}, {right, "tb"}} {
		table := fmt.Sprint(100 + k)
		c.run(node, "ip", "-6", "route", "add", "default", "dev", way[1], "table", table)
		c.run(node, "ip", "-6", "rule", "add", "iif", way[0], "lookup", table)
	}
	return s
}

func (c *signalChain) file(i int, text string) string {
	name := filepath.Join(c.t.TempDir(), fmt.Sprintf("r%d.toml", i))
	require.NoError(c.t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

func (c *signalChain) run(node *netlab.LiveNode, name string, args ...string) {
	c.t.Helper()
	runIn(c.t, node, name, args...)
}

// runIn runs a program in a node; it must succeed.
func runIn(t *testing.T, node *netlab.LiveNode, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out, errOut, err := node.Run(ctx, name, args...)
	require.NoError(t, err, "%s %v: %s", name, args, errOut)
	return string(out)
}

// hostUp starts a user-space host on the last link.
func (c *signalChain) hostUp(args ...string) *service {
	n := len(c.mtus)
	c.host = netip.MustParseAddr(fmt.Sprintf("2001:db8:%d::99", n))
	last := c.name(len(c.hops))
	return serve(c.t, c.lab.Node("srv"), "answering", append([]string{"host", "--datapath", "afpacket", "--port", "to-" + last,
		"--address", c.host.String(), "--gateway", fmt.Sprintf("2001:db8:%d::1", n)}, args...)...)
}

// takesPart says whether a router lowers the option.
func takesPart(hop string) bool {
	return hop == hopAFPacket || hop == hopAFXDP || hop == hopXDP || hop == hopTUN
}

// reported is what the option says at the far end, and what the way back will:
// the smallest MTU of links that a participating node sends on.
func (c *signalChain) reported() (there, back int) {
	n := len(c.hops)
	there, back = c.mtus[0], c.mtus[n]
	for i, h := range c.hops {
		if takesPart(h) {
			there, back = min(there, c.mtus[i+1]), min(back, c.mtus[i])
		}
	}
	return there, back
}

// truth is the path MTU.
func (c *signalChain) truth() int {
	m := c.mtus[0]
	for _, v := range c.mtus {
		m = min(m, v)
	}
	return m
}

// tap collects the IPv6 packets that pass an interface of a node, both ways.
type tap struct {
	mu   sync.Mutex
	seen []tapped
}

type tapped struct {
	ip6.Packet
	out bool // sent by the node
}

// newTap begins to collect.
func newTap(t *testing.T, node *netlab.LiveNode, iface string) *tap {
	t.Helper()
	var fd int
	require.NoError(t, node.Do(func() error {
		var err error
		all := uint16(unix.ETH_P_ALL)<<8 | uint16(unix.ETH_P_ALL)>>8
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(all)); err != nil {
			return err
		}
		in, err := net.InterfaceByName(iface)
		if err != nil {
			return err
		}
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20)
		return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: in.Index})
	}))
	require.NoError(t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50_000}))
	w := &tap{}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		buf := make([]byte, 1<<16)
		for {
			n, from, err := unix.Recvfrom(fd, buf, 0)
			if err == nil && n > 14 && buf[12] == 0x86 && buf[13] == 0xdd {
				if p, err := ip6.Parse(append([]byte(nil), buf[14:n]...)); err == nil {
					ll, _ := from.(*unix.SockaddrLinklayer)
					w.mu.Lock()
					w.seen = append(w.seen, tapped{p, ll != nil && ll.Pkttype == unix.PACKET_OUTGOING})
					w.mu.Unlock()
				}
			}
			select {
			case <-done:
				return
			default:
			}
		}
	}()
	t.Cleanup(func() { close(done); <-ended; unix.Close(fd) })
	return w
}

// packets returns what was collected, without Neighbor Discovery and other
// multicast.
func (w *tap) packets() []tapped {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []tapped
	for _, p := range w.seen {
		if !p.Dst().IsMulticast() && !p.Dst().IsLinkLocalUnicast() && !p.Src().IsLinkLocalUnicast() {
			out = append(out, p)
		}
	}
	return out
}

// await waits for a packet.
func (w *tap) await(t *testing.T, what string, match func(tapped) bool) tapped {
	t.Helper()
	var got tapped
	require.Eventually(t, func() bool {
		for _, p := range w.packets() {
			if match(p) {
				got = p
				return true
			}
		}
		return false
	}, 10*time.Second, 5*time.Millisecond, what)
	return got
}

// sender sends whole packets from a node, whatever is in them.
type sender struct {
	t  *testing.T
	fd int
}

func newSender(t *testing.T, node *netlab.LiveNode) *sender {
	t.Helper()
	s := &sender{t: t}
	require.NoError(t, node.Do(func() (err error) {
		if s.fd, err = unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW); err != nil {
			return err
		}
		// The kernel's cached path MTU is no limit.
		return unix.SetsockoptInt(s.fd, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE)
	}))
	t.Cleanup(func() { unix.Close(s.fd) })
	return s
}

func (s *sender) send(p ip6.Packet) {
	s.t.Helper()
	require.NoError(s.t, unix.Sendto(s.fd, p, 0, &unix.SockaddrInet6{Addr: p.Dst().As16()}))
}

func (c *signalChain) hostPort() netip.AddrPort { return netip.AddrPortFrom(c.host, 7) }

// How long, and how often, to look for something that must come.
const (
	soonest = 10 * time.Second
	tick    = 20 * time.Millisecond
)

// newSignalChainOver is a chain of equal routers that is set up further by the
// test: hopKernel, or "" for nodes whose kernel doesn't forward.
func newSignalChainOver(t *testing.T, mtus []int, hop string) *signalChain {
	hops := make([]string, len(mtus)-1)
	for i := range hops {
		hops[i] = hopKernel
	}
	return newSignalChain(t, mtus, hops, "", func(_ *signalChain, top *netlab.Topology) {
		for i := range top.Nodes {
			if hop == "" && top.Nodes[i].Kind == netlab.Router {
				top.Nodes[i].Kind = netlab.Host
			}
		}
	})
}
