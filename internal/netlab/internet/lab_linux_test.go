package internet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/labtest"
)

func build(t testing.TB, c Config) (*World, *Lab) {
	labtest.Need(t, netlab.Capable(), "CAP_NET_ADMIN and CAP_SYS_ADMIN")
	w := world(t, c)
	l, err := Build(t.Context(), w)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return w, l
}

// TestKernelAgrees: the kernel's UDP sockets get from the simulation what they
// get from a real path: answers up to the path MTU, EMSGSIZE with the right MTU
// above it.
func TestKernelAgrees(t *testing.T) {
	w, l := build(t, calm())
	for _, a := range append(sample(t, 4, 20), sample(t, 6, 20)...) {
		h := w.Host(a)
		header := 28
		if a.Is6() {
			header = 48
		}
		var c *net.UDPConn
		require.NoError(t, l.Do(func() (err error) {
			c, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 443)))
			return err
		}))
		raw, err := c.SyscallConn()
		require.NoError(t, err)
		require.NoError(t, raw.Control(func(fd uintptr) {
			if a.Is6() {
				_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_DO)
			} else {
				_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO)
			}
		}))
		quic := make([]byte, 1500-header)
		copy(quic, []byte{0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 3, 1, 2, 3, 2, 8, 9})
		if h.MTU < 1500 {
			_, err = c.Write(quic)
			require.NoError(t, err)
			require.EventuallyWithT(t, func(t *assert.CollectT) {
				_, err := c.Write(quic)
				require.ErrorIs(t, err, unix.EMSGSIZE)
			}, 5*time.Second, 20*time.Millisecond)
			var mtu int
			require.NoError(t, raw.Control(func(fd uintptr) {
				if a.Is6() {
					mtu, _ = unix.GetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MTU)
				} else {
					mtu, _ = unix.GetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU)
				}
			}))
			require.Equal(t, h.MTU, mtu, "%v", a)
		}
		if h.MTU-header >= 1200 {
			_, err = c.Write(quic[:h.MTU-header])
			require.NoError(t, c.SetReadDeadline(time.Now().Add(5*time.Second)))
			buf := make([]byte, 100)
			n := 0
			for { // messages of before may still be pending
				if err == nil {
					n, err = c.Read(buf)
				}
				if !errors.Is(err, unix.EMSGSIZE) {
					break
				}
				_, err = c.Write(quic[:h.MTU-header])
			}
			require.NoError(t, err)
			require.Equal(t, 20, n)
		}
		require.NoError(t, c.Close())
	}
}

// TestScamperAgrees: an independent tool finds the path MTU that the truth says.
func TestScamperAgrees(t *testing.T) {
	c := calm()
	c.DelayMost = 20 * time.Millisecond
	c.Filtered = 0.2
	w, l := build(t, c)
	_, err := exec.LookPath("scamper")
	labtest.Need(t, err == nil, "scamper")
	var addrs []string
	for _, a := range append(sample(t, 4, 6), sample(t, 6, 6)...) {
		addrs = append(addrs, a.String())
	}
	args := append([]string{"-p", "1000", "-c", "trace -M -P udp-paris -w 1 -q 2", "-i"}, addrs...)
	out, errOut, err := l.Run(t.Context(), "scamper", args...)
	require.NoError(t, err, "%s", errOut)
	found := 0
	for _, trace := range strings.Split(string(out), "traceroute from ")[1:] {
		lines := strings.Split(strings.TrimSpace(trace), "\n")
		_, dst, _ := strings.Cut(lines[0], " to ")
		h := w.Host(netip.MustParseAddr(dst))
		last := lines[len(lines)-1]
		assert.Contains(t, last, dst, trace)
		assert.Contains(t, last, fmt.Sprintf("mtu: %d]", h.MTU), "%+v: %s", h, trace)
		found++
	}
	assert.Equal(t, len(addrs), found)
}

// BenchmarkLoop measures packets a second through the TAP device, with the
// sender and the kernel beside it.
func BenchmarkLoop(b *testing.B) {
	c := calm()
	c.DelayMost = c.DelayLeast
	_, l := build(b, c)
	for _, size := range []int{100, 1400} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			before := l.Usage()
			fd := -1
			require.NoError(b, l.Do(func() (err error) {
				fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
				return err
			}))
			defer unix.Close(fd)
			p := make([]byte, size-28)
			to := &unix.SockaddrInet4{Port: 9, Addr: [4]byte{10, 1, 2, 3}}
			for range b.N {
				_ = unix.Sendto(fd, p, 0, to)
			}
			b.StopTimer()
			require.Eventually(b, func() bool { return l.Usage().In > before.In }, 5*time.Second, 50*time.Millisecond)
			time.Sleep(100 * time.Millisecond) // what is queued still counts
			after := l.Usage()
			packets := float64(after.In + after.Out - before.In - before.Out)
			b.ReportMetric(packets/(after.CPU-before.CPU).Seconds(), "packets/cpu-s")
		})
	}
}
