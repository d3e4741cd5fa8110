package udpoptsock_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab"
	"pathmtu/internal/netlab/labtest"
	"pathmtu/plpmtud/udpopt"
	"pathmtu/plpmtud/udpopt/udpoptsock"
)

// record captures what passes an interface of a node. stop waits until a text
// has passed n times, and returns the capture file's content.
func record(t *testing.T, lab *netlab.Lab, node, link string) (stop func(text string, n int) []byte) {
	t.Helper()
	tcpdump, err := exec.LookPath("tcpdump")
	labtest.Need(t, err == nil, "tcpdump")
	cmd := exec.Command(tcpdump, "-i", link, "-U", "-w", "-", "--immediate-mode", "-Z", "root", "udp or icmp or icmp6")
	var out labtest.Output
	cmd.Stdout = &out
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, lab.Node(node).Start(cmd))
	// It captures once it says so.
	said := make([]byte, 0, 1000)
	for !bytes.Contains(said, []byte("listening on")) {
		b := make([]byte, 200)
		n, err := stderr.Read(b)
		said = append(said, b[:n]...)
		require.NoError(t, err, "tcpdump: %s", said)
	}
	go io.Copy(io.Discard, stderr)
	return func(text string, n int) []byte {
		eventually(t, "the capture is complete", func() bool { return bytes.Count(out.Bytes(), []byte(text)) >= n })
		require.NoError(t, cmd.Process.Signal(os.Interrupt))
		require.NoError(t, cmd.Wait())
		return out.Bytes()
	}
}

// U3.2-1, U3.2-2, D3-2b, U4.1-1, U4.2-2, and RFC 9868 sections 7 to 9, as
// decoders see it that know nothing of this project: UDP Length covers the data
// only, the IP packet has the size of the probe, Don't Fragment is set, nothing
// is fragmented, checksums hold, and no port unreachable is ever sent.
func TestOnTheWire(t *testing.T) {
	for _, family := range families {
		t.Run(fmt.Sprintf("IPv%d", family), func(t *testing.T) {
			t.Parallel()
			lab := build(t, netlab.Path(1500, 1420, netlab.PTB{}))
			a, b := at(t, lab, "cli", family, 5001), at(t, lab, "srv", family, 5002)
			stop := record(t, lab, "cli", "to-r1")
			srv := dial(t, lab, "srv", quick(b, a))
			cli := dial(t, lab, "cli", quick(a, b))
			for _, c := range []*udpoptsock.Conn{cli, srv} {
				discovered(t, c, 1420, true)
			}
			exchange(t, cli, srv)
			sent := cli.Status()
			pcap := stop("message 19", 2)
			gopacketSees(t, pcap, a, b, sent.Probes)
			tsharkSees(t, pcap, family)
		})
	}
}

func gopacketSees(t *testing.T, pcap []byte, a, b netip.AddrPort, probes uint64) {
	t.Helper()
	r, err := pcapgo.NewReader(bytes.NewReader(pcap))
	require.NoError(t, err)
	var seen, responses, plain, tooBig uint64
	var largest int
	open := false // the first probe has left
	for {
		frame, _, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
		if icmp, ok := p.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4); ok {
			require.True(t, !open || icmp.TypeCode == layers.CreateICMPv4TypeCode(3, 4), "%v", icmp.TypeCode)
			tooBig++
			continue
		}
		if icmp, ok := p.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6); ok {
			require.False(t, open && icmp.TypeCode.Type() == layers.ICMPv6TypeDestinationUnreachable, "%v", icmp.TypeCode)
			if icmp.TypeCode.Type() == layers.ICMPv6TypePacketTooBig {
				tooBig++
			}
			continue
		}
		udp, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP)
		if !ok || uint16(udp.SrcPort) != a.Port() {
			continue
		}
		open = true
		var payload []byte
		switch ip := p.NetworkLayer().(type) {
		case *layers.IPv4:
			require.Equal(t, layers.IPv4DontFragment, ip.Flags)
			require.Zero(t, ip.FragOffset)
			payload = ip.Payload
		case *layers.IPv6:
			require.Equal(t, layers.IPProtocolUDP, ip.NextHeader)
			payload = ip.Payload
		}
		got := udpopt.Receive(a.Addr(), b.Addr(), payload)
		if len(got.Surplus) == 0 {
			plain++
			continue
		}
		require.NoError(t, got.Err)
		require.Equal(t, udpopt.Deliver, got.Do)
		if got.Options.Has(udpopt.REQ) {
			seen++
			require.Empty(t, got.UserData)
			require.EqualValues(t, 8, udp.Length)
			largest = max(largest, len(payload))
		} else {
			responses++
			require.True(t, got.Options.Has(udpopt.RES))
		}
	}
	assert.Equal(t, probes, seen)
	assert.NotZero(t, responses)
	assert.NotZero(t, plain)
	assert.NotZero(t, tooBig)
	header := map[bool]int{true: 20, false: 40}[a.Addr().Is4()]
	assert.Greater(t, header+largest, 1420, "a probe beyond the bottleneck left whole")
}

func tsharkSees(t *testing.T, pcap []byte, family int) {
	t.Helper()
	tshark, err := exec.LookPath("tshark")
	labtest.Need(t, err == nil, "tshark")
	file := filepath.Join(t.TempDir(), "wire.pcap")
	require.NoError(t, os.WriteFile(file, pcap, 0o644))
	length := map[int]string{4: "ip.len", 6: "ipv6.plen"}[family]
	out, err := exec.Command(tshark, "-n", "-r", file, "-o", "udp.check_checksum:TRUE", "-o", "udp.ignore_ipv6_zero_checksum:FALSE",
		"-Y", "udp.srcport==5001 && !icmp && !icmpv6", "-T", "fields", "-e", length, "-e", "udp.length", "-e", "udp.checksum.status").Output()
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	surplus := 0
	for _, line := range lines {
		var ip, udp, status int
		_, err := fmt.Sscan(line, &ip, &udp, &status)
		require.NoError(t, err, line)
		if family == 4 {
			ip -= 20
		}
		if udp < ip {
			surplus++
			assert.Equal(t, 1, status, "checksum status of %q, want 1 (good)", line)
		}
	}
	assert.NotZero(t, surplus)
}
