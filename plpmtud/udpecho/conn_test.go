package udpecho

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/plpmtud"
)

// recorder keeps the changes that it is told.
type recorder struct {
	mu  sync.Mutex
	all []Change
}

func (r *recorder) note(c Change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, c)
}

func (r *recorder) last() Change {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.all) == 0 {
		return Change{}
	}
	return r.all[len(r.all)-1]
}

// drain reads for the application, into buffers of a size, and keeps what
// arrives.
func drain(c net.PacketConn, size int) func() [][]byte {
	var mu sync.Mutex
	var got [][]byte
	go func() {
		b := make([]byte, size)
		for {
			n, _, err := c.ReadFrom(b)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			mu.Lock()
			if err == nil {
				got = append(got, bytes.Clone(b[:n]))
			}
			mu.Unlock()
		}
	}()
	return func() [][]byte {
		mu.Lock()
		defer mu.Unlock()
		return got
	}
}

// chat sends a small datagram a second, for a time.
func chat(c net.PacketConn, to net.Addr, d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Second) {
		c.WriteTo([]byte("hello"), to)
	}
}

// The whole life of a connection, in virtual time: the bubble ends only when
// every goroutine has.
func TestConn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, ea, eb := newWire(1420)
		var changes recorder
		a, err := Wrap(ea, Config{Unfragmented: true, OnChange: changes.note})
		require.NoError(t, err)
		b, err := Wrap(eb, Config{Unfragmented: true})
		require.NoError(t, err)
		gotA, gotB := drain(a, 2000), drain(b, 2000)
		to := eb.local.AddrPort()

		require.Equal(t, Status{MaxPayload: 1232}, a.Status(to))
		chat(a, eb.local, 5*time.Minute)
		assert.InDelta(t, 1420-48, a.MaxPayload(to), 3)
		s := a.Status(to)
		assert.Equal(t, plpmtud.SearchComplete, s.State)
		assert.True(t, s.Answers)
		assert.Equal(t, a.MaxPayload(to), changes.last().New)
		assert.Equal(t, to, changes.last().Peer)

		// The application sees its own datagrams, all of them, unchanged.
		require.Len(t, gotB(), 300)
		for _, d := range gotB() {
			assert.Equal(t, "hello", string(d))
		}
		assert.Empty(t, gotA())
		assert.EqualValues(t, a.Stats().Acked, b.Stats().Answered)

		// The path shrinks and nobody says so; then it grows (D4.3-1, D6.1.5).
		w.setMTU(1280)
		chat(a, eb.local, 8*time.Minute)
		assert.Equal(t, 1232, a.MaxPayload(to))
		w.setMTU(1500)
		chat(a, eb.local, 15*time.Minute)
		assert.Equal(t, 1452, a.MaxPayload(to))
		assert.Equal(t, 1452, changes.last().New)

		// Datagrams of that size get through.
		n := len(gotB())
		big := bytes.Repeat([]byte{7}, 1452)
		_, err = a.WriteTo(big, eb.local)
		require.NoError(t, err)
		time.Sleep(time.Second)
		require.Len(t, gotB(), n+1)
		assert.Equal(t, big, gotB()[n])

		require.NoError(t, a.Close())
		require.NoError(t, a.Close(), "again")
		require.NoError(t, b.Close())
		_, _, err = a.ReadFrom(make([]byte, 10))
		assert.ErrorIs(t, err, net.ErrClosed)
	})
}

// U3.3: a peer without this layer sees three datagrams of 28 bytes, and its
// traffic is unharmed.
func TestConnWithAPlainPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, ea, eb := newWire(1500)
		a, err := Wrap(ea, Config{Unfragmented: true})
		require.NoError(t, err)
		defer a.Close()
		got, gotA := drain(eb, 2000), drain(a, 2000)
		defer eb.Close()
		chat(a, eb.local, time.Minute)
		greetings := 0
		for _, d := range got() {
			if string(d) != "hello" {
				assert.Len(t, d, headerLen)
				greetings++
			}
		}
		assert.Equal(t, 3, greetings)
		assert.Len(t, got(), 63)
		assert.Equal(t, Status{MaxPayload: 1232, Silent: true}, a.Status(eb.local.AddrPort()))
		_, err = eb.WriteTo([]byte("back"), ea.local)
		require.NoError(t, err)
		time.Sleep(time.Second)
		assert.Equal(t, [][]byte{[]byte("back")}, gotA())
	})
}

