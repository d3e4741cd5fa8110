//go:build linux

package netnstests

import (
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"pathmtu/hbh"
	"pathmtu/hbh/hbhsock"
	"pathmtu/internal/ip6"
	"pathmtu/internal/netlab"
	"pathmtu/plpmtud"
	"pathmtu/plpmtud/udpecho"
)

// optionConn is a UDP socket whose datagrams can carry the option, as a packet
// connection that udpecho can wrap. The application's own datagrams carry it,
// probes don't (H11).
type optionConn struct {
	*net.UDPConn
	u *hbhsock.UDP

	mu   sync.Mutex
	host *hbh.Host
	last hbh.Observed // of the datagram read last; one goroutine reads
}

func newOptionConn(t *testing.T, node *netlab.LiveNode, addr netip.AddrPort, link int) *optionConn {
	t.Helper()
	c := &optionConn{}
	require.NoError(t, node.Do(func() (err error) {
		if c.UDPConn, err = net.ListenUDP("udp6", net.UDPAddrFromAddrPort(addr)); err != nil {
			return err
		}
		if err = widen(c.UDPConn); err != nil {
			return err
		}
		c.u, err = hbhsock.NewUDP(c.UDPConn)
		return err
	}))
	var err error
	c.host, err = hbh.NewHost(hbh.HostConfig{Flow: hbh.FlowConfig{LinkMTU: link, WithData: true}})
	require.NoError(t, err)
	return c
}

// widen makes room for what arrives while a slow machine does something else:
// what overflows would look like loss on the path.
func widen(c *net.UDPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20)
	})
	return errors.Join(err, set)
}

func (c *optionConn) key(remote netip.AddrPort) hbh.Key {
	return hbh.Key{Local: c.LocalAddr().(*net.UDPAddr).AddrPort(), Remote: remote, Proto: ip6.ProtoUDP}
}

