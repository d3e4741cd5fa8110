package cli

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/hbh"
	"pathmtu/internal/ip6"
	"pathmtu/plpmtud/udpopt"
	"pathmtu/truncate"
)

var (
	decodeA = netip.MustParseAddr("2001:db8:a::1")
	decodeB = netip.MustParseAddr("2001:db8:b::1")
	decodeR = netip.MustParseAddr("2001:db8:9::9")
)

// withHeader is a UDP packet of n bytes behind an options header.
func withHeader(t testing.TB, n int, ext uint8, opts ...ip6.OptionSpec) ip6.Packet {
	hdr, err := ip6.AppendOptionsHeader(nil, ip6.ProtoUDP, opts...)
	require.NoError(t, err)
	data := make([]byte, n-40-len(hdr)-8)
	udp, err := udpopt.AppendDatagram(nil, netip.AddrPortFrom(decodeA, 5000), netip.AddrPortFrom(decodeB, 7), data, nil, 0)
	require.NoError(t, err)
	b := ip6.AppendHeader(nil, ip6.Fields{NextHeader: ext, HopLimit: 64, Src: decodeA, Dst: decodeB}, len(hdr)+len(udp))
	return append(append(b, hdr...), udp...)
}

func option30(min, rtn uint16, r bool) ip6.OptionSpec {
	var buf [hbh.DataLen]byte
	return hbh.Option{Min: min, Rtn: rtn, R: r}.Spec(&buf)
}

func opt(typ uint8, data ...byte) ip6.OptionSpec { return ip6.OptionSpec{Type: typ, Data: data} }

func tooBig(t testing.TB, src netip.Addr, mtu uint32, about ip6.Packet) ip6.Packet {
	b, err := ip6.AppendError(nil, ip6.ErrorSpec{Type: 2, Param: mtu, Src: src}, about)
	require.NoError(t, err)
	return b
}

// decodeArgs runs the verb and returns its output.
func decodeArgs(t testing.TB, stdin io.Reader, args ...string) (out, errOut string, code int) {
	var o, e bytes.Buffer
	code = Main(append([]string{"decode"}, args...), stdin, &o, &e)
	return o.String(), e.String(), code
}

func decodeOne(t testing.TB, p []byte, args ...string) explained {
	out, errOut, code := decodeArgs(t, nil, append(args, "--json", hex.EncodeToString(p))...)
	require.Zero(t, code, errOut)
	var x explained
	require.NoError(t, json.Unmarshal([]byte(out), &x))
	return x
}