// A peer that returns every datagram is not one that has this layer.
func TestConnWithAnEchoService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, ea, eb := newWire(1500)
		a, err := Wrap(ea, Config{Unfragmented: true})
		require.NoError(t, err)
		defer a.Close()
		go func() {
			b := make([]byte, 2000)
			for {
				n, from, err := eb.ReadFrom(b)
				if err != nil {
					return
				}
				eb.WriteTo(b[:n], from)
			}
		}()
		defer eb.Close()
		got := drain(a, 2000)
		chat(a, eb.local, time.Minute)
		assert.Len(t, got(), 60)
		assert.EqualValues(t, 3, a.Stats().Reflected)
		assert.True(t, a.Status(eb.local.AddrPort()).Silent)
	})
}

// Different keys, or no layer: the other's probes are just datagrams.
func TestConnWithAnotherKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, ea, eb := newWire(1500)
		a, err := Wrap(ea, Config{Unfragmented: true, Key: bytes.Repeat([]byte{1}, 16)})
		require.NoError(t, err)
		defer a.Close()
		b, err := Wrap(eb, Config{Unfragmented: true, Key: bytes.Repeat([]byte{2}, 16)})
		require.NoError(t, err)
		defer b.Close()
		got := drain(b, 2000)
		chat(a, eb.local, time.Minute)
		assert.Len(t, got(), 63, "60 and three greetings")
		assert.False(t, a.Status(eb.local.AddrPort()).Answers)
	})
}

// An application with a small buffer, or a tiny one, gets its datagrams as ever,
// and the peer learns what it can read.
func TestConnWithSmallBuffers(t *testing.T) {
	for _, size := range []int{10, 1300} {
		synctest.Test(t, func(t *testing.T) {
			_, ea, eb := newWire(1500)
			a, err := Wrap(ea, Config{Unfragmented: true})
			require.NoError(t, err)
			defer a.Close()
			b, err := Wrap(eb, Config{Unfragmented: true})
			require.NoError(t, err)
			defer b.Close()
			drain(a, 2000)
			got := drain(b, size)
			chat(a, eb.local, 5*time.Minute)
			require.Len(t, got(), 300)
			if size == 1300 {
				assert.Equal(t, 1300, a.MaxPayload(eb.local.AddrPort()))
			}
			_, err = a.WriteTo(bytes.Repeat([]byte{5}, 40), eb.local)
			require.NoError(t, err)
			time.Sleep(time.Second)
			assert.Equal(t, bytes.Repeat([]byte{5}, min(40, size)), got()[300])
		})
	}
}

func TestConnAppAcks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, ea, eb := newWire(1420)
		a, err := Wrap(ea, Config{Unfragmented: true, AppAcks: true, ProbeTimeout: time.Second, RaiseInterval: time.Hour})
		require.NoError(t, err)
		defer a.Close()
		b, err := Wrap(eb, Config{Unfragmented: true})
		require.NoError(t, err)
		defer b.Close()
		drain(a, 2000)
		drain(b, 2000)
		to := eb.local.AddrPort()
		chat(a, eb.local, time.Minute)
		require.InDelta(t, 1420-48, a.MaxPayload(to), 3)
		size := a.MaxPayload(to)
		w.setMTU(1300)
		began := time.Now()
		for a.MaxPayload(to) == size {
			sent := time.Now()
			a.WriteTo(make([]byte, size), eb.local)
			a.WriteTo(make([]byte, 100), eb.local)
			time.Sleep(40 * time.Millisecond)
			a.Undelivered(to, size, sent)
			a.Delivered(to, 100, sent)
			require.Less(t, time.Since(began), time.Minute)
		}
		chat(a, eb.local, time.Minute)
		assert.InDelta(t, 1300-48, a.MaxPayload(to), 3)
	})
}

func TestConnDeadlinesAreTheApplications(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, ea, eb := newWire(1500)
		a, err := Wrap(ea, Config{Unfragmented: true})
		require.NoError(t, err)
		defer a.Close()
		b, err := Wrap(eb, Config{Unfragmented: true})
		require.NoError(t, err)
		defer b.Close()
		drain(b, 2000)
		a.WriteTo([]byte("x"), eb.local)
		require.NoError(t, a.SetReadDeadline(time.Now().Add(time.Minute)))
		began := time.Now()
		_, _, err = a.ReadFrom(make([]byte, 2000))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded, "although answers arrived")
		assert.Equal(t, time.Minute, time.Since(began))
		assert.NotZero(t, a.Stats().Acked)
	})
}

