package cli

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/datapath"
	"pathmtu/internal/router"
	"pathmtu/truncate"
)

const wholeRouterFile = `
datapath = "afpacket"
kernel-routes = false
metrics = "[::1]:9268"
[icmp]
packet-too-big = { rate = 5, burst = 6 }
errors = { rate = 7, burst = 8 }
[truncate]
enabled = true
revision = "T0"
packet-too-big = false
eligible = 0x1f
truncated = 0x9f
enhanced = 0xbf
rate = 9
burst = 10
[[port]]
name = "a"
datapath = "tun"
mtu = 1400
address = "2001:db8::1"
hop-by-hop = true
max-options = 2
action-bits = true
drop-malformed = true
options = { "0x30" = "skip", "5" = "discard", "0xde" = "report" }
[[port]]
name = "b"
[[route]]
prefix = "2001:db8:1::/48"
port = "b"
via = "fe80::1%b"
[[route]]
prefix = "2001:db8:2::/48"
kind = "prohibit"
`

func routerPlanOf(text string, o routerOptions, changed ...string) (routerPlan, error) {
	f, err := readRouterFile(strings.NewReader(text), "router.toml")
	if err != nil {
		return routerPlan{}, err
	}
	return o.plan(f, func(flag string) bool { return slices.Contains(changed, flag) })
}

// A file is read, and one that can't be read is wrong use.
func TestRouterFileIsOpened(t *testing.T) {
	o := routerOptions{config: filepath.Join(t.TempDir(), "router.toml")}
	unchanged := func(string) bool { return false }
	_, err := o.load(unchanged)
	assert.ErrorIs(t, err, os.ErrNotExist)
	var usage usageError
	assert.ErrorAs(t, err, &usage)
	require.NoError(t, os.WriteFile(o.config, []byte(wholeRouterFile), 0o600))
	p, err := o.load(unchanged)
	require.NoError(t, err)
	assert.Len(t, p.cfg.Ports, 2)
}

func TestRouterFile(t *testing.T) {
	p, err := routerPlanOf(wholeRouterFile, routerOptions{})
	require.NoError(t, err)
	assert.Equal(t, "afpacket", p.datapath)
	assert.Equal(t, "[::1]:9268", p.metrics)
	c := p.cfg
	assert.False(t, c.KernelRoutes)
	assert.Equal(t, []router.Rate{{PerSecond: 5, Burst: 6}, {PerSecond: 7, Burst: 8}, {PerSecond: 9, Burst: 10}},
		[]router.Rate{c.Router.PacketTooBig, c.Router.Errors, c.Router.Truncations})
	assert.Equal(t, truncate.Router{NoPTB: true, Reader: truncate.Reader{Revision: truncate.T0, Codes: truncate.Codes{Eligible: 0x1f, Truncated: 0x9f, Enhanced: 0xbf}}}, c.Router.Truncate)
	require.Len(t, c.Ports, 2)
	a := c.Ports[0]
	assert.Equal(t, []any{"a", datapath.KindTUN, 1400, netip.MustParseAddr("2001:db8::1"), true}, []any{a.Name, a.Kind, a.MTU, a.Addr, a.Truncate})
	assert.Equal(t, []any{true, 2, true, true}, []any{a.Policy.HopByHop, a.Policy.MaxOptions, a.Policy.ActionBits, a.Policy.DropMalformed})
	assert.Equal(t, []router.Treatment{router.Skip, router.Discard, router.Report, router.Skip},
		[]router.Treatment{a.Policy.Options[0x30], a.Policy.Options[5], a.Policy.Options[0xde], a.Policy.Options[0x1e]})
	b := c.Ports[1]
	assert.Equal(t, datapath.Kind(""), b.Kind, "the one that is chosen at the start")
	assert.Equal(t, router.ProcessMinPMTU(), b.Policy)
	assert.True(t, b.Truncate, "on all ports")
	assert.Equal(t, []datapath.StaticRoute{
		{Prefix: netip.MustParsePrefix("2001:db8:1::/48"), Port: "b", Via: netip.MustParseAddr("fe80::1")},
		{Prefix: netip.MustParsePrefix("2001:db8:2::/48"), Kind: router.Prohibit},
	}, c.Routes)
}

// The configuration in the manual is one that the program takes.
func TestRouterFileOfTheManual(t *testing.T) {
	b, err := os.ReadFile("../../docs/router.md")
	require.NoError(t, err)
	_, text, ok := strings.Cut(string(b), "```toml\n")
	require.True(t, ok)
	text, _, ok = strings.Cut(text, "```")
	require.True(t, ok)
	p, err := routerPlanOf(text, routerOptions{})
	require.NoError(t, err)
	assert.Len(t, p.cfg.Ports, 1)
	assert.Len(t, p.cfg.Routes, 2)
}

func TestRouterFlagsAddToTheFile(t *testing.T) {
	o := routerOptions{ports: []string{"c=afxdp"}, routes: []string{"2001:db8:3::/48=c,fe80::2", "2001:db8:4::/48=blackhole"}, datapath: "xdp", truncate: false}
	p, err := routerPlanOf(wholeRouterFile, o, "datapath", "truncate")
	require.NoError(t, err)
	assert.Equal(t, "xdp", p.datapath)
	require.Len(t, p.cfg.Ports, 3)
	assert.Equal(t, datapath.KindAFXDP, p.cfg.Ports[2].Kind)
	assert.False(t, p.cfg.Ports[2].Truncate)
	require.Len(t, p.cfg.Routes, 4)
	assert.Equal(t, datapath.StaticRoute{Prefix: netip.MustParsePrefix("2001:db8:3::/48"), Port: "c", Via: netip.MustParseAddr("fe80::2")}, p.cfg.Routes[2])
	assert.Equal(t, router.Blackhole, p.cfg.Routes[3].Kind)
}

func TestRouterFileNamesTheFault(t *testing.T) {
	port := "[[port]]\nname = \"a\"\n"
	for _, tc := range []struct{ text, want string }{
		{"x = 1", `"x"`},
		{"datapath = 5", "datapath"},
		{port + "address = \"nowhere\"", `"nowhere"`},
		{port + "options = { \"0x130\" = \"skip\" }", `"0x130"`},
		{port + "options = { \"0x30\" = \"eat\" }", `"eat"`},
		{"[[port]]\nmtu = 1500", "no name"},
		{port + "[truncate]\nrevision = \"T2\"", `"T2"`},
		{port + "[truncate]\neligible = 0x9e", "Eligible 0x9e"},
		{port + "[[route]]\nprefix = \"2001:db8::/32\"", "needs a port"},
		{port + "[[route]]\nprefix = \"2001:db8::/32\"\nkind = \"round\"", `"round"`},
	} {
		_, err := routerPlanOf(tc.text, routerOptions{})
		assert.ErrorContains(t, err, tc.want, tc.text)
		var usage usageError
		assert.ErrorAs(t, err, &usage, tc.text)
	}
}

func FuzzRouterFile(f *testing.F) {
	f.Add(wholeRouterFile)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := routerPlanOf(text, routerOptions{})
		if err == nil && len(p.cfg.Ports) == 0 {
			t.Fatal("a plan without ports")
		}
	})
}