func TestDecodeSignals(t *testing.T) {
	codes := truncate.DefaultCodes
	udpOptions := func() []byte {
		var tok udpopt.Token
		d, err := udpopt.AppendDatagram(nil, netip.AddrPortFrom(decodeA, 5000), netip.AddrPortFrom(decodeB, 7), nil, udpopt.AppendREQ(udpopt.AppendMDS(nil, 1452), tok), 1360)
		require.NoError(t, err)
		return append(ip6.AppendHeader(nil, ip6.Fields{NextHeader: ip6.ProtoUDP, HopLimit: 64, Src: decodeA, Dst: decodeB}, len(d)), d...)
	}
	big := withHeader(t, 1500, ip6.ProtoDestOpts, opt(codes.Eligible))
	cut := withHeader(t, 1400, ip6.ProtoDestOpts, opt(codes.Truncated))
	for _, tc := range []struct {
		name   string
		packet []byte
		args   []string
		want   []string // kind, MTU, usable, part of the text
	}{
		{"min-pmtu", withHeader(t, 100, 0, option30(1400, 1300, true)), nil, []string{
			"min-pmtu|1400|true|carry 1400", "min-pmtu|1300|true|carries 1300", "min-pmtu|0|true|(R)"}},
		{"D1: below 1280", withHeader(t, 100, 0, option30(1279, 1278, false)), nil, []string{
			"min-pmtu|0|false|below 1280", "min-pmtu|1278|false|to be ignored"}},
		{"wrong length", withHeader(t, 100, 0, opt(0x30, 5, 0xdc)), nil, []string{"min-pmtu|0|false|another length"}},
		{"misplaced", withHeader(t, 100, ip6.ProtoDestOpts, option30(1400, 0, false)), nil, []string{"min-pmtu|0|false|outside"}},
		{"duplicates", withHeader(t, 100, 0, option30(1400, 1300, false), option30(1390, 1290, false)), nil, []string{
			"min-pmtu|1390|true|1390", "min-pmtu|0|false|2 options", "min-pmtu|0|false|differ"}},
		{"historical", withHeader(t, 100, 0, opt(0x3e, 5, 0xdc)), nil, []string{"min-pmtu|0|false|early draft"}},
		{"eligible", big, nil, []string{"truncation|0|true|instead of dropping"}},
		{"truncated", cut, nil, []string{"truncation|1400|true|1400 bytes"}},
		{"truncated, too short", withHeader(t, 1279, ip6.ProtoDestOpts, opt(codes.Truncated)), nil, []string{"truncation|0|false|invalid, offset 42"}},
		{"mixed", withHeader(t, 1400, ip6.ProtoDestOpts, opt(codes.Truncated), opt(codes.Eligible)), nil, []string{"truncation|0|false|invalid"}},
		{"enhanced", withHeader(t, 1400, ip6.ProtoDestOpts, opt(codes.Enhanced, 0x05, 0x50, 0x80)), []string{"--truncate", "T0"}, []string{"truncation|1400|true|cut"}},
		{"other code points", withHeader(t, 1400, ip6.ProtoDestOpts, opt(0x9f)), []string{"--truncate-codes", "0x1f,0x9f,0xbf"}, []string{"truncation|1400|true|cut"}},
		{"packet too big", tooBig(t, decodeR, 1400, big), nil, []string{"packet-too-big|1400|true|next link carries 1400"}},
		{"too small", tooBig(t, decodeR, 1279, big), nil, []string{"packet-too-big|1279|false|below 1280"}},
		{"not smaller", tooBig(t, decodeR, 1500, big), nil, []string{"packet-too-big|1500|false|not smaller"}},
		{"from the destination", tooBig(t, decodeB, 1400, cut), nil, []string{"packet-too-big|1400|true|truncation notice"}},
		{"UDP Options", udpOptions(), nil, []string{"udp-options|1500|true|1452", "udp-options|0|true|1400 bytes"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			x := decodeOne(t, tc.packet, tc.args...)
			require.NotNil(t, x.IP)
			var got []string
			for _, s := range x.IP.Signals {
				b, _ := json.Marshal([]any{s.MTU, s.Usable})
				got = append(got, s.Kind+"|"+strings.ReplaceAll(strings.Trim(string(b), "[]"), ",", "|")+"|"+s.Text)
			}
			require.Len(t, got, len(tc.want), "%q", got)
			for i, w := range tc.want {
				head, text, _ := cutLast(w)
				assert.True(t, strings.HasPrefix(got[i], head+"|"), "%q: want %q", got[i], w)
				assert.Contains(t, got[i], text)
			}
			assert.Contains(t, x.text(), x.IP.Signals[0].Text)
		})
	}
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndex(s, "|")
	return s[:i], s[i+1:], i >= 0
}

func TestDecodeShowsOptionsWithOffsets(t *testing.T) {
	x := decodeOne(t, withHeader(t, 100, 0, opt(0x05, 0, 0), option30(1400, 0, false)))
	require.Len(t, x.IP.Headers, 1)
	h := x.IP.Headers[0]
	assert.Equal(t, []any{"Hop-by-Hop Options", 40, 16}, []any{h.Name, h.Offset, h.Length})
	require.Len(t, h.Options, 3)
	assert.Equal(t, []any{42, 5, "Router Alert", "skip", false}, []any{h.Options[0].Offset, h.Options[0].Type, h.Options[0].Name, h.Options[0].Unknown, h.Options[0].Mutable})
	assert.Equal(t, []any{46, 0x30, "Minimum Path MTU", "skip", true}, []any{h.Options[1].Offset, h.Options[1].Type, h.Options[1].Name, h.Options[1].Unknown, h.Options[1].Mutable})
	assert.Equal(t, "PadN", h.Options[2].Name)
	assert.Equal(t, "good", x.IP.Checksum)
	assert.Equal(t, "UDP 5000 > 7, length 44", x.IP.Upper)
}

