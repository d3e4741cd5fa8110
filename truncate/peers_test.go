package truncate_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/internal/ip6"
	"pathmtu/internal/ip6/ip6test"
	"pathmtu/truncate"
)

// tshark finds the checksums of cut packets good, the lengths consistent, and
// nothing malformed; of a packet cut without repair it finds the checksum bad.
func TestTsharkChecksums(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(3, 4))
	var packets []ip6.Packet
	var protos []uint8
	for proto, build := range upper {
		for range 15 {
			n := 1400 + rnd.IntN(4000)
			p := ip6test.Sized(n, proto, build, do(opt(el)))
			q := cutBy(t, t1, p, 1280+rnd.IntN(n-1281))
			if rnd.IntN(3) == 0 && len(q) > 1300 {
				q = cutBy(t, t1, q, 1280+rnd.IntN(len(q)-1281))
			}
			packets, protos = append(packets, q), append(protos, proto)
		}
	}
	spoiled := udp(1500, do(opt(el)))
	spoiled = spoiled.Cut(1400)
	spoiled[52], spoiled[53] = 0x05, 0x48 // UDP Length 1352, the checksum as it was
	packets, protos = append(packets, spoiled), append(protos, 0)

	rows := ip6test.Tshark(t, packets, "ipv6.plen", "udp.length", "udp.checksum.status", "tcp.checksum.status", "icmpv6.checksum.status", "_ws.malformed")
	for i, p := range packets {
		want := []string{fmt.Sprint(p.PayloadLen()), "", "", "", "", ""}
		switch protos[i] {
		case ip6.ProtoUDP:
			want[1], want[2] = fmt.Sprint(p.PayloadLen()-8), "1"
		case ip6.ProtoTCP:
			want[3] = "1"
		case ip6.ProtoICMPv6:
			want[4] = "1"
		case 0:
			want[1], want[2] = "1352", "0"
		}
		assert.Equal(t, want, rows[i], "packet %d of protocol %d", i, protos[i])
	}
}

// tshark reads the errors of a destination as they are meant.
func TestTsharkErrors(t *testing.T) {
	t.Parallel()
	d := destination(t, truncate.T1, always{})
	var packets []ip6.Packet
	for _, p := range []ip6.Packet{udp(1400, do(opt(tr))), udp(1400, do(opt(5, 0, 0), opt(tr, 1)))} {
		q, _ := answer(t, d.Receive(epoch, p, ip6.Arrival{}), p)
		packets = append(packets, q)
	}
	rows := ip6test.Tshark(t, packets, "icmpv6.type", "icmpv6.code", "icmpv6.mtu", "icmpv6.pointer", "icmpv6.checksum.status")
	assert.Equal(t, []string{"2", "0", "1400", "", "1"}, rows[0])
	assert.Equal(t, []string{"4", "2", "", "46", "1"}, rows[1])
}

// Packets that scapy built are cut, and scapy computes the same checksum over
// what is left.
func TestScapyChecksums(t *testing.T) {
	t.Parallel()
	const n = 24
	built := ip6test.Scapy(t, fmt.Sprintf(`
random.seed(5)
for i in range(%d):
    head = IPv6(src="2001:db8:1::1", dst="2001:db8:3::1") / IPv6ExtHdrDestOpt(options=[HBHOptUnknown(otype=0x1e)])
    body = bytes(random.randrange(256) for _ in range(1400 + i))
    show(head / [UDP(sport=1, dport=2), TCP(sport=1, dport=2, flags="PA"), ICMPv6EchoRequest(id=1, seq=i)][i %% 3] / Raw(body))
`, n))
	require.Len(t, built, n)
	script := ""
	for i, p := range built {
		require.Equal(t, ip6.ChecksumGood, p.Checksum(ip6.Limits{}))
		q := cutBy(t, t1, p, 1280+i)
		built[i] = q
		script += fmt.Sprintf("p = IPv6(bytes.fromhex('%x'))\n", []byte(q))
		script += "u = p[UDP] if UDP in p else p[TCP] if TCP in p else p[ICMPv6EchoRequest]\n"
		script += "if UDP in p: del u.chksum, u.len\nelif TCP in p: del u.chksum\nelse: del u.cksum\nshow(p)\n"
	}
	again := ip6test.Scapy(t, script)
	require.Len(t, again, n)
	for i := range built {
		assert.Equal(t, built[i], again[i], "packet %d", i)
	}
}
