package udpsock_test

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"pathmtu/internal/netlab"
	"pathmtu/plpmtud/udpsock"
)

func unmapped(s string) netip.Addr { return netip.MustParseAddr(s) }

func netipPort(a netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a, port) }

// D3-6b, D4.6.1-2, D4.6.1-3, D4.6.1-4, D8-2, D6.1.6-1: a real PTB becomes a
// notice about the datagram that caused it.
func TestPacketTooBig(t *testing.T) {
	for _, k := range socketKinds {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			lab := build(t, netlab.Path(9000, 1420, netlab.PTB{}))
			c := newClient(t, lab, k, 7, udpsock.QueueConfig{})
			id, err := c.send(1421)
			require.NoError(t, err)
			n := c.notice()
			assert.Equal(t, udpsock.TooBig, n.Kind)
			assert.Equal(t, 1420, n.MTU)
			assert.Equal(t, k.family, n.Family)
			assert.Equal(t, udpsock.Sent{ID: id, Dst: c.dst, Size: 1421}, n.Sent)
			hop, _ := lab.Addr("r1", int(k.family))
			assert.Equal(t, hop, n.Offender)
			assert.Equal(t, udpsock.QueueStats{Accepted: 1}, c.queue.Stats())
		})
	}
}

// An oversize datagram for the own interface is refused at once, and that is
// not mistaken for what a router says.
func TestLocalRefusalIsNoICMP(t *testing.T) {
	for _, k := range socketKinds {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			lab := build(t, netlab.Chain("short", netlab.PTB{}, 1400))
			c := newClient(t, lab, k, 7, udpsock.QueueConfig{})
			_, err := c.send(1401)
			require.Error(t, err)
			assert.True(t, udpsock.IsMessageTooLong(err), "%v", err)
			var got []udpsock.Notice
			require.NoError(t, c.queue.Read(time.Now(), func(n udpsock.Notice) { got = append(got, n) }))
			require.NotEmpty(t, got)
			for _, n := range got {
				assert.Equal(t, udpsock.LocalTooBig, n.Kind)
				assert.Equal(t, 1400, n.MTU)
				assert.Equal(t, c.dst.Addr(), n.Sent.Dst.Addr())
				assert.False(t, n.Offender.IsValid())
			}
			_, err = c.send(1400)
			assert.NoError(t, err)
		})
	}
}

func TestUnreachable(t *testing.T) {
	for _, k := range socketKinds {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			lab := build(t, netlab.Chain("closed", netlab.PTB{}, 1500))
			c := newClient(t, lab, k, 9, udpsock.QueueConfig{})
			id, err := c.send(100)
			require.NoError(t, err)
			n := c.notice()
			assert.Equal(t, udpsock.Unreachable, n.Kind)
			assert.Equal(t, id, n.Sent.ID)
			assert.Zero(t, n.MTU)
			want := [2]uint8{3, 3}
			if k.family == udpsock.IPv6 {
				want = [2]uint8{1, 4}
			}
			assert.Equal(t, want, [2]uint8{n.Type, n.Code})
		})
	}
}

// An ICMP message makes the next call on the socket fail. That call is not
// about size, and the socket lives.
func TestPendingErrorDoesNotKillTheCaller(t *testing.T) {
	for _, k := range socketKinds {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			lab := build(t, netlab.Path(9000, 1420, netlab.PTB{}))
			srv := listen(t, lab, "srv", "udp", 7)
			c := newClient(t, lab, k, 7, udpsock.QueueConfig{})

			_, err := c.send(1421)
			require.NoError(t, err)
			require.NoError(t, c.conn.SetReadDeadline(time.Now().Add(soon)))
			_, _, err = c.conn.ReadFromUDPAddrPort(make([]byte, 100))
			require.Error(t, err)
			assert.True(t, udpsock.IsPending(err), "%v", err)
			assert.True(t, udpsock.IsMessageTooLong(err), "%v", err)

			// Reading the queue leaves nothing pending.
			c.notice()
			_, err = c.send(200)
			require.NoError(t, err)
			assert.Equal(t, 200, received(t, srv, k.family, soon))

			// Let an error be pending without reading it: a plain send reports
			// it and sends nothing, SendAlone sends.
			_, err = c.send(1421)
			require.NoError(t, err)
			waitPending(t, c.conn)
			_, _, err = c.conn.WriteMsgUDPAddrPort(make([]byte, 50), nil, c.sendTo)
			assert.True(t, udpsock.IsMessageTooLong(err), "50 bytes are not too long: the error was pending")
			c.notice()
			_, err = c.send(1421)
			require.NoError(t, err)
			waitPending(t, c.conn)
			_, err = c.send(300)
			require.NoError(t, err)
			require.Eventually(t, func() bool { return received(t, srv, k.family, soon) == 300 }, soon, time.Millisecond)
		})
	}
}

