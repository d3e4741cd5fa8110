package cli

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/labtest"
	"pathmtu/internal/rawsock"
	"pathmtu/results"
)

func init() { dropPrivileges = func() error { return nil } } // of this process: it builds labs

// stand builds a topology where everybody may have ping sockets.
func stand(t *testing.T, topology netlab.Topology) *netlab.Lab {
	t.Helper()
	labtest.Need(t, netlab.Capable(), "CAP_NET_ADMIN and CAP_SYS_ADMIN")
	topology.Nodes[0].Sysctls = map[string]string{"net.ipv4.ping_group_range": "0 2147483647"}
	lab, err := netlab.Build(t.Context(), topology)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, lab.Close()) })
	return lab
}

// measureIn measures srv from cli, with raw sockets or without.
func measureIn(t *testing.T, lab *netlab.Lab, family int, raw bool, o probeOptions) *results.Record {
	t.Helper()
	srv, ok := lab.Addr("srv", family)
	require.True(t, ok)
	var r *results.Record
	err := lab.Node("cli").Do(func() error {
		m := &measurer{options: o, run: "test"}
		if raw {
			hub, err := rawsock.OpenHub()
			if err != nil {
				return err
			}
			defer func() { _ = hub.Close() }()
			m.hub = hub
		}
		var err error
		r, err = m.measure(t.Context(), target{name: srv.String(), addr: srv})
		return err
	})
	require.NoError(t, err)
	require.NoError(t, r.Validate())
	return r
}

// TestKernelPaths: the result is the truth, by each method, in each family, with
// a privilege and without, whatever becomes of PTBs.
func TestKernelPaths(t *testing.T) {
	for _, c := range []struct {
		edge, mtu int
		ptb       netlab.PTB
		verdict   results.Verdict
		grade     results.Grade
	}{
		{1500, 1500, netlab.PTB{}, results.OK, ""},
		{1500, 1413, netlab.PTB{}, results.OK, results.Exact},
		{9000, 1413, netlab.PTB{Mode: netlab.PTBFiltered}, results.OKSilent, ""},
		{1500, 1413, netlab.PTB{Mode: netlab.PTBLying, MTU: 1300}, results.OK, results.Understated},
		{1500, 1413, netlab.PTB{Mode: netlab.PTBLying, MTU: 1450}, results.OK, results.Overstated},
	} {
		t.Run(fmt.Sprintf("%d-%d-%v", c.edge, c.mtu, c.ptb), func(t *testing.T) {
			t.Parallel()
			lab := stand(t, netlab.Path(c.edge, c.mtu, c.ptb))
			for _, raw := range []bool{true, false} {
				for _, family := range []int{4, 6} {
					for _, method := range []string{"icmp", "udp"} {
						what := fmt.Sprintf("%s, IPv%d, raw %v", method, family, raw)
						r := measureIn(t, lab, family, raw, probeOptions{method: method, probes: 3})
						require.NotNil(t, r.PMTU, "%s: %s", what, r.Error)
						assert.Equal(t, c.mtu, *r.PMTU, "%s: %+v", what, r)
						assert.Equal(t, c.verdict, r.Verdict, what)
						if c.grade == "" {
							assert.Empty(t, r.PTB, what)
						} else if assert.NotEmpty(t, r.PTB, what) {
							assert.Equal(t, c.grade, r.PTB[0].Grade, "%s: %+v", what, r.PTB)
							wantHop := 0
							if raw {
								wantHop = 1
							}
							assert.Equal(t, wantHop, r.PTB[0].Hop, what)
						}
					}
				}
			}
		})
	}
}

// TestCachedPMTUIsNoAnswer: the kernel has learnt 1400 from a PTB; then the path
// carries 1500. What the kernel believes must neither be reported nor limit us.
func TestCachedPMTUIsNoAnswer(t *testing.T) {
	lab := stand(t, netlab.Path(1500, 1400, netlab.PTB{}))
	for _, raw := range []bool{true, false} {
		for _, family := range []int{4, 6} {
			for _, method := range []string{"icmp", "udp"} {
				require.NoError(t, lab.SetMTU("r1", "r2", 1400))
				require.NoError(t, lab.SetMTU("r2", "r1", 1400))
				r := measureIn(t, lab, family, raw, probeOptions{method: method, probes: 3})
				require.NotNil(t, r.PMTU, r.Error)
				require.Equal(t, 1400, *r.PMTU)
				require.Equal(t, 1400, cachedMTU(t, lab, family), "the kernel has learnt it")
				require.NoError(t, lab.SetMTU("r1", "r2", 1500))
				require.NoError(t, lab.SetMTU("r2", "r1", 1500))
				r = measureIn(t, lab, family, raw, probeOptions{method: method, probes: 3})
				require.NotNil(t, r.PMTU, r.Error)
				assert.Equal(t, 1500, *r.PMTU, "%s, IPv%d, raw %v", method, family, raw)
				assert.Equal(t, results.OK, r.Verdict)
				require.Equal(t, 1400, cachedMTU(t, lab, family), "it still believes so")
			}
		}
	}
}

