package datapath

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"pathmtu/internal/ip6"
)

// vnetFrame is what the receive ring holds: a virtio header, and a frame with
// an ICMPv6 echo whose checksum is left to offload if offload is set.
func vnetFrame(t testing.TB, data []byte, offload bool) (ring []byte, want ip6.Packet) {
	f := ip6.Fields{HopLimit: 64, Src: netip.MustParseAddr("2001:db8::1"), Dst: netip.MustParseAddr("2001:db8::2"), NextHeader: ip6.ProtoICMPv6}
	want = ip6.AppendEcho(nil, f, ip6.TypeEchoRequest, 1, 2, data)
	ring = make([]byte, vnetHdrLen+etherLen)
	putEther(ring[vnetHdrLen:], MAC{2}, MAC{4})
	ring = append(ring, want...)
	if offload {
		ring[0] = unix.VIRTIO_NET_HDR_F_NEEDS_CSUM
		binary.NativeEndian.PutUint16(ring[6:], etherLen+ipv6Len)
		binary.NativeEndian.PutUint16(ring[8:], 2)
		// The sender leaves the folded sum of the pseudo-header, not its complement.
		sum := ip6.PseudoHeader(f.Src, f.Dst, len(want)-ipv6Len, ip6.ProtoICMPv6).Fold()
		binary.BigEndian.PutUint16(ring[vnetHdrLen+etherLen+ipv6Len+2:], sum)
	}
	return ring, want
}

func TestChecksumIsFinished(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		data := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(rt, "data")
		ring, want := vnetFrame(t, data, true)
		var c counters
		got := packetOf(append(ring, 1, 2, 3), true, &c)
		if string(got) != string(want) {
			rt.Fatalf("got %x, want %x", got, want)
		}
		if c.csum.Load() != 1 || c.rxPackets.Load() != 1 {
			rt.Fatal("counters")
		}
	})
}

func TestFrameThatIsRefused(t *testing.T) {
	for name, change := range map[string]func([]byte) []byte{
		"unsegmented":             func(b []byte) []byte { b[1] = unix.VIRTIO_NET_HDR_GSO_TCPV6; return b },
		"checksum before payload": func(b []byte) []byte { binary.NativeEndian.PutUint16(b[6:], 20); return b },
		"checksum beyond the end": func(b []byte) []byte { binary.NativeEndian.PutUint16(b[8:], 0xffff); return b },
		"version":                 func(b []byte) []byte { b[vnetHdrLen+etherLen] = 0x45; return b },
		"shorter than its header says": func(b []byte) []byte {
			return b[:len(b)-1]
		},
	} {
		ring, _ := vnetFrame(t, []byte("hello"), true)
		var c counters
		assert.Nil(t, packetOf(change(ring), true, &c), name)
		assert.EqualValues(t, 1, c.malformed.Load()+c.gso.Load(), name)
	}
	ring, _ := vnetFrame(t, []byte("hello"), false)
	var c counters
	assert.Nil(t, packetOf(ring, false, &c), "the ring had no room for all of it")
	for n := vnetHdrLen; n < len(ring); n++ {
		require.Nil(t, packetOf(ring[:n], true, &c), "%d of %d bytes", n, len(ring))
	}
}

func FuzzFrame(f *testing.F) {
	for _, offload := range []bool{false, true} {
		ring, _ := vnetFrame(f, []byte("hello"), offload)
		f.Add(ring, true)
	}
	f.Fuzz(func(t *testing.T, b []byte, whole bool) {
		if len(b) < vnetHdrLen {
			return // the kernel writes a whole header
		}
		var c counters
		if p := packetOf(b, whole, &c); p != nil {
			if _, err := ip6.Parse(p); err != nil {
				t.Fatal(err)
			}
		}
	})
}
