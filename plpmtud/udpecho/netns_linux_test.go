package udpecho_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/labtest"
	"pathmtu/plpmtud"
	"pathmtu/plpmtud/udpecho"
	"pathmtu/plpmtud/udpsock"
)

// soon is for what must come, however busy the machine.
const soon = 90 * time.Second

// fast are the shortest timers that RFC 8899 allows.
var fast = udpecho.Config{
	ProbeTimeout: time.Second, ConfirmInterval: 2 * time.Second, RaiseInterval: 5 * time.Second,
}

func build(t *testing.T, topology netlab.Topology) *netlab.Lab {
	t.Helper()
	labtest.Need(t, netlab.Capable(), "CAP_NET_ADMIN and CAP_SYS_ADMIN for network namespaces")
	lab, err := netlab.Build(t.Context(), topology)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, lab.Close()) })
	return lab
}

// pair is an application on either end of a lab's path.
type pair struct {
	t        *testing.T
	lab      *netlab.Lab
	family   udpsock.Family
	cli, srv *udpecho.Conn
	dst      netip.AddrPort
	received atomic.Int64 // datagrams of the application
	largest  atomic.Int64 // UDP payload
	other    atomic.Int64 // datagrams that the application did not send
}

// datagram makes an application datagram of n bytes that can be recognised.
func datagram(n int) []byte {
	b := make([]byte, max(n, 16))
	rand.Read(b[8:])
	copy(b, "app data")
	return b
}

func newPair(t *testing.T, lab *netlab.Lab, f udpsock.Family, cfg udpecho.Config, layer bool) *pair {
	t.Helper()
	p := &pair{t: t, lab: lab, family: f}
	// The client's socket is dual-stack.
	p.cli = p.listen("cli", "udp", cfg)
	srvAddr, ok := lab.Addr("srv", int(f))
	require.True(t, ok)
	p.dst = netip.AddrPortFrom(srvAddr, 7000)
	var reader net.PacketConn
	if layer {
		p.srv = p.listen("srv", "udp", udpecho.Config{})
		reader = p.srv
	} else {
		reader = p.socket("srv", "udp")
	}
	go p.serve(reader)
	go func() { // whatever arrives at the client is handled by its layer
		b := make([]byte, 65535)
		for {
			if _, _, err := p.cli.ReadFrom(b); err != nil {
				return
			}
			p.other.Add(1)
		}
	}()
	return p
}

func (p *pair) socket(node, network string) *net.UDPConn {
	p.t.Helper()
	var u *net.UDPConn
	require.NoError(p.t, p.lab.Node(node).Do(func() (err error) {
		u, err = net.ListenUDP(network, &net.UDPAddr{Port: 7000})
		return err
	}))
	p.t.Cleanup(func() { u.Close() })
	return u
}

func (p *pair) listen(node, network string, cfg udpecho.Config) *udpecho.Conn {
	p.t.Helper()
	u := p.socket(node, network)
	var c *udpecho.Conn
	require.NoError(p.t, p.lab.Node(node).Do(func() (err error) {
		c, err = udpecho.Wrap(u, cfg)
		return err
	}))
	p.t.Cleanup(func() { c.Close() })
	return c
}

