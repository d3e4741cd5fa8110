//go:build linux

package netnstests

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/netlab"
	"pathmtu/results"
)

// traced is a record with what a trace adds.
type traced struct {
	results.Record
	Trace struct {
		Hops []struct {
			Hop           int
			Addr          string
			Target        bool
			Passes, Fails int
			MinPMTU       int `json:"min_pmtu"`
			MSS           int
		}
		Options []struct {
			Option, Fate string
			Hop          int `json:"last_hop"`
			Next         int `json:"next_hop"`
			By           string
		}
	}
}

func (r traced) fate(option string) string {
	for _, o := range r.Trace.Options {
		if o.Option == option {
			return o.Fate
		}
	}
	return ""
}

// runTrace runs "pmtu trace --json" on cli towards srv.
func runTrace(t *testing.T, lab *netlab.Lab, family int, as *syscall.Credential, args ...string) (traced, outcome) {
	t.Helper()
	srv, ok := lab.Addr("srv", family)
	require.True(t, ok)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := netlab.Command(ctx, program, append([]string{"trace", "--json", srv.String()}, args...)...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr, cmd.Dir = &stdout, &stderr, "/"
	if as != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	}
	require.NoError(t, lab.Node("cli").Start(cmd))
	o := finish(t, nil, nil, cmd.Wait())
	o.stdout, o.stderr = stdout.String(), stderr.String()
	var r traced
	if o.stdout != "" {
		require.NoError(t, json.Unmarshal([]byte(o.stdout), &r), o.stdout)
		require.NoError(t, r.Validate())
	}
	return r, o
}

// chainOf is a chain of four routers with one narrow link behind router at.
func chainOf(at int, ptb netlab.PTB) netlab.Topology {
	mtus := []int{1500, 1500, 1500, 1500, 1500}
	mtus[at] = 1413
	return netlab.Chain("trace", ptb, mtus...)
}

// The bottleneck is found behind every router, whatever becomes of its
// packet-too-big messages, with privileges and without.
func TestTraceBottleneck(t *testing.T) {
	for at := 1; at <= 4; at++ {
		for _, c := range []struct {
			ptb   netlab.PTB
			grade results.Grade
		}{
			{delivered, results.Exact},
			{filtered, ""},
			{netlab.PTB{Mode: netlab.PTBLying, MTU: 1300}, results.Understated},
			{netlab.PTB{Mode: netlab.PTBLying, MTU: 1460}, results.Overstated},
		} {
			t.Run(fmt.Sprintf("r%d/%v", at, c.ptb), func(t *testing.T) {
				t.Parallel()
				for _, family := range []int{4, 6} {
					for _, as := range []*syscall.Credential{nil, {Uid: 65534, Gid: 65534}} {
						if as != nil && at%2 == 0 {
							continue
						}
						// A network for each run: the target rations its ICMP errors.
						lab := build(t, chainOf(at, c.ptb))
						what := fmt.Sprintf("IPv%d, %v", family, as)
						r, o := runTrace(t, lab, family, as, "--tcp-port", "0", "--no-options")
						require.NotNil(t, r.PMTU, "%s: %s%s", what, o.stdout, o.stderr)
						assert.Zero(t, o.code, what)
						assert.Equal(t, 1413, *r.PMTU, what)
						require.NotNil(t, r.Bottleneck, "%s: %s", what, o.stdout)
						assert.Equal(t, at, r.Bottleneck.Hop, "%s: %s", what, o.stdout)
						router, _ := routerAddr(lab, at, family)
						assert.Equal(t, router, r.Bottleneck.Addr, what)
						if c.grade == "" {
							assert.Equal(t, results.OKSilent, r.Verdict, what)
							assert.Empty(t, r.PTB, what)
						} else if assert.NotEmpty(t, r.PTB, what) {
							assert.Equal(t, results.OK, r.Verdict, what)
							assert.Equal(t, c.grade, r.PTB[0].Grade, "%s: %+v", what, r.PTB)
							assert.Equal(t, at, r.PTB[0].Hop, what)
						}
						require.Len(t, r.Trace.Hops, 5, what)
						assert.True(t, r.Trace.Hops[4].Target, what)
						assert.Equal(t, 1500, r.Trace.Hops[at-1].Passes, what)
						assert.Equal(t, 1413, r.Trace.Hops[at].Passes, what)
						assert.Equal(t, 1414, r.Trace.Hops[at].Fails, what)
					}
				}
			})
		}
	}
}

// routerAddr is the address of a router on the client's side, from which its
// errors come.
func routerAddr(lab *netlab.Lab, hop, family int) (string, bool) {
	for _, p := range lab.Topology.Links[hop-1].B.Addrs {
		if p.Addr().Is4() == (family == 4) {
			return p.Addr().String(), true
		}
	}
	return "", false
}

// nft loads rules in a node, in a table that is no concern of the lab.
func nft(t *testing.T, lab *netlab.Lab, node, rules string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rules")
	require.NoError(t, os.WriteFile(file, []byte(rules), 0o600))
	_, errOut, err := lab.Node(node).Run(t.Context(), "nft", "-f", file)
	require.NoError(t, err, "%s", errOut)
}

