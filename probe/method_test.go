package probe

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func methods(t testing.TB, attribution string) []Method {
	t.Helper()
	var out []Method
	for _, host := range []netip.Addr{host4, host6} {
		target := Target{Addr: host, Key: Key{9}, Attribution: attribution}
		icmp, err := NewICMP(target, 77)
		require.NoError(t, err)
		udp, err := NewUDP(target, 0)
		require.NoError(t, err)
		out = append(out, icmp, udp)
	}
	return out
}

// quoteOf quotes the first n bytes of a probe's transport header and payload.
func quoteOf(m Method, p Packet, n int) Quote {
	q := Quote{Length: p.Size, Payload: m.Append(nil, p)}
	if m.Traits().Carrier == UDP {
		q.Transport = make([]byte, 8)
		binary.BigEndian.PutUint16(q.Transport[4:], uint16(len(q.Payload)+8))
	}
	q.Payload = q.Payload[:min(n, len(q.Payload))]
	return q
}

func TestProbeSizes(t *testing.T) {
	for _, attribution := range []string{"", "https://example.net/probing"} {
		for _, m := range methods(t, attribution) {
			tr := m.Traits()
			for _, size := range []int{tr.Min, tr.Min + 1, 1280, 1499, 1500, 9000, 65535} {
				b := m.Append([]byte("before"), Packet{ID: 5, Size: size})
				assert.Equal(t, "before", string(b[:6]))
				assert.Equal(t, size, len(b)-6+tr.Below, "%s of %d bytes", m.Name(), size)
				if attribution != "" {
					assert.Contains(t, string(b), attribution+"\x00", "RFC 9511 section 3")
				}
			}
		}
	}
}

func TestTooLongAttribution(t *testing.T) {
	_, err := NewUDP(Target{Addr: host4, Attribution: string(make([]byte, 201))}, 0)
	assert.ErrorContains(t, err, "attribution is 201 bytes, want at most 200")
}

// TestAnswerICMP: an echo reply is an answer only whole, and only with our token.
func TestAnswerICMP(t *testing.T) {
	for _, host := range []netip.Addr{host4, host6} {
		m, err := NewICMP(Target{Addr: host, Key: Key{9}}, 77)
		require.NoError(t, err)
		p := Packet{ID: 70000, Size: 1000}
		reply := m.Append(nil, p)
		_, ok := m.Answer(reply)
		assert.False(t, ok, "a request is no answer")
		reply[0] = m.(*icmpEcho).reply()
		got, ok := m.Answer(reply)
		require.True(t, ok)
		assert.Equal(t, p, got)
		for n := range reply {
			_, ok := m.Answer(reply[:n])
			require.False(t, ok, "prefix of %d bytes", n)
		}
		for i := range icmpHeader + tokenLen {
			if i >= 2 && i < 6 {
				continue // checksum and identifier: the kernel's matter
			}
			bad := append([]byte(nil), reply...)
			bad[i] ^= 1
			_, ok := m.Answer(bad)
			assert.False(t, ok, "byte %d changed", i)
		}
		other, err := NewICMP(Target{Addr: host, Key: Key{8}}, 77)
		require.NoError(t, err)
		_, ok = other.Answer(reply)
		assert.False(t, ok, "another key")
	}
}

// TestQuoted (D4.6.1-3, D4.6.1-4, D8-2): a quote with the token names its probe,
// and a forged one none.
func TestQuoted(t *testing.T) {
	for _, m := range methods(t, "") {
		p := Packet{ID: 3, Size: 1400}
		sent := []Packet{{2, 64}, p}
		got, ok := m.Quoted(quoteOf(m, p, 548), sent)
		require.True(t, ok, m.Name())
		assert.Equal(t, p, got)
		q := quoteOf(m, p, 548)
		for i := range q.Payload[:24] {
			if m.Traits().Carrier == ICMPEcho && i >= 2 && i < 8 {
				continue // the token says more
			}
			if m.Traits().Carrier == UDP && i >= 16 {
				continue // padding
			}
			q.Payload[i] ^= 0x80
			_, ok := m.Quoted(q, sent)
			assert.False(t, ok, "%s: byte %d changed", m.Name(), i)
			q.Payload[i] ^= 0x80
		}
	}
}

// TestShortQuoted: RFC 792 asks a router to quote 8 bytes only. They have to
// fit a packet that was really sent.
func TestShortQuoted(t *testing.T) {
	m4, err := NewICMP(Target{Addr: host4, Key: Key{9}}, 77)
	require.NoError(t, err)
	sent := []Packet{{2, 44}, {3, 1400}}
	q := quoteOf(m4, sent[1], 8)
	got, ok := m4.Quoted(q, sent)
	require.True(t, ok)
	assert.Equal(t, sent[1], got)
	q.Payload[2] ^= 1
	_, ok = m4.Quoted(q, sent)
	assert.False(t, ok, "the checksum covers the token: an attacker can't guess it")
	q.Payload[2] ^= 1
	q.Payload[4] ^= 1 // the kernel's identifier
	q.Payload[2], q.Payload[3] = 0, 0
	full := m4.Append(nil, sent[1])
	full[4] ^= 1
	full[2], full[3] = 0, 0
	binary.BigEndian.PutUint16(q.Payload[2:], checksum(full))
	_, ok = m4.Quoted(q, sent)
	assert.True(t, ok, "with a ping socket, the kernel chooses the identifier")
	q.Length = 1399
	_, ok = m4.Quoted(q, sent)
	assert.False(t, ok, "length of no packet sent")

	udp, err := NewUDP(Target{Addr: host4, Key: Key{9}}, 0)
	require.NoError(t, err)
	got, ok = udp.Quoted(quoteOf(udp, sent[1], 0), sent)
	require.True(t, ok)
	assert.Equal(t, sent[1], got)
	_, ok = udp.Quoted(Quote{}, sent)
	assert.False(t, ok, "two sizes are possible, and nothing tells which")
	got, ok = udp.Quoted(Quote{}, sent[1:])
	require.True(t, ok, "only one is possible, and the socket matched the ports")
	assert.Equal(t, sent[1], got)
}

func TestPaddingDoesNotRepeat(t *testing.T) {
	a := appendPadding(nil, 1000, Packet{1, 1500})
	b := appendPadding(nil, 1000, Packet{2, 1500})
	assert.NotEqual(t, a, b)
	assert.Equal(t, a, appendPadding(nil, 1000, Packet{1, 1500}))
	seen := map[byte]int{}
	for _, c := range a {
		seen[c]++
	}
	assert.Greater(t, len(seen), 200, "looks random")
}

// FuzzMethods: nothing that arrives makes a Method panic, or name a probe
// without the right token.
func FuzzMethods(f *testing.F) {
	ms := methods(f, "")
	p := Packet{ID: 3, Size: 200}
	for _, m := range ms {
		b := m.Append(nil, p)
		f.Add(b, 200, []byte{0, 0, 0, 0, 0, 180, 0, 0})
		b[0] = 0
		f.Add(b, 0, []byte(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte, length int, transport []byte) {
		for _, m := range ms {
			if got, ok := m.Answer(b); ok {
				require.Equal(t, m.Append(nil, got)[icmpHeader:icmpHeader+tokenLen], b[icmpHeader:icmpHeader+tokenLen])
			}
			if got, ok := m.Quoted(Quote{Length: length, Transport: transport, Payload: b}, []Packet{p, {4, 1000}}); ok {
				require.NotZero(t, got.ID)
			}
		}
	})
}
