package udpoptsock_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"pathmtu/internal/netlab"
	"pathmtu/plpmtud"
	"pathmtu/plpmtud/udpopt"
	"pathmtu/plpmtud/udpopt/udpoptsock"
)

var families = []int{4, 6}

// U4.1-1, U4.2-3, U5.2: both ends, each with DPLPMTUD of its own, find the MTU
// of real paths, with and without Packet Too Big messages. All paths are
// searched at the same time, since most of it is waiting.
func TestDiscovery(t *testing.T) {
	t.Parallel()
	type cell struct {
		name     string
		mtu      int
		ptb      bool
		cli, srv *udpoptsock.Conn
	}
	var cells []cell
	for _, mtu := range []int{1500, 1420, 1280} {
		for _, mode := range []netlab.PTBMode{netlab.PTBDelivered, netlab.PTBFiltered} {
			lab := build(t, netlab.Path(1500, mtu, netlab.PTB{Mode: mode}))
			for _, family := range families {
				a, b := at(t, lab, "cli", family, 5001), at(t, lab, "srv", family, 5002)
				cells = append(cells, cell{fmt.Sprintf("IPv%d %d PTB %v", family, mtu, mode), mtu, mode == netlab.PTBDelivered,
					dial(t, lab, "cli", quick(a, b)), dial(t, lab, "srv", quick(b, a))})
			}
		}
	}
	for _, c := range cells {
		t.Run(c.name, func(t *testing.T) {
			discovered(t, c.cli, c.mtu, c.ptb)
			discovered(t, c.srv, c.mtu, c.ptb)
			exchange(t, c.cli, c.srv)
		})
	}
}

func discovered(t *testing.T, c *udpoptsock.Conn, mtu int, ptb bool) {
	t.Helper()
	eventually(t, "the search ends", func() bool { return c.Status().State == plpmtud.SearchComplete })
	s := c.Status()
	assert.LessOrEqual(t, s.MTU, mtu)
	if ptb || mtu == 1500 {
		assert.Equal(t, mtu, s.MTU)
	} else {
		// The search doesn't look for what no link has.
		assert.GreaterOrEqual(t, float64(s.MTU), 0.98*float64(mtu))
	}
	assert.True(t, s.Answered)
	assert.Zero(t, s.Strays)
	assert.Zero(t, s.Replays)
	assert.Zero(t, s.SendErrors)
	assert.Equal(t, ptb && mtu < 1500, s.PTBUsed > 0, "PTB used: %d", s.PTBUsed)
}

// exchange sends data both ways while the ends go on probing: each comes once.
func exchange(t *testing.T, a, b net.Conn) {
	t.Helper()
	deadline := time.Now().Add(patience)
	require.NoError(t, a.SetReadDeadline(deadline))
	require.NoError(t, b.SetReadDeadline(deadline))
	buf := make([]byte, 2000)
	for i := range 20 {
		for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
			want := fmt.Sprintf("message %d%*s", i, i, "")
			_, err := way[0].Write([]byte(want))
			require.NoError(t, err)
			n, err := way[1].Read(buf)
			require.NoError(t, err)
			require.Equal(t, want, string(buf[:n]))
		}
	}
	require.NoError(t, b.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err := b.Read(buf)
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded, "nothing comes twice, and no probe is seen")
}

