package udpoptsock

import (
	"encoding/binary"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// icmp4 is a "fragmentation needed" with a good checksum.
func icmp4(mtu uint16, quote string) []byte {
	b := append([]byte{3, 4, 0, 0, 0, 0, byte(mtu >> 8), byte(mtu)}, quote...)
	binary.BigEndian.PutUint16(b[2:], ^checksum(b))
	return b
}

func TestParsePTB(t *testing.T) {
	for _, quote := range []string{"", "quote", "quoted"} {
		mtu, q, ok := parsePTB(icmp4(1420, quote), false)
		assert.True(t, ok)
		assert.Equal(t, 1420, mtu)
		assert.Equal(t, quote, string(q))
	}
	mtu, q, ok := parsePTB([]byte{2, 0, 1, 2, 0, 0, 5, 0, 'q'}, true)
	assert.True(t, ok)
	assert.Equal(t, 1280, mtu)
	assert.Equal(t, "q", string(q))
	mtu, _, _ = parsePTB([]byte{2, 0, 1, 2, 255, 255, 255, 255}, true)
	assert.Equal(t, 1<<16, mtu)

	good := icmp4(1420, "quote")
	for n := range minICMP {
		for _, six := range []bool{false, true} {
			_, _, ok := parsePTB(good[:n], six)
			assert.False(t, ok)
		}
	}
	for bit := range len(good) * 8 {
		bad := append([]byte{}, good...)
		bad[bit/8] ^= 1 << (bit % 8)
		_, _, ok := parsePTB(bad, false)
		assert.False(t, ok, "bit %d", bit)
	}
	_, _, ok = parsePTB([]byte{1, 0, 0, 0, 0, 0, 5, 0}, true)
	assert.False(t, ok)
}

func FuzzParsePTB(f *testing.F) {
	f.Add(icmp4(1420, "quote"), false)
	f.Add([]byte{2, 0, 0, 0, 0, 0, 5, 0}, true)
	f.Fuzz(func(t *testing.T, b []byte, six bool) {
		mtu, quote, ok := parsePTB(b, six)
		if ok && (mtu < 0 || mtu > 1<<16 || len(quote)+minICMP != len(b)) {
			t.Fatalf("MTU %d, %d bytes of %d quoted", mtu, len(quote), len(b))
		}
	})
}

// A deadline that has passed can be taken back, also while somebody waits.
func TestDeadline(t *testing.T) {
	q := newQueue()
	for range 100 {
		q.deadline.set(time.Now().Add(-time.Second))
		_, err := q.get()
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		q.deadline.set(time.Now().Add(50 * time.Microsecond))
		q.deadline.set(time.Time{})
		q.put([]byte("x"), netip.AddrPort{})
		d, err := q.get()
		require.NoError(t, err)
		require.Equal(t, "x", string(d.data))
	}
}

// What nobody reads is dropped, not kept.
func TestQueueIsBounded(t *testing.T) {
	q := newQueue()
	for range 2 * queued {
		q.put(nil, netip.AddrPort{})
	}
	assert.Len(t, q.ch, queued)
}