func (p *pair) serve(c net.PacketConn) {
	b := make([]byte, 65535)
	for {
		n, _, err := c.ReadFrom(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		if string(b[:min(8, n)]) != "app data" {
			p.other.Add(1)
			continue
		}
		p.received.Add(1)
		if int64(n) > p.largest.Load() {
			p.largest.Store(int64(n))
		}
	}
}

// mtu is what the layer says, as an IP packet.
func (p *pair) mtu() int { return p.cli.MaxPayload(p.dst) + p.family.Overhead() }

// chatUntil sends datagrams of the largest size allowed until something holds.
func (p *pair) chatUntil(what string, f func() bool) {
	p.t.Helper()
	for end := time.Now().Add(soon); !f(); time.Sleep(5 * time.Millisecond) {
		require.True(p.t, time.Now().Before(end), "%s: MTU %d, status %+v, stats %+v", what, p.mtu(), p.cli.Status(p.dst), p.cli.Stats())
		_, err := p.cli.WriteToUDPAddrPort(datagram(p.cli.MaxPayload(p.dst)), p.dst)
		require.NoError(p.t, err)
	}
}

// arrives makes sure that what the layer allows does arrive.
func (p *pair) arrives() {
	p.t.Helper()
	p.largest.Store(0)
	n := p.cli.MaxPayload(p.dst)
	_, err := p.cli.WriteToUDPAddrPort(datagram(n), p.dst)
	require.NoError(p.t, err)
	require.Eventually(p.t, func() bool { return p.largest.Load() == int64(n) }, 5*time.Second, time.Millisecond)
	assert.Zero(p.t, p.other.Load(), "no datagram of the layer reaches an application")
}

// near says whether a found MTU is at most the true one, and within 0.2 %.
func near(got, want int) bool { return got <= want && want-got <= (want+499)/500 }

var families = []udpsock.Family{udpsock.IPv4, udpsock.IPv6}

// The usual case: a bottleneck that the ends don't know, with and without PTBs.
func TestPathOf1420(t *testing.T) {
	for _, ptb := range []netlab.PTB{{Mode: netlab.PTBFiltered}, {Mode: netlab.PTBDelivered}} {
		for _, f := range families {
			t.Run(fmt.Sprintf("%v/ptb %v", f, ptb), func(t *testing.T) {
				t.Parallel()
				lab := build(t, netlab.Path(1500, 1420, ptb))
				cfg := fast
				cfg.RaiseInterval = time.Hour
				p := newPair(t, lab, f, cfg, true)
				p.chatUntil("search", func() bool {
					return p.cli.Status(p.dst).State == plpmtud.SearchComplete
				})
				assert.True(t, near(p.mtu(), 1420), "%d", p.mtu())
				p.arrives()
				rule := netlab.RulePTB4
				if f == udpsock.IPv6 {
					rule = netlab.RulePTB6
				}
				hits, err := lab.Node("r1").Counters()
				require.NoError(t, err)
				if ptb.Mode == netlab.PTBFiltered {
					assert.NotZero(t, hits[rule], "PTBs were filtered")
					assert.Zero(t, p.cli.Stats().Hints)
				} else {
					assert.Equal(t, 1420, p.mtu(), "a PTB names the size")
					assert.NotZero(t, p.cli.Stats().Hints)
				}
			})
		}
	}
}

// A path that shrinks to 1280 in mid-transfer, and later grows again.
func TestPathThatChanges(t *testing.T) {
	for _, ptb := range []netlab.PTB{{Mode: netlab.PTBFiltered}, {Mode: netlab.PTBDelivered}} {
		for _, f := range families {
			t.Run(fmt.Sprintf("%v/ptb %v", f, ptb), func(t *testing.T) {
				t.Parallel()
				lab := build(t, netlab.Path(1500, 1500, ptb))
				p := newPair(t, lab, f, fast, true)
				p.chatUntil("search", func() bool { return p.mtu() == 1500 })
				p.arrives()

				setBottleneck(t, lab, 1280)
				began := time.Now()
				p.chatUntil("after the path shrank", func() bool { return p.mtu() <= 1280 })
				t.Logf("noticed after %v", time.Since(began).Round(time.Millisecond))
				p.chatUntil("and settled", func() bool { return near(p.mtu(), 1280) })
				p.arrives()
				if ptb.Mode == netlab.PTBDelivered {
					assert.NotZero(t, p.cli.Stats().Hints)
					// For 5 minutes after a PTB no larger size is tried (RFC 8201
					// section 4), so that the path growing is not to be seen here.
					return
				}
				setBottleneck(t, lab, 1500)
				p.chatUntil("after the path grew", func() bool { return p.mtu() == 1500 })
				p.arrives()
			})
		}
	}
}

func setBottleneck(t *testing.T, lab *netlab.Lab, mtu int) {
	t.Helper()
	require.NoError(t, lab.SetMTU("r1", "r2", mtu))
	require.NoError(t, lab.SetMTU("r2", "r1", mtu))
}

// Each direction is measured on its own: a narrow way back is no obstacle.
func TestNarrowWayBack(t *testing.T) {
	for _, f := range families {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			topology := netlab.Path(1500, 1500, netlab.PTB{})
			topology.Links[0].A.Loss = []netlab.Loss{{Above: 200, Percent: 100}} // towards the client
			lab := build(t, topology)
			p := newPair(t, lab, f, fast, true)
			p.chatUntil("search", func() bool { return p.mtu() == 1500 })
			p.arrives()
		})
	}
}