func TestWrapErrors(t *testing.T) {
	_, ea, _ := newWire(1500)
	_, err := Wrap(ea, Config{})
	assert.ErrorContains(t, err, "set Config.Unfragmented")
	_, err = Wrap(ea, Config{Unfragmented: true, MaxPeers: -3})
	assert.ErrorContains(t, err, "MaxPeers is -3")
	u, err := net.ListenUDP("udp", nil)
	require.NoError(t, err)
	u.Close()
	_, err = Wrap(u, Config{})
	assert.ErrorContains(t, err, "no access to the socket")
}

// Real sockets on the loopback, connected and not, both families, with traffic
// both ways at once: what arrives is what was sent.
func TestConnOverSockets(t *testing.T) {
	for _, network := range []string{"udp4", "udp6"} {
		for _, connected := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/connected=%v", network, connected), func(t *testing.T) {
				t.Parallel()
				ip := map[string]string{"udp4": "127.0.0.1", "udp6": "::1"}[network]
				srv, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(ip), 0)))
				require.NoError(t, err)
				b, err := Wrap(srv, Config{})
				require.NoError(t, err)
				defer b.Close()
				to := srv.LocalAddr().(*net.UDPAddr)
				var cli *net.UDPConn
				if connected {
					cli, err = net.DialUDP(network, nil, to)
				} else {
					cli, err = net.ListenUDP(network, nil)
				}
				require.NoError(t, err)
				a, err := Wrap(cli, Config{ProbeTimeout: time.Second, Max: 9000})
				require.NoError(t, err)
				defer a.Close()
				go func() { // the server returns whatever it gets
					buf := make([]byte, 65535)
					for {
						n, from, err := b.ReadFromUDPAddrPort(buf)
						if err != nil {
							return
						}
						b.WriteToUDPAddrPort(buf[:n], from)
					}
				}()
				buf := make([]byte, 65535)
				for i := 0; ; i++ {
					require.Less(t, i, 5000, "status %+v, stats %+v", a.Status(to.AddrPort()), a.Stats())
					want := fmt.Appendf(nil, "datagram %d", i)
					if connected {
						_, err = a.Write(want)
					} else {
						_, err = a.WriteTo(want, to)
					}
					require.NoError(t, err)
					require.NoError(t, a.SetReadDeadline(time.Now().Add(5*time.Second)))
					n, err := a.Read(buf)
					require.NoError(t, err)
					require.Equal(t, string(want), string(buf[:n]))
					if a.MaxPayload(to.AddrPort()) >= 9000-48 {
						break
					}
					time.Sleep(time.Millisecond)
				}
				if !connected {
					_, err := a.Write([]byte("x"))
					assert.ErrorContains(t, err, "not connected")
					assert.Nil(t, a.RemoteAddr())
				}
			})
		}
	}
}

// While somebody floods the socket with ICMP messages, a send may fail for a
// datagram that does fit. That says nothing of the interface.
func TestRefusalOfADatagramThatFits(t *testing.T) {
	u, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	c, err := Wrap(u, Config{})
	require.NoError(t, err)
	defer c.Close()
	to := u.LocalAddr().(*net.UDPAddr).AddrPort()
	_, err = c.WriteToUDPAddrPort([]byte("x"), to)
	require.NoError(t, err)
	assert.False(t, c.refused(to, 1000))
	assert.Equal(t, 1200, c.MaxPayload(to))
	assert.True(t, c.refused(to, 65509), "one byte more than the loopback takes")
}

func TestSendingCostsNoAllocation(t *testing.T) {
	_, ea, _ := newWire(1500)
	c, err := Wrap(ea, Config{Unfragmented: true})
	require.NoError(t, err)
	defer c.Close()
	to := netip.MustParseAddrPort("[2001:db8::b]:2")
	b := make([]byte, 1400)
	c.note(b, to)
	assert.Zero(t, testing.AllocsPerRun(1000, func() { c.note(b, to) }))
}
