package datapath

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/labtest"
)

// capture records the IPv6 frames that an interface receives.
type capture struct {
	fd   int
	mu   sync.Mutex
	pkts [][]byte
	done chan struct{}
	quit chan struct{}
}

func startCapture(t *testing.T, ns *netlab.Namespace, ifname string) *capture {
	t.Helper()
	c := &capture{done: make(chan struct{}), quit: make(chan struct{})}
	require.NoError(t, ns.Do(func() (err error) {
		l, err := netlink.LinkByName(ifname)
		if err != nil {
			return err
		}
		c.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return err
		}
		return bindPacket(c.fd, l.Attrs().Index, etherIPv6)
	}))
	go func() {
		defer close(c.done)
		buf := make([]byte, 65536)
		for {
			select {
			case <-c.quit:
				return
			default:
			}
			fds := []unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLIN}}
			_, _ = unix.Poll(fds, 50)
			for {
				n, _, err := unix.Recvfrom(c.fd, buf, unix.MSG_DONTWAIT)
				if err != nil {
					break
				}
				c.mu.Lock()
				c.pkts = append(c.pkts, bytes.Clone(buf[:n]))
				c.mu.Unlock()
			}
		}
	}()
	t.Cleanup(func() { close(c.quit); <-c.done; _ = unix.Close(c.fd) })
	return c
}

// wait waits for n packets that match.
func (c *capture) wait(t *testing.T, n int, match func([]byte) bool) (got [][]byte) {
	t.Helper()
	eventually(t, "captured packets", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		got = nil
		for _, p := range c.pkts {
			if match(p) {
				got = append(got, p)
			}
		}
		return len(got) >= n
	})
	return got
}

// pcap writes packets to a file.
func pcap(t *testing.T, pkts [][]byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "c.pcap")
	f, err := os.Create(name)
	require.NoError(t, err)
	defer f.Close()
	w := pcapgo.NewWriter(f)
	require.NoError(t, w.WriteFileHeader(65536, layers.LinkTypeEthernet))
	for _, p := range pkts {
		require.NoError(t, w.WritePacket(gopacket.CaptureInfo{Timestamp: time.Unix(0, 0), CaptureLength: len(p), Length: len(p)}, p))
	}
	return name
}

func tshark(t *testing.T, file string, fields ...string) []string {
	t.Helper()
	bin, err := exec.LookPath("tshark")
	labtest.Need(t, err == nil, "tshark")
	args := []string{"-r", file, "-o", "udp.check_checksum:TRUE", "-T", "fields", "-E", "separator=|"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	cmd := exec.CommandContext(t.Context(), bin, args...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	out, err := cmd.Output()
	require.NoError(t, err)
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// tshark reads what we put on the wire as it was meant. It takes seconds to
// start, so that it runs once for all modes.
func TestSecondOpinionOnTheWire(t *testing.T) {
	var all [][]byte
	var want []string
	for _, m := range modes {
		require.True(t, t.Run(m.name, func(t *testing.T) {
			all = append(all, wirePackets(t, m)...)
			want = append(want,
				"63|1400|0|1|1|||||",
				"63|1280|4660|1|1|||||",
				"64,64||||2|2|1400|1|1294|")
		}))
	}
	got := tshark(t, pcap(t, all), "ipv6.hlim", "ipv6.opt.pmtu.min", "ipv6.opt.pmtu.rtn", "ipv6.opt.pmtu.r_flag", "udp.checksum.status",
		"icmpv6.type", "icmpv6.mtu", "icmpv6.checksum.status", "frame.len", "_ws.expert.message")
	for i := range got {
		// The length matters for the Packet Too Big only.
		if f := strings.Split(got[i], "|"); len(f) == 10 && f[5] == "" {
			f[8] = ""
			got[i] = strings.Join(f, "|")
		}
	}
	assert.Equal(t, want, got)
}

// wirePackets returns two packets that carry the option, and a Packet Too Big.
func wirePackets(t *testing.T, m mode) [][]byte {
	lab := buildLab(t, 1500, 1400)
	if m.fast {
		xdpReceiver(t, lab.Node("srv").Namespace, "to-r1")
	}
	u := runRouter(t, lab.Node("r1"), UserRouterConfig{Ports: portSpecs(m.kind), KernelRoutes: true, FastPath: m.fast})
	pair := newUDPPair(t, lab, "cli", "srv")
	require.NoError(t, pair.send(100, nil))
	_, ok := pair.receive(soon) // the neighbour is resolved now
	require.True(t, ok)
	eventually(t, "the neighbour is known", func() bool { return len(u.k.neighbours()) > 0 })
	c := startCapture(t, lab.Node("srv").Namespace, "to-r1")
	back := startCapture(t, lab.Node("cli").Namespace, "to-r1")
	require.NoError(t, pair.send(100, minPMTU9000))
	require.NoError(t, pair.send(0, []byte{0, 0, 0x30, 4, 0x05, 0x00, 0x12, 0x35}))
	require.NoError(t, pair.send(1401-48, nil))
	got := c.wait(t, 2, func(f []byte) bool { return (f[20] == 0 || f[20] == unix.IPPROTO_UDP) && f[38] != 0xff })
	return append(got, back.wait(t, 1, func(f []byte) bool { return f[20] == unix.IPPROTO_ICMPV6 && f[54] == 2 })...)
}