// ReadFrom implements net.PacketConn.
func (c *optionConn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, ob, from, err := c.u.ReadFrom(p)
	c.last = ob
	if err != nil {
		return n, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// WriteTo implements net.PacketConn.
func (c *optionConn) WriteTo(p []byte, to net.Addr) (int, error) {
	dst := to.(*net.UDPAddr).AddrPort()
	var o *hbh.Option
	if isApp(p) {
		c.mu.Lock()
		if v, ok := c.host.Outgoing(time.Now(), c.key(dst), len(p)+48+hbh.HeaderLen, true); ok {
			o = &v
		}
		c.mu.Unlock()
	}
	return len(p), c.u.WriteTo(p, o, dst)
}

// SyscallConn implements syscall.Conn.
func (c *optionConn) SyscallConn() (syscall.RawConn, error) { return c.UDPConn.SyscallConn() }

// The application: the client sends datagrams that begin with a mark and a
// token, the server returns that beginning.
const appHeader = 4 + 16

func isApp(p []byte) bool { return len(p) >= appHeader && string(p[:4]) == "app " }

// appServer echoes what the application's datagrams begin with.
func appServer(t *testing.T, pc *optionConn) {
	conn, err := udpecho.Wrap(pc, udpecho.Config{Max: 9000})
	require.NoError(t, err)
	ended := make(chan struct{})
	t.Cleanup(func() { conn.Close(); <-ended })
	go func() {
		defer close(ended)
		buf := make([]byte, 1<<16)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if !isApp(buf[:n]) {
				continue
			}
			pc.mu.Lock()
			pc.host.Received(time.Now(), pc.key(from.(*net.UDPAddr).AddrPort()), pc.last)
			pc.mu.Unlock()
			_, _ = conn.WriteTo(buf[:appHeader], from)
		}
	}()
}

// appClient is a plain UDP application that sends small datagrams, and now and
// then one of the largest size that udpecho says.
type appClient struct {
	t    *testing.T
	pc   *optionConn
	conn *udpecho.Conn
	to   netip.AddrPort

	mu      sync.Mutex
	sent    map[string]int      // token -> UDP payload
	largest int                 // IP packet of data that was returned
	asked   map[string]int      // tokens of datagrams that carried a request -> how many sent later were returned
	later   map[string][]string // token -> requests that were under way when it was sent
	hints   []int
	events  []plpmtud.Event
}

func newAppClient(t *testing.T, pc *optionConn, to netip.AddrPort, useHints bool, timeout time.Duration) *appClient {
	a := &appClient{t: t, pc: pc, to: to, sent: map[string]int{}, asked: map[string]int{}, later: map[string][]string{}}
	var err error
	a.conn, err = udpecho.Wrap(pc, udpecho.Config{
		Max: 9000, ProbeTimeout: timeout, ConfirmInterval: 5 * time.Second, RaiseInterval: 10 * time.Second, IdleAfter: time.Minute,
		Trace: func(_ netip.AddrPort, e plpmtud.Event) {
			a.mu.Lock()
			a.events = append(a.events, e)
			a.mu.Unlock()
		},
	})
	require.NoError(t, err)
	ended := make(chan struct{})
	t.Cleanup(func() { a.conn.Close(); <-ended })
	go func() {
		defer close(ended)
		buf := make([]byte, 1<<16)
		for {
			n, _, err := a.conn.ReadFrom(buf)
			if err != nil {
				return
			}
			a.received(buf[:n], useHints)
		}
	}()
	return a
}

// received takes an echo. Only one with a token that was sent is believed, the
// option on it included (D6).
func (a *appClient) received(b []byte, useHints bool) {
	a.mu.Lock()
	size, ok := a.sent[string(b)]
	delete(a.sent, string(b))
	if ok {
		a.largest = max(a.largest, size+48)
		delete(a.asked, string(b))
		for _, request := range a.later[string(b)] {
			if _, open := a.asked[request]; open {
				a.asked[request]++
			}
		}
		delete(a.later, string(b))
	}
	a.mu.Unlock()
	if !ok {
		return
	}
	a.pc.mu.Lock()
	r := a.pc.host.Received(time.Now(), a.pc.key(a.to), a.pc.last)
	a.pc.mu.Unlock()
	if r.MTU == 0 {
		return
	}
	a.mu.Lock()
	a.hints = append(a.hints, r.MTU)
	a.mu.Unlock()
	if useHints {
		assert.True(a.t, a.conn.Hint(a.to, plpmtud.Hint{Source: plpmtud.HopByHop, MTU: r.MTU}))
	}
}

// send sends one datagram of the application.
func (a *appClient) send(size int) {
	a.t.Helper()
	b := make([]byte, max(size, appHeader))
	copy(b, "app ")
	_, _ = rand.Read(b[4:appHeader])
	token := string(b[:appHeader])
	asks := a.requests()
	a.mu.Lock()
	a.sent[token] = len(b)
	a.later[token] = slices.Collect(maps.Keys(a.asked))
	a.mu.Unlock()
	_, err := a.conn.WriteTo(b, net.UDPAddrFromAddrPort(a.to))
	require.NoError(a.t, err)
	if a.requests() > asks {
		a.mu.Lock()
		if _, open := a.sent[token]; open { // not returned already
			a.asked[token] = 0
		}
		a.mu.Unlock()
	}
}

func (a *appClient) requests() uint64 {
	a.pc.mu.Lock()
	defer a.pc.mu.Unlock()
	if f := a.pc.host.Flow(a.pc.key(a.to)); f != nil {
		return f.Counters.Asked
	}
	return 0
}

// open begins to ask, once the peer has answered.
func (a *appClient) open(link int) {
	a.pc.mu.Lock()
	defer a.pc.mu.Unlock()
	now := time.Now()
	require.NoError(a.t, a.pc.host.Open(now, a.pc.key(a.to), hbh.FlowConfig{LinkMTU: link, Ask: true, WithData: true, AskTimeout: time.Second}))
	a.pc.host.Do(a.pc.key(a.to), func(f *hbh.Flow) { f.Start(now) })
}

// overtaken is how many datagrams that were sent after a request have to be
// returned before it, until it counts as lost.
const overtaken = 8

// lostRequests counts a request that was not returned, while others are, as a
// loss of the option (D11).
func (a *appClient) lostRequests() {
	var late []string
	a.mu.Lock()
	for token, n := range a.asked {
		if n >= overtaken {
			late = append(late, token)
			delete(a.asked, token)
		}
	}
	a.mu.Unlock()
	for range late {
		a.pc.mu.Lock()
		a.pc.host.Do(a.pc.key(a.to), func(f *hbh.Flow) { f.Lost(time.Now()) })
		a.pc.mu.Unlock()
	}
}

// until sends until something holds: a small datagram each time, and one of the
// largest size each tenth time.
func (a *appClient) until(what string, f func() bool) {
	a.t.Helper()
	end := time.Now().Add(2 * time.Minute)
	for i := 0; !f(); i++ {
		require.True(a.t, time.Now().Before(end), "%s: %+v, %+v", what, a.conn.Status(a.to), a.conn.Stats())
		size := appHeader
		if i%10 == 9 {
			size = a.conn.MaxPayload(a.to)
		}
		a.send(size)
		a.lostRequests()
		time.Sleep(tick)
	}
}

func (a *appClient) mtu() int { return a.conn.MaxPayload(a.to) + 48 }

// trace returns the events so far.
func (a *appClient) trace() []plpmtud.Event {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]plpmtud.Event(nil), a.events...)
}