// cachedMTU is what the kernel believes of the path from cli to srv.
func cachedMTU(t *testing.T, lab *netlab.Lab, family int) int {
	t.Helper()
	srv, _ := lab.Addr("srv", family)
	mtu := 0
	err := lab.Node("cli").Do(func() error {
		domain, level, name := unix.AF_INET, unix.IPPROTO_IP, unix.IP_MTU
		var to unix.Sockaddr = &unix.SockaddrInet4{Port: 9, Addr: addr4(srv)}
		if family == 6 {
			domain, level, name = unix.AF_INET6, unix.IPPROTO_IPV6, unix.IPV6_MTU
			to = &unix.SockaddrInet6{Port: 9, Addr: srv.As16()}
		}
		fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer func() { _ = unix.Close(fd) }()
		if err := unix.Connect(fd, to); err != nil {
			return err
		}
		mtu, err = unix.GetsockoptInt(fd, level, name)
		return err
	})
	require.NoError(t, err)
	return mtu
}

func addr4(a netip.Addr) (b [4]byte) {
	if a.Is4() {
		b = a.As4()
	}
	return b
}

// TestTCP: an open port and a closed one both tell, and nothing remains at the
// host of what was sent to the open one.
func TestTCP(t *testing.T) {
	for _, ptb := range []netlab.PTB{{}, {Mode: netlab.PTBFiltered}} {
		lab := stand(t, netlab.Path(9000, 1413, ptb))
		var ln net.Listener
		require.NoError(t, lab.Node("srv").Do(func() (err error) {
			ln, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", ":80")
			return err
		}))
		defer func() { assert.NoError(t, ln.Close()) }()
		for _, family := range []int{4, 6} {
			for _, port := range []int{80, 81} {
				r := measureIn(t, lab, family, true, probeOptions{method: "tcp", probes: 3, port: port})
				require.NotNil(t, r.PMTU, "port %d: %s", port, r.Error)
				assert.Equal(t, 1413, *r.PMTU, "%+v", r)
				assert.Equal(t, results.Forward, r.Direction)
				assert.Equal(t, port == 80, strings.HasPrefix(r.Evidence[0], "tcp: segments of a connection"), "%v", r.Evidence)
				if ptb.Mode == netlab.PTBFiltered {
					assert.Equal(t, results.OKSilent, r.Verdict)
				} else {
					assert.Equal(t, results.OK, r.Verdict)
					require.Len(t, r.PTB, 1)
					assert.Equal(t, results.Exact, r.PTB[0].Grade)
					assert.Equal(t, 1, r.PTB[0].Hop)
				}
			}
		}
		out, _, err := lab.Node("srv").Run(t.Context(), "ss", "-Htan", "exclude", "listening")
		require.NoError(t, err)
		assert.Empty(t, string(out), "connections that remain")
		for range 2 { // of the two families
			c, err := ln.Accept()
			require.NoError(t, err)
			n, err := c.Read(make([]byte, 1))
			assert.Zero(t, n, "the application sees nothing of the probes")
			assert.ErrorIs(t, err, unix.ECONNRESET)
			assert.NoError(t, c.Close())
		}
	}
	lab := stand(t, netlab.Chain("plain", netlab.PTB{}, 1500))
	srv, _ := lab.Addr("srv", 4)
	require.NoError(t, lab.Node("cli").Do(func() error {
		m := &measurer{options: probeOptions{method: "tcp", probes: 3}}
		r, err := m.measure(t.Context(), target{name: "srv", addr: srv})
		assert.ErrorContains(t, err, "CAP_NET_RAW")
		assert.Contains(t, r.Error, "raw TCP socket")
		return nil
	}))
}

