package datapath

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/labtest"
	"pathmtu/internal/router"
)

const (
	soon  = 5 * time.Second        // for what must come
	never = 200 * time.Millisecond // for what must not
)

// mode is one way to run the router under test.
type mode struct {
	name string
	kind Kind
	fast bool
}

var modes = []mode{{"afpacket", KindAFPacket, false}, {"afxdp", KindAFXDP, false}, {"xdp", KindAFXDP, true}}

// buildLab stands up cli -- r1 -- srv, where the kernel of r1 doesn't forward.
func buildLab(t *testing.T, left, right int) *netlab.Lab {
	t.Helper()
	labtest.Need(t, netlab.Capable(), "root or capabilities for namespaces")
	top := netlab.Chain("dp", netlab.PTB{}, left, right)
	for i := range top.Nodes {
		if top.Nodes[i].Name == "r1" {
			top.Nodes[i].Kind = netlab.Host
		}
	}
	lab, err := netlab.Build(t.Context(), top)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, lab.Close()) })
	return lab
}

func portSpecs(kind Kind) []PortSpec {
	var out []PortSpec
	for _, n := range []string{"to-cli", "to-srv"} {
		out = append(out, PortSpec{Name: n, Kind: kind, Policy: router.ProcessMinPMTU()})
	}
	return out
}

// runRouter opens a router in a node and runs it until the test ends.
func runRouter(t *testing.T, node *netlab.LiveNode, cfg UserRouterConfig) *UserRouter {
	t.Helper()
	var u *UserRouter
	require.NoError(t, node.Do(func() error {
		if cfg.FastPath {
			if err := switchForwardingOn(); err != nil {
				return err
			}
		}
		var err error
		u, err = OpenUserRouter(cfg)
		return err
	}))
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- u.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-ran)
		if t.Failed() {
			t.Logf("counters at the end: %+v", u.FinalStats())
		}
		assert.NoError(t, u.Close())
	})
	return u
}

// switchForwardingOn lets the kernel forward in the calling thread's namespace,
// and so look routes up for the fast path.
func switchForwardingOn() error {
	for _, n := range []string{"all", "to-cli", "to-srv"} {
		if err := os.WriteFile("/proc/sys/net/ipv6/conf/"+n+"/forwarding", []byte("1"), 0); err != nil {
			return err
		}
	}
	return nil
}

// udpPair is a UDP socket in each of two nodes, for packets with and without
// a Hop-by-Hop header.
type udpPair struct {
	t        *testing.T
	from, to int
	dst      unix.SockaddrInet6
}

func newUDPPair(t *testing.T, lab *netlab.Lab, from, to string) *udpPair {
	return newUDPPairAt(t, lab, from, to, 7777)
}

func newUDPPairAt(t *testing.T, lab *netlab.Lab, from, to string, port int) *udpPair {
	t.Helper()
	src, ok := lab.Addr(from, 6)
	require.True(t, ok)
	dst, ok := lab.Addr(to, 6)
	require.True(t, ok)
	return newUDPPairAddrs(t, lab, from, to, src, dst, port)
}

func newUDPPairAddrs(t *testing.T, lab *netlab.Lab, from, to string, src, dst netip.Addr, port int) *udpPair {
	t.Helper()
	u := &udpPair{t: t}
	open := func(node string, addr netip.Addr) (fd int) {
		require.NoError(t, lab.Node(node).Do(func() (err error) {
			fd, err = unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
			if err != nil {
				return err
			}
			for _, o := range [][2]int{{unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE}, {unix.IPV6_RECVERR, 1}, {unix.IPV6_RECVHOPOPTS, 1}, {unix.IPV6_RECVHOPLIMIT, 1}} {
				if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, o[0], o[1]); err != nil {
					return err
				}
			}
			return unix.Bind(fd, &unix.SockaddrInet6{Addr: addr.As16(), Port: port})
		}))
		t.Cleanup(func() { _ = unix.Close(fd) })
		return fd
	}
	u.from, u.to = open(from, src), open(to, dst)
	u.dst = unix.SockaddrInet6{Addr: dst.As16(), Port: port}
	return u
}

// send sends n bytes of payload, behind a Hop-by-Hop header if hbh isn't nil.
func (u *udpPair) send(n int, hbh []byte) error {
	var oob []byte
	if hbh != nil {
		oob = make([]byte, unix.CmsgSpace(len(hbh)))
		h := (*unix.Cmsghdr)(ptr(oob))
		h.Level, h.Type = unix.IPPROTO_IPV6, unix.IPV6_HOPOPTS
		h.SetLen(unix.CmsgLen(len(hbh)))
		copy(oob[unix.CmsgLen(0):], hbh)
	}
	return unix.Sendmsg(u.from, pattern(n), oob, &u.dst, 0)
}

// pattern is a payload in which no part looks like another.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*i>>7 + i)
	}
	return b
}

type received struct {
	n        int
	hbh      []byte
	hopLimit int
}

// receive waits for a datagram at the receiver.
func (u *udpPair) receive(wait time.Duration) (received, bool) {
	u.t.Helper()
	buf, oob := make([]byte, 65536), make([]byte, 512)
	deadline := time.Now().Add(wait)
	for time.Now().Before(deadline) {
		fds := []unix.PollFd{{Fd: int32(u.to), Events: unix.POLLIN}}
		_, _ = unix.Poll(fds, int(time.Until(deadline).Milliseconds())+1)
		n, oobn, _, _, err := unix.Recvmsg(u.to, buf, oob, unix.MSG_DONTWAIT)
		if err != nil {
			continue
		}
		require.Equal(u.t, pattern(n), buf[:n], "payload")
		r := received{n: n}
		ms, err := unix.ParseSocketControlMessage(oob[:oobn])
		require.NoError(u.t, err)
		for _, m := range ms {
			switch m.Header.Type {
			case unix.IPV6_HOPOPTS:
				r.hbh = append([]byte(nil), m.Data...)
			case unix.IPV6_HOPLIMIT:
				r.hopLimit = int(binary.NativeEndian.Uint32(m.Data))
			}
		}
		return r, true
	}
	return received{}, false
}

// icmp waits for an ICMPv6 error at the sender.
func (u *udpPair) icmp(wait time.Duration) (typ, code, info int, from netip.Addr, ok bool) {
	u.t.Helper()
	buf, oob := make([]byte, 65536), make([]byte, 512)
	deadline := time.Now().Add(wait)
	for time.Now().Before(deadline) {
		fds := []unix.PollFd{{Fd: int32(u.from), Events: unix.POLLPRI}}
		_, _ = unix.Poll(fds, int(time.Until(deadline).Milliseconds())+1)
		_, oobn, _, _, err := unix.Recvmsg(u.from, buf, oob, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EAGAIN) {
			continue
		}
		require.NoError(u.t, err)
		ms, err := unix.ParseSocketControlMessage(oob[:oobn])
		require.NoError(u.t, err)
		for _, m := range ms {
			// struct sock_extended_err: errno, origin, type, code, pad, info, data; then the offender.
			if m.Header.Type == unix.IPV6_RECVERR && m.Data[4] == unix.SO_EE_ORIGIN_ICMP6 {
				from, _ = netip.AddrFromSlice(m.Data[16+8 : 16+24])
				return int(m.Data[5]), int(m.Data[6]), int(binary.NativeEndian.Uint32(m.Data[8:])), from, true
			}
		}
	}
	return
}