func TestDecodeNamesFaults(t *testing.T) {
	p := withHeader(t, 100, 0, option30(1400, 0, false))
	p[43] = 77
	x := decodeOne(t, p)
	assert.Contains(t, strings.Join(x.IP.Problems, "\n"), "offset 43")
	q := tooBig(t, decodeR, 1400, withHeader(t, 1500, 0, option30(1400, 0, true)))
	x = decodeOne(t, q)
	require.NotNil(t, x.IP.ICMP.Quote)
	assert.Equal(t, 1500, x.IP.ICMP.Quote.Length)
	assert.Equal(t, 1400, x.IP.ICMP.Quote.Signals[0].MTU, "signals of the quoted packet are shown too")
}

func TestDecodeIPv4(t *testing.T) {
	buf := gopacket.NewSerializeBuffer()
	inner := &layers.IPv4{Version: 4, IHL: 5, TTL: 60, Protocol: layers.IPProtocolUDP, SrcIP: []byte{192, 0, 2, 1}, DstIP: []byte{198, 51, 100, 1}, Flags: layers.IPv4DontFragment, Length: 1500}
	outer := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolICMPv4, SrcIP: []byte{203, 0, 113, 1}, DstIP: []byte{192, 0, 2, 1}}
	icmp := &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(3, 4), Seq: 1400}
	require.NoError(t, inner.SerializeTo(buf, gopacket.SerializeOptions{ComputeChecksums: true}))
	quote := append(bytes.Clone(buf.Bytes()), make([]byte, 8)...)
	require.NoError(t, gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, outer, icmp, gopacket.Payload(quote)))
	x := decodeOne(t, buf.Bytes())
	require.Len(t, x.IP.Signals, 1)
	assert.Equal(t, explainedSignal{Kind: "packet-too-big", MTU: 1400, Usable: true, Text: "a packet of 1500 bytes did not fit: the next link carries 1400"}, x.IP.Signals[0])
	assert.True(t, *x.IP.ICMP.Quote.DF)
}

// captureFile writes packets to a pcap or pcapng file.
func captureFile(t testing.TB, ng bool, pkts ...[]byte) string {
	name := filepath.Join(t.TempDir(), "c")
	f, err := os.Create(name)
	require.NoError(t, err)
	defer f.Close()
	write := func(w interface {
		WritePacket(gopacket.CaptureInfo, []byte) error
	}) {
		for _, p := range pkts {
			frame := append([]byte{0: 2, 6: 2, 12: 0x86, 13: 0xdd}, p...)
			require.NoError(t, w.WritePacket(gopacket.CaptureInfo{Timestamp: time.Unix(1, 0), CaptureLength: len(frame), Length: len(frame)}, frame))
		}
	}
	if ng {
		w, err := pcapgo.NewNgWriter(f, layers.LinkTypeEthernet)
		require.NoError(t, err)
		write(w)
		require.NoError(t, w.Flush())
	} else {
		w := pcapgo.NewWriter(f)
		require.NoError(t, w.WriteFileHeader(65536, layers.LinkTypeEthernet))
		write(w)
	}
	return name
}

func TestDecodeFiles(t *testing.T) {
	a := withHeader(t, 100, 0, option30(1400, 0, false))
	b := withHeader(t, 100, ip6.ProtoDestOpts, opt(0x1f))
	for _, ng := range []bool{false, true} {
		name := captureFile(t, ng, a, b, a)
		out, errOut, code := decodeArgs(t, nil, name)
		require.Zero(t, code, errOut)
		assert.Equal(t, 3, strings.Count(out, "packet "))
		assert.Equal(t, 2, strings.Count(out, "Min-PMTU 1400"))
		out, _, _ = decodeArgs(t, nil, "--signals", name)
		assert.Equal(t, 2, strings.Count(out, "\npacket ")+1)
		out, _, _ = decodeArgs(t, nil, "--count", "1", name)
		assert.Equal(t, 1, strings.Count(out, "packet "))
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		piped, errOut, code := decodeArgs(t, bytes.NewReader(data), "-")
		require.Zero(t, code, errOut)
		assert.Equal(t, 3, strings.Count(piped, "packet "))
		// Every prefix of the file ends cleanly: with an error, or between packets.
		for n := range data {
			_, errOut, code := decodeArgs(t, bytes.NewReader(data[:n]), "-")
			if code != 0 {
				assert.Contains(t, errOut, "pmtu decode: -: ", "%d bytes", n)
			}
		}
	}
}