// waitPending waits until an ICMP error is pending on a socket, without taking it.
func waitPending(t *testing.T, c *net.UDPConn) {
	t.Helper()
	rc, err := c.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, rc.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd)}}
		require.Eventually(t, func() bool {
			_, err := unix.Poll(fds, 0)
			return err == nil && fds[0].Revents&unix.POLLERR != 0
		}, soon, time.Millisecond)
	}))
	time.Sleep(time.Millisecond) // the kernel queues the message before it sets the error
}

// D4.6.1-5, D3-6d, D4.6.2-2: messages that do not hold good are counted and
// dropped.
func TestMessagesThatDoNotHoldGood(t *testing.T) {
	nothingSent := func(time.Time, udpsock.Quote) (udpsock.Sent, bool) { return udpsock.Sent{}, false }
	for _, f := range []udpsock.Family{udpsock.IPv4, udpsock.IPv6} {
		for _, tt := range []struct {
			name string
			ptb  netlab.PTB
			cfg  udpsock.QueueConfig
			want udpsock.QueueStats
		}{
			{"quotes nothing that was sent", netlab.PTB{}, udpsock.QueueConfig{Match: nothingSent}, udpsock.QueueStats{Unmatched: 1}},
			{"MTU 0", netlab.PTB{Mode: netlab.PTBLying}, udpsock.QueueConfig{}, udpsock.QueueStats{TooSmall: 1}},
			{"below the least", netlab.PTB{Mode: netlab.PTBLying, MTU: 67}, udpsock.QueueConfig{}, udpsock.QueueStats{TooSmall: 1}},
			{"size sent", netlab.PTB{Mode: netlab.PTBLying, MTU: 1421}, udpsock.QueueConfig{}, udpsock.QueueStats{NotSmaller: 1}},
			{"larger than sent", netlab.PTB{Mode: netlab.PTBLying, MTU: 9000}, udpsock.QueueConfig{}, udpsock.QueueStats{NotSmaller: 1}},
		} {
			t.Run(f.String()+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				lab := build(t, netlab.Path(9000, 1420, tt.ptb))
				c := newClient(t, lab, socketKind{network: "udp", family: f}, 7, tt.cfg)
				_, err := c.send(1421)
				require.NoError(t, err)
				require.Eventually(t, func() bool {
					require.NoError(t, c.queue.Read(time.Now(), func(n udpsock.Notice) { t.Errorf("accepted: %+v", n) }))
					return c.queue.Stats() != udpsock.QueueStats{}
				}, soon, time.Millisecond)
				assert.Equal(t, tt.want, c.queue.Stats())
			})
		}
	}
}

func TestQueueConfigErrorsNameTheField(t *testing.T) {
	lab := build(t, netlab.Chain("cfg", netlab.PTB{}, 1500))
	c := listen(t, lab, "cli", "udp", 0)
	match := udpsock.NewRing(1).Match
	for want, cfg := range map[string]udpsock.QueueConfig{
		"QueueConfig.Match is nil":     {},
		"QueueConfig.PerSecond is -1,": {Match: match, PerSecond: -1},
		"QueueConfig.Burst is -2,":     {Match: match, Burst: -2},
	} {
		_, err := udpsock.NewErrorQueue(c, cfg)
		assert.ErrorContains(t, err, want)
	}
}