// afterHint returns the probes that were sent between the first hint and the
// moment when the size was reached, those of BASE left out, and how many were
// lost meanwhile. ahead: on a machine that was slow to bring the hint, the search
// had come to that very size by itself, so that the hint had nothing to say.
func (a *appClient) afterHint(size int) (probes []int, lost int, reached, ahead bool) {
	hinted := false
	flying, now := 0, 0
	for _, e := range a.trace() {
		switch e.Kind {
		case plpmtud.HintUsed, plpmtud.HintIgnored:
			if !hinted {
				ahead = flying == size || now == size
			}
			hinted = true
		case plpmtud.ProbeSent:
			if flying = e.Size + 48; hinted && flying > 1280 {
				probes = append(probes, flying)
			}
		case plpmtud.ProbeLost:
			if hinted {
				lost++
			}
		case plpmtud.SizeChange:
			if now = e.New + 48; now == size {
				return probes, lost, hinted, ahead
			}
		}
	}
	return probes, lost, false, ahead
}

// near says whether a found MTU is at most the true one, and within 0.2 %: the
// search may stop a little below.
func near(got, want int) bool { return got <= want && want-got <= (want+499)/500 }

// The size that the signal finds is used by a plain UDP application over
// udpecho. With the signal, one round trip and one confirming probe find 9000
// or 1500; without it, with one that says too much, or with one that never
// arrives, plain DPLPMTUD finds the size as ever (H8, H9, H13, D6, D9, D11).
func TestSignalUDPApplication(t *testing.T) {
	t.Parallel()
	filtered := netlab.PTB{Mode: netlab.PTBFiltered}
	for _, c := range []struct {
		name   string
		mtus   []int
		hops   []string
		ptb    netlab.PTB
		hints  bool
		atOnce bool
	}{
		{"9000", []int{9000, 9000, 9000, 9000}, []string{hopKernel, hopAFPacket, hopAFXDP}, netlab.PTB{}, true, true},
		{"1500", []int{9000, 9000, 1500, 9000}, []string{hopKernel, hopAFPacket, hopAFXDP}, netlab.PTB{}, true, true},
		{"1500 filtered", []int{9000, 9000, 1500, 9000}, []string{hopKernel, hopAFXDP, hopAFPacket}, filtered, true, true},
		{"4000 filtered", []int{9000, 9000, 4000, 9000}, []string{hopKernel, hopAFPacket, hopAFXDP}, filtered, true, true},
		{"9000 four routers", []int{9000, 9000, 9000, 9000, 9000}, []string{hopKernel, hopTUN, hopAFPacket, hopAFXDP}, filtered, true, true},
		{"signal not used", []int{9000, 9000, 1500, 9000}, []string{hopKernel, hopAFPacket, hopAFPacket}, filtered, false, false},
		{"no signal", []int{9000, 9000, 1500, 9000}, []string{hopKernel, hopKernel, hopKernel}, filtered, true, false},
		{"signal says too much", []int{9000, 9000, 1500, 9000}, []string{hopKernel, hopSkip, hopAFPacket}, filtered, true, false},
		{"signal dropped", []int{9000, 9000, 1500, 9000}, []string{hopKernel, hopAFPacket, hopDrop}, filtered, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ch := newSignalChain(t, c.mtus, c.hops, "", ptbs(c.ptb), slowFirstLink(20*time.Millisecond))
			srv, _ := ch.lab.Addr("srv", 6)
			to := netip.AddrPortFrom(srv, 6000)
			appServer(t, newOptionConn(t, ch.lab.Node("srv"), to, c.mtus[len(c.mtus)-1]))
			pc := newOptionConn(t, ch.lab.Node("cli"), netip.AddrPortFrom(ch.cli, 6000), c.mtus[0])
			// Where nothing is to be lost, a slow machine is waited for.
			timeout := time.Second
			if c.atOnce {
				timeout = 10 * time.Second
			}
			app := newAppClient(t, pc, to, c.hints, timeout)
			app.until("greeting", func() bool { return app.conn.Status(to).Answers })
			app.open(c.mtus[0])
			truth := ch.truth()
			app.until("search", func() bool {
				return app.conn.Status(to).State == plpmtud.SearchComplete && near(app.mtu(), truth)
			})
			app.mu.Lock()
			app.largest = 0
			app.mu.Unlock()
			app.until("data of that size", func() bool { app.mu.Lock(); defer app.mu.Unlock(); return near(app.largest, truth) })

			app.mu.Lock()
			hints := app.hints
			app.mu.Unlock()
			there, _ := ch.reported()
			if c.name != "signal dropped" {
				require.NotEmpty(t, hints)
				assert.Equal(t, there, hints[0])
			}
			switch {
			case c.atOnce:
				probes, lost, reached, ahead := app.afterHint(truth)
				assert.Zero(t, lost)
				if ahead {
					t.Log("the search was there before the hint")
				} else if assert.True(t, reached) {
					assert.Equal(t, []int{truth}, probes, "one confirming probe")
				}
				assert.Equal(t, truth, app.mtu(), "exactly")
			case c.name == "signal dropped":
				assert.Empty(t, hints)
				app.until("suspension", func() bool {
					pc.mu.Lock()
					defer pc.mu.Unlock()
					return pc.host.Flow(pc.key(to)).Suspended(time.Now())
				})
				asked := app.requests()
				for range 5 {
					app.send(appHeader)
				}
				assert.Equal(t, asked, app.requests(), "the option is left out")
			}
			for _, e := range app.trace() {
				assert.False(t, e.Kind == plpmtud.SizeChange && e.New+48 > truth, "never more than the path carries: %+v", e)
			}
			t.Log(summary(app))
		})
	}
}

// summary says what it took.
func summary(a *appClient) string {
	sent, lost := 0, 0
	for _, e := range a.trace() {
		switch e.Kind {
		case plpmtud.ProbeSent:
			sent++
		case plpmtud.ProbeLost:
			lost++
		}
	}
	return fmt.Sprintf("MTU %d, %d probes, %d lost", a.mtu(), sent, lost)
}
