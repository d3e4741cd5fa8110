package rawsock

import (
	"context"
	"encoding/binary"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/bpf"

	"pathmtu/internal/ip6"
	"pathmtu/internal/netlab/labtest"
)

// udpPacket is a whole packet to a port where nobody listens.
func udpPacket(src, dst netip.Addr, port uint16) []byte {
	u := binary.BigEndian.AppendUint16(nil, port)
	u = append(u, 0, 9, 0, 12, 0, 0, 't', 'e', 's', 't')
	if src.Is6() {
		sum := ip6.PseudoHeader(src, dst, len(u), protoUDP).Add(u).Checksum()
		binary.BigEndian.PutUint16(u[6:], sum)
		b := ip6.AppendHeader(nil, ip6.Fields{NextHeader: protoUDP, HopLimit: 9, Src: src, Dst: dst}, len(u))
		return append(b, u...)
	}
	s, d := src.As4(), dst.As4()
	b := []byte{0x45, 0, 0, byte(20 + len(u)), 0x12, 0x34, 0x40, 0, 9, protoUDP, 0, 0}
	b = append(append(b, s[:]...), d[:]...)
	binary.BigEndian.PutUint16(b[10:], ip6.Sum(0).Add(b).Checksum())
	return append(b, u...)
}

// A Wire sends packets as they are and receives the error that quotes them.
func TestWire(t *testing.T) {
	labtest.Need(t, os.Geteuid() == 0, "root")
	for _, a := range []string{"127.0.0.1", "::1"} {
		addr := netip.MustParseAddr(a)
		w, err := OpenWire(addr, addr)
		require.NoError(t, err)
		require.NotZero(t, w.UDPPort())
		require.NotZero(t, w.TCPPort())
		sent := udpPacket(addr, addr, w.UDPPort())
		require.NoError(t, w.Send(sent))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		for {
			b, at, err := w.Receive(ctx)
			require.NoError(t, err)
			assert.False(t, at.IsZero())
			header, proto, message := 20, 9, []byte{3, 3}
			if addr.Is6() {
				header, proto, message = 40, 6, []byte{1, 4}
			}
			if b[proto] == protoUDP || string(b[header:header+2]) != string(message) {
				continue // our own packet comes by too
			}
			quoted := b[header+8:]
			assert.Equal(t, sent[header:], quoted[header:], "the upper layer as it was sent")
			if addr.Is4() {
				assert.Equal(t, sent[4:9], quoted[4:9], "identification, DF and TTL")
			}
			break
		}
		cancel()
		_, _, err = w.Receive(ctx)
		assert.ErrorIs(t, err, context.Canceled)
		require.NoError(t, w.Close())
	}
}

func TestCaptureFilter(t *testing.T) {
	for _, c := range []struct{ target, other string }{{"192.0.2.1", "192.0.2.2"}, {"2001:db8::1", "2001:db8::2"}} {
		target, other := netip.MustParseAddr(c.target), netip.MustParseAddr(c.other)
		vm, err := bpf.NewVM(captureFilter(target))
		require.NoError(t, err)
		passes := func(b []byte) bool {
			n, err := vm.Run(b)
			require.NoError(t, err)
			return n > 0
		}
		assert.True(t, passes(udpPacket(target, other, 7)), "from the target")
		assert.False(t, passes(udpPacket(other, target, 7)), "from elsewhere")
		for n := range udpPacket(target, other, 7) {
			passes(udpPacket(target, other, 7)[:n])
		}
		icmp := udpPacket(other, target, 7)
		if target.Is4() {
			icmp[9] = protoICMP
		} else {
			for i := range 16 { // each word of the address counts
				b := udpPacket(target, other, 7)
				b[8+i] ^= 1
				assert.False(t, passes(b), "byte %d", i)
			}
			icmp[6] = 0
			assert.True(t, passes(icmp), "Hop-by-Hop Options")
			icmp[6] = protoICMPv6
		}
		assert.True(t, passes(icmp), "ICMP from anybody")
	}
}

// TestSendLimited: the hop limit is that of one packet only.
func TestSendLimited(t *testing.T) {
	labtest.Need(t, os.Geteuid() == 0, "root")
	for _, a := range []string{"127.0.0.1", "::1"} {
		addr := netip.MustParseAddr(a)
		w, err := OpenWire(addr, addr)
		require.NoError(t, err)
		f, err := OpenUDP(nil, addr, netip.AddrPortFrom(addr, 9))
		require.NoError(t, err)
		for _, want := range []int{5, TTL} {
			if want == TTL {
				require.NoError(t, f.Send([]byte("probe")))
			} else {
				require.NoError(t, f.SendLimited([]byte("probe"), want))
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			for {
				b, _, err := w.Receive(ctx)
				require.NoError(t, err)
				limit, proto, upper := 8, 9, 20
				if addr.Is6() {
					limit, proto, upper = 7, 6, 40
				}
				if b[proto] == protoUDP && binary.BigEndian.Uint16(b[upper:]) == f.Local().Port() {
					assert.EqualValues(t, want, b[limit])
					break
				}
			}
			cancel()
		}
		require.NoError(t, f.Close())
		require.NoError(t, w.Close())
	}
}