// A Listener answers any number of peers, each on its own path.
func TestListener(t *testing.T) {
	t.Parallel()
	lab := build(t, netlab.Path(1500, 1420, netlab.PTB{}))
	for _, family := range families {
		for _, wildcard := range []bool{false, true} {
			t.Run(fmt.Sprintf("IPv%d wildcard %v", family, wildcard), func(t *testing.T) {
				t.Parallel()
				port := uint16(6000)
				local := at(t, lab, "srv", family, port)
				if wildcard {
					port++
					any := netip.IPv4Unspecified()
					if family == 6 {
						any = netip.IPv6Unspecified()
					}
					local = netip.AddrPortFrom(any, port)
				}
				l := listen(t, lab, "srv", udpoptsock.ListenConfig{Local: local, MDS: 1350,
					Respond: udpopt.ResponderConfig{Enabled: true, Interval: 5 * time.Millisecond}})
				for range 3 {
					c := dial(t, lab, "cli", quick(netip.AddrPort{}, at(t, lab, "srv", family, port)))
					eventually(t, "the search ends", func() bool { return c.Status().State == plpmtud.SearchComplete })
					assert.Equal(t, 1350, c.Status().PLPMTU, "U4.2-1: the MDS; the path carries more")
					_, err := c.Write([]byte("ping"))
					require.NoError(t, err)
					b := make([]byte, 100)
					require.NoError(t, l.SetReadDeadline(time.Now().Add(patience)))
					n, from, err := l.ReadFrom(b)
					require.NoError(t, err)
					assert.Equal(t, "ping", string(b[:n]))
					assert.Equal(t, c.LocalAddr().String(), from.String())
					_, err = l.WriteTo([]byte("pong"), from)
					require.NoError(t, err)
					require.NoError(t, c.SetReadDeadline(time.Now().Add(patience)))
					n, err = c.Read(b)
					require.NoError(t, err)
					assert.Equal(t, "pong", string(b[:n]))
				}
				assert.NotZero(t, l.Answers())
			})
		}
	}
}

// U3.3: the other end is the kernel's UDP, which knows no options. Data get
// through all the same, and the result is MIN_PLPMTU.
func TestPeerWithoutOptions(t *testing.T) {
	t.Parallel()
	lab := build(t, netlab.Path(1500, 1420, netlab.PTB{}))
	conns, heard := map[int]*udpoptsock.Conn{}, map[int]<-chan int{}
	for _, family := range families {
		a, b := at(t, lab, "cli", family, 5001), at(t, lab, "srv", family, 5002)
		heard[family] = echo(t, lab, "srv", b)
		conns[family] = dial(t, lab, "cli", quick(a, b))
	}
	for _, family := range families {
		t.Run(fmt.Sprintf("IPv%d", family), func(t *testing.T) {
			c := conns[family]
			eventually(t, "the machine gives up", func() bool { return c.Status().State == plpmtud.Disabled })
			s := c.Status()
			assert.Equal(t, map[int]int{4: 40, 6: 1232}[family], s.PLPMTU)
			assert.False(t, s.Answered)
			assert.NotZero(t, s.Probes)

			_, err := c.Write([]byte("still here"))
			require.NoError(t, err)
			require.NoError(t, c.SetReadDeadline(time.Now().Add(patience)))
			buf := make([]byte, 100)
			n, err := c.Read(buf)
			require.NoError(t, err)
			assert.Equal(t, "still here", string(buf[:n]))
			_, err = c.Write(make([]byte, s.PLPMTU+1))
			var large *udpopt.TooLargeError
			require.ErrorAs(t, err, &large)
			assert.Equal(t, s.PLPMTU, large.Max)

			// What the kernel made of the probes: empty datagrams, one for each.
			var empty uint64
			for range s.Probes {
				if <-heard[family] == 0 {
					empty++
				}
			}
			assert.Equal(t, s.Probes, empty)
		})
	}
}

// U3-1, U3-2, U3-3: off by default. A Conn is a UDP socket then, without raw
// sockets, and answers no probe; nor does a Listener.
func TestOffByDefault(t *testing.T) {
	t.Parallel()
	lab := build(t, netlab.Chain("off", netlab.PTB{}, 1500))
	a, b := at(t, lab, "cli", 4, 5001), at(t, lab, "srv", 4, 5002)
	plain := dial(t, lab, "srv", udpopt.Config{Local: b, Remote: a})
	prober := dial(t, lab, "cli", quick(a, b))
	eventually(t, "probes are lost", func() bool { return prober.Status().Probes >= 2 })
	_, err := plain.Write(make([]byte, 3000))
	require.NoError(t, err, "no limit, no Don't Fragment")
	require.NoError(t, prober.SetReadDeadline(time.Now().Add(patience)))
	n, err := prober.Read(make([]byte, 4000))
	require.NoError(t, err)
	assert.Equal(t, 3000, n)
	assert.Equal(t, udpoptsock.Status{PLPMTU: 40, MTU: 68}, plain.Status())
	assert.Zero(t, prober.Status().Answers)

	l := listen(t, lab, "srv", udpoptsock.ListenConfig{Local: at(t, lab, "srv", 4, 5003)})
	other := dial(t, lab, "cli", quick(netip.AddrPort{}, at(t, lab, "srv", 4, 5003)))
	eventually(t, "probes are lost", func() bool { return other.Status().Probes >= 2 })
	assert.Zero(t, l.Answers())
	assert.False(t, other.Status().Answered)
}