// TestTCPAsksForLess: the host wants smaller segments than the path carries. That
// is its limit; another method tells that the path carries more.
func TestTCPAsksForLess(t *testing.T) {
	lab := stand(t, netlab.Path(1500, 1500, netlab.PTB{}))
	const mss = 1200
	var ln net.Listener
	require.NoError(t, lab.Node("srv").Do(func() (err error) {
		listen := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
			return c.Control(func(fd uintptr) {
				assert.NoError(t, unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG, mss))
			})
		}}
		ln, err = listen.Listen(t.Context(), "tcp", ":80")
		return err
	}))
	defer func() { assert.NoError(t, ln.Close()) }()
	for family, headers := range map[int]int{4: 40, 6: 60} {
		r := measureIn(t, lab, family, true, probeOptions{method: "tcp", probes: 3})
		require.NotNil(t, r.PMTU, r.Error)
		assert.Equal(t, mss+headers, *r.PMTU)
		assert.Equal(t, results.ResponderLimit, r.Verdict)
		assert.Contains(t, strings.Join(r.Evidence, "\n"), "the host asks for segments of at most 1200 bytes")
		r = measureIn(t, lab, family, true, probeOptions{method: "tcp,icmp", probes: 3})
		require.NotNil(t, r.PMTU, r.Error)
		assert.Equal(t, 1500, *r.PMTU)
		assert.Equal(t, results.OK, r.Verdict)
		assert.Equal(t, results.ResponderLimit, r.Methods[0].Verdict)
	}
}

// TestTCPBanner: a host that speaks first, as a mail server does, is measured all
// the same.
func TestTCPBanner(t *testing.T) {
	lab := stand(t, netlab.Path(1500, 1413, netlab.PTB{Mode: netlab.PTBFiltered}))
	var ln net.Listener
	require.NoError(t, lab.Node("srv").Do(func() (err error) {
		ln, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", ":25")
		return err
	}))
	defer func() { assert.NoError(t, ln.Close()) }()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("220 srv ESMTP\r\n"))
		}
	}()
	for _, family := range []int{4, 6} {
		r := measureIn(t, lab, family, true, probeOptions{method: "tcp", port: 25, probes: 3})
		require.NotNil(t, r.PMTU, r.Error)
		assert.Equal(t, 1413, *r.PMTU)
		assert.Contains(t, r.Evidence[0], "segments of a connection")
	}
}

// TestLossyAbove: larger packets arrive, but nearly a third of them doesn't.
func TestLossyAbove(t *testing.T) {
	topology, ok := netlab.FindTopology("size-loss")
	require.True(t, ok)
	lab := stand(t, topology)
	loss := topology.Links[1].B.Loss
	require.Len(t, loss, 1)
	for _, family := range []int{4, 6} {
		r := measureIn(t, lab, family, false, probeOptions{method: "icmp", probes: 8, loss: 120})
		require.NotNil(t, r.PMTU, r.Error)
		assert.Equal(t, results.LossyAbove, r.Verdict, "%+v", r)
		assert.Equal(t, loss[0].Above, *r.PMTU, "%+v", r)
	}
}

// TestFlows: each flow has its own port, and they agree.
func TestFlows(t *testing.T) {
	lab := stand(t, netlab.Path(1500, 1413, netlab.PTB{}))
	for _, method := range []string{"icmp", "udp"} {
		r := measureIn(t, lab, 6, true, probeOptions{method: method, probes: 3, flows: 3})
		require.NotNil(t, r.PMTU, r.Error)
		assert.Equal(t, 1413, *r.PMTU)
		require.Len(t, r.Methods, 3)
		flows := map[string]bool{}
		for _, m := range r.Methods {
			flows[m.Flow] = true
			assert.Equal(t, 1413, *m.PMTU)
		}
		assert.Len(t, flows, 3)
		assert.Greater(t, r.Confidence, 0.99)
	}
}

// TestNarrowWayBack: where large answers don't come back, auto measures by a
// second method, and tells the two ways apart.
func TestNarrowWayBack(t *testing.T) {
	topology, ok := netlab.FindTopology("asymmetric")
	require.True(t, ok)
	lab := stand(t, topology)
	require.NoError(t, lab.SetPTB("r2", netlab.PTB{Mode: netlab.PTBFiltered})) // srv never learns
	srv, _ := lab.Addr("srv", 6)
	cli, _ := lab.Addr("cli", 6)
	there, err := lab.Topology.Walk("cli", srv)
	require.NoError(t, err)
	back, err := lab.Topology.Walk("srv", cli)
	require.NoError(t, err)
	require.Less(t, back.MTU(), there.MTU())

	r := measureIn(t, lab, 6, true, probeOptions{method: "auto", probes: 3})
	require.NotNil(t, r.PMTU, r.Error)
	assert.Equal(t, there.MTU(), *r.PMTU)
	assert.Equal(t, results.ReverseLimit, r.Verdict, "%+v", r)
	assert.Equal(t, results.Forward, r.Direction)
	require.Len(t, r.Methods, 2)
	assert.Equal(t, "udp", r.Methods[0].Method)
	assert.Equal(t, there.MTU(), *r.Methods[0].PMTU)
	assert.Equal(t, "icmp", r.Methods[1].Method)
	assert.Equal(t, back.MTU(), *r.Methods[1].PMTU, "echo measures both ways")
}