// A router that drops packets with Hop-by-Hop options, or only those with type
// 0x30, is named; Destination Options and everything else go through.
func TestTraceOptionsDropped(t *testing.T) {
	for _, c := range []struct {
		name, match string
		padding     string
	}{
		{"every header", "exthdr hbh exists", "dropped"},
		{"type 0x30", "exthdr hbh exists @nh,336,8 0x30", "unchanged"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			lab := build(t, netlab.Chain("hbh", delivered, 1500, 1500, 1500, 1500))
			nft(t, lab, "r2", "table ip6 t {\n chain c {\n type filter hook prerouting priority 0;\n "+c.match+" counter drop\n }\n}\n")
			r, o := runTrace(t, lab, 6, nil)
			require.NotNil(t, r.PMTU, o.stdout)
			require.NotNil(t, r.HBH)
			assert.True(t, r.HBH.Sent)
			assert.False(t, r.HBH.Survived, o.stdout)
			assert.Equal(t, "dropped", r.fate("hbh-min-pmtu"))
			assert.Equal(t, c.padding, r.fate("hbh-padding"))
			assert.Equal(t, c.padding, r.fate("hbh-unassigned"))
			assert.Equal(t, "unchanged", r.fate("dst-padding"))
			assert.Equal(t, "unchanged", r.fate("dst-truncation"))
			for _, f := range r.Trace.Options {
				if f.Fate == "dropped" {
					assert.Equal(t, []int{1, 2}, []int{f.Hop, f.Next}, f.Option)
				}
			}
		})
	}
}

// Our own router in the middle implements RFC 9268; the trace names it, and what
// the option says is what the path carries.
func TestTraceFindsRFC9268Router(t *testing.T) {
	t.Parallel()
	topology := netlab.Chain("rewrite", delivered, 1500, 1500, 1380, 1500)
	for i := range topology.Nodes {
		if topology.Nodes[i].Name == "r2" {
			topology.Nodes[i].Kind = netlab.Host
		}
	}
	lab := build(t, topology)
	serve(t, lab.Node("r2"), ": forwarding", "router", "--port", "to-r1", "--port", "to-r3", "--datapath", "afpacket",
		"--route", "2001:db8:1::/64=to-r1,2001:db8:2::1", "--route", "2001:db8:4::/64=to-r3,2001:db8:3::2")
	r, o := runTrace(t, lab, 6, nil)
	require.NotNil(t, r.PMTU, o.stdout+o.stderr)
	assert.Equal(t, 1380, *r.PMTU)
	require.NotNil(t, r.HBH)
	assert.True(t, r.HBH.Survived, o.stdout)
	assert.Equal(t, 1380, r.HBH.MinPMTU, o.stdout)
	require.Len(t, r.Trace.Hops, 4, o.stdout)
	assert.Equal(t, r.Trace.Hops[1].Addr, r.HBH.RewrittenAt, o.stdout)
	assert.NotEmpty(t, r.HBH.RewrittenAt)
	assert.Equal(t, "lowered", r.fate("hbh-min-pmtu"))
	assert.Equal(t, []int{1500, 1500, 1380, 1380}, []int{r.Trace.Hops[0].MinPMTU, r.Trace.Hops[1].MinPMTU, r.Trace.Hops[2].MinPMTU, r.Trace.Hops[3].MinPMTU})
	require.NotNil(t, r.Bottleneck)
	assert.Equal(t, 2, r.Bottleneck.Hop)
	assert.Equal(t, r.Trace.Hops[1].Addr, r.Bottleneck.Addr)
}

// A router that clamps the MSS is named; an open port's SYN-ACK is told too.
func TestTraceMSS(t *testing.T) {
	t.Parallel()
	lab := build(t, netlab.Chain("mss", delivered, 1500, 1500, 1500, 1500))
	nft(t, lab, "r2", "table inet t {\n chain c {\n type filter hook forward priority 0;\n tcp flags syn tcp option maxseg size set 1300\n }\n}\n")
	for _, family := range []int{4, 6} {
		r, o := runTrace(t, lab, family, nil, "--no-options")
		require.NotNil(t, r.MSS, o.stdout)
		assert.True(t, r.MSS.Clamped, o.stdout)
		assert.Equal(t, 1300, r.MSS.Received)
		router, _ := routerAddr(lab, 2, family)
		assert.Equal(t, router, r.MSS.At, o.stdout)
		assert.Equal(t, []int{r.MSS.Sent, r.MSS.Sent, 1300}, []int{r.Trace.Hops[0].MSS, r.Trace.Hops[1].MSS, r.Trace.Hops[2].MSS})
	}
}