// U4.3-1: a path that shrinks in silence is noticed by validation; U5.1: and one
// that grows by the raise timer.
func TestPathShrinks(t *testing.T) {
	t.Parallel()
	lab := build(t, netlab.Path(1500, 1500, netlab.PTB{Mode: netlab.PTBFiltered}))
	a, b := at(t, lab, "cli", 6, 5001), at(t, lab, "srv", 6, 5002)
	c := quick(a, b)
	c.Path.ConfirmInterval = 100 * time.Millisecond
	cli := dial(t, lab, "cli", c)
	dial(t, lab, "srv", quick(b, a))
	eventually(t, "1500 is found", func() bool { return cli.Status().MTU == 1500 })
	require.NoError(t, lab.SetMTU("r1", "r2", 1400))
	eventually(t, "the size falls", func() bool { return cli.Status().MTU <= 1400 })
	eventually(t, "and a new one is found", func() bool {
		s := cli.Status()
		return s.State == plpmtud.SearchComplete && s.MTU >= 1372 && s.MTU <= 1400
	})
}

// RFC 9868 section 11.4: UDP fragments are put together, by Conn and Listener.
func TestFragments(t *testing.T) {
	t.Parallel()
	lab := build(t, netlab.Chain("frag", netlab.PTB{}, 1500))
	for _, family := range families {
		t.Run(fmt.Sprintf("IPv%d", family), func(t *testing.T) {
			a, b := at(t, lab, "cli", family, 5001), at(t, lab, "srv", family, 5002)
			l := listen(t, lab, "srv", udpoptsock.ListenConfig{Local: b})
			data := make([]byte, 2800)
			for i := range data {
				data[i] = byte(i * 7)
			}
			s := udpopt.Splitter{Size: 1440, Peer: udpopt.DefaultReassembly6}
			seq, err := s.Split(nil, data, udpopt.AppendMDS(nil, 1400), 77)
			require.NoError(t, err)
			raw := rawSender(t, lab, "cli", a.Addr())
			for f, chunk := range seq {
				p, err := udpopt.AppendFragment(nil, a, b, f, chunk)
				require.NoError(t, err)
				_, err = raw.WriteToIP(p, &net.IPAddr{IP: b.Addr().AsSlice()})
				require.NoError(t, err)
			}
			require.NoError(t, l.SetReadDeadline(time.Now().Add(patience)))
			buf := make([]byte, 4000)
			n, from, err := l.ReadFrom(buf)
			require.NoError(t, err)
			assert.Equal(t, data, buf[:n])
			assert.Equal(t, a.String(), from.String())
		})
	}
}

// rawSender is a raw socket of the test's own, for packets that a peer may send.
func rawSender(t *testing.T, lab *netlab.Lab, node string, local netip.Addr) *net.IPConn {
	t.Helper()
	network := "ip4:udp"
	if local.Is6() {
		network = "ip6:udp"
	}
	var conn *net.IPConn
	require.NoError(t, lab.Node(node).Do(func() (err error) {
		conn, err = net.ListenIP(network, &net.IPAddr{IP: local.AsSlice()})
		return err
	}))
	t.Cleanup(func() { conn.Close() })
	return conn
}