// D3-5a: the interface bounds the search, and nothing larger is tried.
func TestJumboFirstHop(t *testing.T) {
	for _, f := range families {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			lab := build(t, netlab.Path(9000, 9000, netlab.PTB{}))
			p := newPair(t, lab, f, fast, true)
			p.chatUntil("search", func() bool { return p.mtu() == 9000 })
			p.arrives()
			// The interface shrinks: the next datagram is refused, and that is
			// certain.
			require.NoError(t, lab.SetMTU("cli", "r1", 1400))
			_, err := p.cli.WriteToUDPAddrPort(datagram(p.cli.MaxPayload(p.dst)), p.dst)
			require.True(t, udpsock.IsMessageTooLong(err), "%v", err)
			assert.Equal(t, 1400, p.mtu())
			p.arrives()
		})
	}
}

// U3.3: with a peer that has no such layer, BASE is assumed and the application's
// traffic goes on; a closed port does no harm either.
func TestPlainPeer(t *testing.T) {
	for _, f := range families {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			lab := build(t, netlab.Path(1500, 1420, netlab.PTB{}))
			p := newPair(t, lab, f, fast, false)
			p.chatUntil("greetings", func() bool { return p.cli.Status(p.dst).Silent })
			base := map[udpsock.Family]int{udpsock.IPv4: 1228, udpsock.IPv6: 1280}[f]
			assert.Equal(t, base, p.mtu())
			n := p.received.Load()
			require.NotZero(t, n)
			assert.LessOrEqual(t, p.other.Load(), int64(3), "three greetings")

			closed := netip.AddrPortFrom(p.dst.Addr(), 9)
			for range 50 {
				_, err := p.cli.WriteToUDPAddrPort(datagram(100), closed)
				require.NoError(t, err, "an unconnected socket has no errors of others")
			}
			require.Eventually(t, func() bool { return p.cli.Stats().ErrorsNoted > 0 }, 5*time.Second, time.Millisecond)
			_, err := p.cli.WriteToUDPAddrPort(datagram(100), p.dst)
			require.NoError(t, err)
			require.Eventually(t, func() bool { return p.received.Load() > n }, 5*time.Second, time.Millisecond)
		})
	}
}

// D4.1-3, D4.6.1-4, D6.1.1: an attacker off the path knows addresses, ports and
// the public key, and sends answers and PTBs. Neither raises, nor lowers.
func TestForgeries(t *testing.T) {
	for _, f := range families {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			lab := build(t, netlab.Path(1500, 1420, netlab.PTB{Mode: netlab.PTBFiltered}))
			cfg := fast
			cfg.RaiseInterval = time.Hour
			require.NoError(t, lab.SetPTB("r2", netlab.PTB{})) // the forger's own are not filtered
			p := newPair(t, lab, f, cfg, true)
			cli, _ := lab.Addr("cli", int(f))
			forger := newForger(t, lab, p.dst, netip.AddrPortFrom(cli, 7000))
			lower := 0
			p.chatUntil("search under attack", func() bool {
				forger.answer(1472)
				forger.answer(28)
				forger.tooBig(1300)
				if p.cli.Status(p.dst).State == plpmtud.SearchComplete && p.mtu() < 1300 {
					lower++
				}
				return p.cli.Status(p.dst).State == plpmtud.SearchComplete && p.cli.Stats().Stray > 500
			})
			assert.True(t, near(p.mtu(), 1420), "%d", p.mtu())
			assert.Zero(t, lower)
			s := p.cli.Stats()
			assert.Zero(t, s.Hints)
			assert.NotZero(t, s.ErrorQueue.Unmatched, "PTBs arrived, and were seen through")
			assert.Zero(t, s.ErrorQueue.Accepted)
			p.arrives()
		})
	}
}
