//go:build linux

package netnstests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/ip6"
	"pathmtu/internal/ip6/ip6test"
	"pathmtu/internal/netlab/labtest"
	"pathmtu/truncate"
)

// dissect runs tshark with the Lua dissector over packets and returns the fields.
func dissect(t *testing.T, packets []ip6.Packet, options []string, fields ...string) [][]string {
	t.Helper()
	_, err := exec.LookPath("tshark")
	labtest.Need(t, err == nil, "tshark (Debian package tshark)")
	script, err := filepath.Abs("../truncate/dissector/truncate.lua")
	require.NoError(t, err)
	name := filepath.Join(t.TempDir(), "p.pcap")
	f, err := os.Create(name)
	require.NoError(t, err)
	w := pcapgo.NewWriter(f)
	require.NoError(t, w.WriteFileHeader(65600, layers.LinkTypeRaw))
	for i, p := range packets {
		require.NoError(t, w.WritePacket(gopacket.CaptureInfo{Timestamp: time.Unix(int64(i), 0), CaptureLength: len(p), Length: len(p)}, p))
	}
	require.NoError(t, f.Close())
	args := append([]string{"-n", "-X", "lua_script:" + script, "-r", name, "-T", "fields", "-E", "separator=|", "-E", "aggregator=,", "-o", "ipv6.defragment:FALSE"}, options...)
	for _, field := range fields {
		args = append(args, "-e", field)
	}
	cmd := exec.CommandContext(t.Context(), "tshark", args...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	require.NoError(t, err, errs.String())
	assert.NotContains(t, errs.String(), "Lua", "no error in the script")
	var rows [][]string
	for line := range strings.Lines(string(out)) {
		rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), "|"))
	}
	require.Len(t, rows, len(packets), "%s", errs.String())
	return rows
}

// The Wireshark dissector reads the options as package truncate does: kinds,
// lengths, what was cut, and what makes a packet invalid (S1, S2, S6, X5).
func TestTruncateDissector(t *testing.T) {
	t.Parallel()
	opt := func(typ uint8, data ...byte) ip6.OptionSpec { return ip6.OptionSpec{Type: typ, Data: data} }
	packet := func(n int, exts ...ip6test.Ext) ip6.Packet {
		return ip6test.Packet(ip6.ProtoUDP, ip6test.UDP(n), exts...)
	}
	big := packet(4000, ip6test.DestOpts(opt(0x1e)))
	var r truncate.Router
	plan := r.Plan(ip6test.Clone(big), 1500)
	require.True(t, plan.OK())
	cut := plan.Apply(ip6test.Clone(big))
	d, err := truncate.NewDestination(truncate.Reader{}, nil)
	require.NoError(t, err)
	ptb, err := d.Receive(time.Unix(1, 0), cut, ip6.Arrival{}).AppendAnswer(nil, cut)
	require.NoError(t, err)

	rows := dissect(t, []ip6.Packet{
		packet(10), big, cut, ptb,
		packet(1400, ip6test.DestOpts(opt(0x05, 1), opt(0x1e))),
		packet(1400, ip6test.DestOpts(opt(0x1e), opt(0x9e))),
		packet(1400, ip6test.DestOpts(opt(0x9e, 1))),
		packet(100, ip6test.DestOpts(opt(0x9e))),
		packet(1400, ip6test.Fragment(0, true), ip6test.DestOpts(opt(0x1e))),
		packet(1400, ip6test.DestOpts(opt(0xbe, 0x05, 0x00, 0x80))),
	}, nil, "truncate6.kind", "truncate6.len", "truncate6.cut", "truncate6.opl", "truncate6.t", "_ws.expert.message")
	for i, want := range [][]string{
		{"", "", "", "", ""},
		{"1", "0", "", "", ""},
		{"2", "0", "1500", "", ""},
		{"2", "0", "1500", "", ""}, // quoted
		{"1", "0", "", "", ""},
		{"1,2", "0,0", "1456", "", ""},
		{"2", "1", "", "", ""},
		{"2", "0", "156", "", ""},
		{"1", "0", "", "", ""},
		{"3", "3", "1456", "1280", "1"},
	} {
		assert.Equal(t, want, rows[i][:5], "packet %d", i)
	}
	for i, says := range map[int]string{5: "Two kinds of truncation option", 6: "Opt Data Len is wrong", 7: "shorter than 1280", 8: "beside a Fragment header"} {
		assert.Contains(t, rows[i][5], says, "packet %d", i)
	}
	for _, i := range []int{1, 2, 4, 9} {
		for _, says := range []string{"truncation option", "Opt Data Len is wrong", "shorter than 1280", "Fragment"} {
			assert.NotContains(t, rows[i][5], says, "packet %d", i)
		}
	}

	// Other option types, as the preferences say.
	rows = dissect(t, []ip6.Packet{packet(1400, ip6test.DestOpts(opt(0x3e))), packet(1400, ip6test.DestOpts(opt(0x1e)))},
		[]string{"-o", "truncate6.eligible:62"}, "truncate6.kind")
	assert.Equal(t, [][]string{{"1"}, {""}}, rows)
}