// RFC 9868 section 14: user data are delivered whatever is wrong with the
// options; a wrong UDP checksum drops the datagram.
func TestBadOptions(t *testing.T) {
	t.Parallel()
	lab := build(t, netlab.Chain("bad", netlab.PTB{}, 1500))
	for _, family := range families {
		t.Run(fmt.Sprintf("IPv%d", family), func(t *testing.T) {
			a, b := at(t, lab, "cli", family, 5001), at(t, lab, "srv", family, 5002)
			l := listen(t, lab, "srv", udpoptsock.ListenConfig{Local: b, Respond: udpopt.ResponderConfig{Enabled: true}})
			raw := rawSender(t, lab, "cli", a.Addr())
			send := func(data string, opts []byte, spoil func([]byte)) {
				p, err := udpopt.AppendDatagram(nil, a, b, []byte(data), opts, 0)
				require.NoError(t, err)
				spoil(p)
				_, err = raw.WriteToIP(p, &net.IPAddr{IP: b.Addr().AsSlice()})
				require.NoError(t, err)
			}
			req := udpopt.AppendREQ(nil, 1)
			send("UDP checksum", req, func(p []byte) { p[8] ^= 1 })
			send("OCS", req, func(p []byte) { p[len(p)-1] ^= 1 })
			send("length", []byte{100, 1}, func([]byte) {})
			send("unsafe", []byte{200, 2}, func([]byte) {})
			send("good", udpopt.AppendMDS(nil, 1), func([]byte) {})
			require.NoError(t, l.SetReadDeadline(time.Now().Add(patience)))
			buf := make([]byte, 100)
			for _, want := range []string{"OCS", "length", "", "good"} {
				n, _, err := l.ReadFrom(buf)
				require.NoError(t, err)
				assert.Equal(t, want, string(buf[:n]))
			}
			assert.Zero(t, l.Answers())
		})
	}
}

// Behind an IPv6 extension header options are not read, but the data arrive, once.
func TestExtensionHeader(t *testing.T) {
	t.Parallel()
	lab := build(t, netlab.Chain("ext", netlab.PTB{}, 1500))
	a, b := at(t, lab, "cli", 6, 5001), at(t, lab, "srv", 6, 5002)
	l := listen(t, lab, "srv", udpoptsock.ListenConfig{Local: b, Respond: udpopt.ResponderConfig{Enabled: true}})
	var raw *net.IPConn
	require.NoError(t, lab.Node("cli").Do(func() (err error) {
		raw, err = net.ListenIP("ip6:60", &net.IPAddr{IP: a.Addr().AsSlice()})
		return err
	}))
	defer raw.Close()
	for _, c := range []struct {
		data string
		opts []byte
	}{{"options", udpopt.AppendREQ(nil, 1)}, {"none", nil}} {
		p, err := udpopt.AppendDatagram([]byte{17, 0, 1, 4, 0, 0, 0, 0}, a, b, []byte(c.data), c.opts, 0)
		require.NoError(t, err)
		_, err = raw.WriteToIP(p, &net.IPAddr{IP: b.Addr().AsSlice()})
		require.NoError(t, err)
		require.NoError(t, l.SetReadDeadline(time.Now().Add(patience)))
		buf := make([]byte, 100)
		n, _, err := l.ReadFrom(buf)
		require.NoError(t, err)
		assert.Equal(t, c.data, string(buf[:n]))
	}
	require.NoError(t, l.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, _, err := l.ReadFrom(nil)
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
	assert.Zero(t, l.Answers())
}

// Without CAP_NET_RAW the error says so.
func TestPrivilege(t *testing.T) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The thread loses its capabilities for good, and ends with the goroutine.
		runtime.LockOSThread()
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if !assert.NoError(t, unix.Capset(&header, &none[0])) {
			return
		}
		c := quick(netip.AddrPort{}, netip.MustParseAddrPort("127.0.0.1:9"))
		_, err := udpoptsock.Dial(c)
		var p *udpoptsock.PrivilegeError
		if assert.ErrorAs(t, err, &p) {
			assert.ErrorContains(t, err, "CAP_NET_RAW")
			assert.ErrorIs(t, err, fs.ErrPermission)
		}
		_, err = udpoptsock.Listen(udpoptsock.ListenConfig{Local: netip.MustParseAddrPort("127.0.0.1:0")})
		assert.ErrorAs(t, err, &p)
		c.Enabled = false
		conn, err := udpoptsock.Dial(c)
		if assert.NoError(t, err, "without options no privilege is needed") {
			conn.Close()
		}
	}()
	<-done
}