func TestDecodeHexText(t *testing.T) {
	h := hex.EncodeToString(withHeader(t, 100, 0, option30(1400, 0, false)))
	out, errOut, code := decodeArgs(t, strings.NewReader(h[:40]+"\n"+h[40:]+"\n\n"+h), "-")
	require.Zero(t, code, errOut)
	assert.Equal(t, 2, strings.Count(out, "packet "))
	out, _, code = decodeArgs(t, nil, h[:11], h[11:])
	require.Zero(t, code)
	assert.Contains(t, out, "Min-PMTU 1400")
	out, _, code = decodeArgs(t, nil, "0200000000010200000000028 6dd"+h)
	require.Zero(t, code)
	assert.Contains(t, out, "Ethernet")
}

func TestDecodeWrongUse(t *testing.T) {
	for _, tc := range []struct{ args, want string }{
		{"nosuchfile", "nosuchfile"},
		{"--truncate T7 60", `"T7"`},
		{"--truncate-codes 1,2 60", "[1 2]"},
		{"--truncate-codes 1,2,3 60", "0x01"},
		{"--truncate-codes 1,2,300 60", "300"},
		{"--link token 60", `"token"`},
		{"--count -1 60", "-1"},
		{"600", "odd length"},
	} {
		_, errOut, code := decodeArgs(t, nil, strings.Fields(tc.args)...)
		assert.Equal(t, exitUsage, code, tc.args)
		assert.Contains(t, errOut, tc.want)
	}
	_, errOut, code := decodeArgs(t, strings.NewReader(""), "-")
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, errOut, "no packet in it")
}

// Lengths in a capture file are not believed.
func TestDecodeHostileLengths(t *testing.T) {
	pcap := []byte{0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0}
	_, errOut, code := decodeArgs(t, bytes.NewReader(append(pcap, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 0x7f)), "-")
	assert.NotZero(t, code)
	assert.Contains(t, errOut, "2147483647")
}

func FuzzDecode(f *testing.F) {
	a := withHeader(f, 100, 0, option30(1400, 0, false))
	q := tooBig(f, decodeR, 1400, withHeader(f, 1500, ip6.ProtoDestOpts, opt(0x9e)))
	for _, p := range [][]byte{a, q} {
		f.Add([]byte(hex.EncodeToString(p)))
		for _, ng := range []bool{false, true} {
			b, err := os.ReadFile(captureFile(f, ng, p))
			require.NoError(f, err)
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d := decoder{truncate: truncate.Reader{Codes: truncate.DefaultCodes}}
		_ = decodeInput{file: "-"}.packets(bytes.NewReader(b), "auto", func(p rawPacket) error {
			if len(p.data) > mostCapture || d.packet(p).text() == "" {
				t.Fatal("a packet that is too long, or nothing said")
			}
			return nil
		})
	})
}

// FuzzDecodePacket hands raw bytes to the explanation itself.
func FuzzDecodePacket(f *testing.F) {
	f.Add([]byte(withHeader(f, 100, 0, option30(1400, 0, false))), false)
	f.Add([]byte(tooBig(f, decodeR, 1400, withHeader(f, 1500, ip6.ProtoDestOpts, opt(0x9e)))), false)
	f.Fuzz(func(t *testing.T, b []byte, ether bool) {
		d := decoder{truncate: truncate.Reader{Codes: truncate.DefaultCodes, Revision: truncate.T0}}
		p := rawPacket{data: b, length: len(b), link: layers.LinkTypeRaw}
		if ether {
			p.link = layers.LinkTypeEthernet
		}
		if x := d.packet(p); x.text() == "" {
			t.Fatal("nothing said")
		}
	})
}