// --pcap holds what was sent and received, as others read it.
func TestTracePcap(t *testing.T) {
	t.Parallel()
	lab := build(t, chainOf(2, delivered))
	name := filepath.Join(t.TempDir(), "trace.pcapng")
	r, o := runTrace(t, lab, 6, nil, "--pcap", name)
	require.NotNil(t, r.PMTU, o.stdout)
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	in, err := pcapgo.NewNgReader(f, pcapgo.DefaultNgReaderOptions)
	require.NoError(t, err)
	require.Equal(t, layers.LinkTypeRaw, in.LinkType())
	out, back, options, tooBig := 0, 0, 0, 0
	src, dst := lab.Topology.Links[0].A.Addrs[1].Addr().String(), ""
	if a, ok := lab.Addr("srv", 6); ok {
		dst = a.String()
	}
	labels := map[uint32]bool{}
	for {
		b, _, err := in.ReadPacketData()
		if err != nil {
			break
		}
		p := gopacket.NewPacket(b, layers.LayerTypeIPv6, gopacket.Default)
		require.Nil(t, p.ErrorLayer(), "%v", p)
		ip := p.Layer(layers.LayerTypeIPv6).(*layers.IPv6)
		if ip.SrcIP.String() == src {
			out++
			assert.Equal(t, dst, ip.DstIP.String())
			labels[ip.FlowLabel] = true
			if h, ok := p.Layer(layers.LayerTypeIPv6HopByHop).(*layers.IPv6HopByHop); ok && h.Options[0].OptionType == 0x30 {
				options++
			}
			continue
		}
		back++
		if m, ok := p.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6); ok && m.TypeCode.Type() == layers.ICMPv6TypePacketTooBig {
			tooBig++
		}
	}
	assert.Greater(t, out, 10)
	assert.Greater(t, back, 10)
	assert.GreaterOrEqual(t, options, 4)
	assert.Positive(t, tooBig)
	assert.Len(t, labels, 1, "one flow label")
	assert.NotContains(t, labels, uint32(0))
	if _, err := exec.LookPath("tshark"); err == nil {
		text, err := exec.Command("tshark", "-r", name, "-Y", "ipv6.opt.pmtu.min", "-T", "fields", "-e", "ipv6.opt.pmtu.min").Output()
		require.NoError(t, err)
		assert.GreaterOrEqual(t, strings.Count(string(text), "1500"), options)
	}
}

// Without CAP_NET_RAW --pcap can't be had: exit code 3, what is missing, and
// what works without.
func TestTraceWithoutPrivilege(t *testing.T) {
	t.Parallel()
	lab := build(t, netlab.Chain("unpriv", delivered, 1500, 1500))
	as := &syscall.Credential{Uid: 65534, Gid: 65534}
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o777))
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	_, o := runTrace(t, lab, 4, as, "--pcap", filepath.Join(dir, "x.pcapng"))
	assert.Equal(t, 3, o.code, o.stderr)
	assert.Contains(t, o.stderr, "CAP_NET_RAW")
	assert.Contains(t, o.stderr, "hops and bottleneck")
	assert.NoFileExists(t, filepath.Join(dir, "x.pcapng"))
	r, o := runTrace(t, lab, 6, as)
	assert.Zero(t, o.code, o.stderr)
	assert.Contains(t, o.stderr, "CAP_NET_RAW")
	require.NotNil(t, r.PMTU)
	assert.Equal(t, 1500, *r.PMTU)
	assert.Nil(t, r.HBH)
	assert.Nil(t, r.MSS)
}

func TestTraceWrongUse(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ args, want string }{
		{"trace", "accepts 1 arg"},
		{"trace a b", "accepts 1 arg"},
		{"trace --max-hops 0 ::1", "--max-hops 0"},
		{"trace --tcp-port 65536 ::1", "--tcp-port 65536"},
		{"trace --port 0 ::1", "--port 0"},
		{"trace --probes 11 ::1", "--probes 11"},
		{"trace --source x ::1", `--source "x"`},
		{"trace --pcap /nonexistent/x ::1", "/nonexistent/x"},
	} {
		out, err := exec.Command(program, strings.Fields(tc.args)...).CombinedOutput()
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit, tc.args)
		assert.Equal(t, 2, exit.ExitCode(), "%s: %s", tc.args, out)
		assert.Contains(t, string(out), tc.want)
	}
}

// ^C ends a trace cleanly, with what was measured.
func TestTraceInterrupted(t *testing.T) {
	t.Parallel()
	lab := build(t, netlab.Chain("intr", filtered, 9000, 4352, 1500, 1400, 1300))
	srv, _ := lab.Addr("srv", 4)
	pcap := filepath.Join(t.TempDir(), "x.pcapng")
	cmd := exec.Command(program, "trace", "--json", "--pcap", pcap, srv.String())
	var stdout strings.Builder
	cmd.Stdout = &stdout
	require.NoError(t, lab.Node("cli").Start(cmd))
	require.Eventually(t, func() bool { // large packets come after the hops are known
		info, err := os.Stat(pcap)
		return err == nil && info.Size() > 9000
	}, 20*time.Second, 5*time.Millisecond)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	o := finish(t, nil, nil, cmd.Wait())
	assert.Equal(t, 1, o.code)
	var r traced
	require.NoError(t, json.Unmarshal([]byte(stdout.String()), &r), stdout.String())
	assert.Len(t, r.Trace.Hops, 5, "what was known by then")
	assert.Nil(t, r.PMTU)
	assert.Contains(t, stdout.String(), "interrupted")
}