func TestConfigErrors(t *testing.T) {
	_, err := udpoptsock.Dial(udpopt.Config{Enabled: true})
	assert.EqualError(t, err, "udpopt: Remote is invalid AddrPort, want an address and a port")
	_, err = udpoptsock.Listen(udpoptsock.ListenConfig{})
	assert.EqualError(t, err, "udpopt: Local is invalid AddrPort, want a unicast or unspecified address and a port")
	_, err = udpoptsock.Listen(udpoptsock.ListenConfig{Local: netip.MustParseAddrPort("127.0.0.1:0"), Respond: udpopt.ResponderConfig{Burst: -1}})
	assert.EqualError(t, err, "udpopt: ResponderConfig.Burst is -1, want 1 to 64")
	c := quick(netip.AddrPort{}, netip.MustParseAddrPort("127.0.0.1:9"))
	c.Path.Min = 7
	_, err = udpoptsock.Dial(c)
	assert.EqualError(t, err, "udpopt: Path.Min is 7, want at least 8 bytes, which a probe needs")
}

// Close wakes whoever reads, once; deadlines can be moved while somebody waits.
func TestCloseAndDeadlines(t *testing.T) {
	t.Parallel()
	lab := build(t, netlab.Chain("close", netlab.PTB{}, 1500))
	a, b := at(t, lab, "cli", 4, 5001), at(t, lab, "srv", 4, 5002)
	c := dial(t, lab, "cli", quick(a, b))
	require.NoError(t, c.SetReadDeadline(time.Now().Add(time.Hour)))
	read := make(chan error, 1)
	go func() { _, err := c.Read(make([]byte, 1)); read <- err }()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
	require.NoError(t, c.SetReadDeadline(time.Time{}))
	require.NoError(t, c.SetReadDeadline(time.Now().Add(-time.Second)))
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, c.SetDeadline(time.Time{}))
	require.NoError(t, c.Close())
	select {
	case err := <-read:
		assert.True(t, errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded), "%v", err)
	case <-time.After(patience):
		t.Fatal("Read still waits")
	}
	_, err = c.Read(make([]byte, 1))
	assert.ErrorIs(t, err, net.ErrClosed)
	assert.ErrorIs(t, c.Close(), net.ErrClosed)

	l := listen(t, lab, "srv", udpoptsock.ListenConfig{Local: b})
	require.NoError(t, l.SetDeadline(time.Now().Add(-1)))
	_, _, err = l.ReadFrom(nil)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	_, err = l.WriteTo(nil, &net.IPAddr{})
	assert.EqualError(t, err, "udpoptsock: address is a *net.IPAddr, want a *net.UDPAddr")
	require.NoError(t, l.Close())
	assert.ErrorIs(t, l.Close(), net.ErrClosed)
}

// When the own interface shrinks, the kernel refuses the next probe: that is
// certain, and lowers the size at once.
func TestInterfaceShrinks(t *testing.T) {
	t.Parallel()
	lab := build(t, netlab.Path(1500, 1500, netlab.PTB{}))
	for _, family := range families {
		a, b := at(t, lab, "cli", family, 5001), at(t, lab, "srv", family, 5002)
		c := quick(a, b)
		c.Path.ConfirmInterval = 50 * time.Millisecond
		cli := dial(t, lab, "cli", c)
		dial(t, lab, "srv", quick(b, a))
		eventually(t, "1500 is found", func() bool { return cli.Status().MTU == 1500 })
		require.NoError(t, lab.SetMTU("cli", "r1", 1496))
		eventually(t, "the size falls", func() bool { return cli.Status().MTU <= 1496 })
		assert.NotZero(t, cli.Status().SendErrors)
		require.NoError(t, lab.SetMTU("cli", "r1", 1500))
	}
}
