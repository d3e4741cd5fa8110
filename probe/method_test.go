package probe

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/results"
)

func methods(t testing.TB, attribution string) []Method {
	t.Helper()
	var out []Method
	for _, host := range []netip.Addr{host4, host6} {
		target := targetOf(host, Key{9})
		target.Attribution = attribution
		for _, name := range Names() {
			m, err := NewMethod(name, target, 0, 77)
			if host.Is4() && (name == "hbh" || name == "truncate") {
				require.ErrorIs(t, err, ErrIPv6Only)
				continue
			}
			require.NoError(t, err)
			require.Equal(t, name, m.Name())
			out = append(out, m)
		}
	}
	return out
}

// targetOf is a target as seen from a host of its family.
func targetOf(host netip.Addr, key Key) Target {
	t := Target{Addr: host, Key: key, Source: source6, LinkMTU: 9000}
	if host.Is4() {
		t.Source = source4
	}
	return t
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
			sizes := exact{min: tr.Min, step: tr.Step}
			for _, size := range []int{tr.Min, tr.Min + 1, 1280, 1499, 1500, 9000, min(65535, tr.Max)} {
				size = sizes.up(size)
				if size > tr.Max {
					size = sizes.down(tr.Max)
				}
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

func TestNewMethodRefuses(t *testing.T) {
	_, err := NewMethod("udp", Target{Addr: host4, Attribution: string(make([]byte, 201))}, 0, 0)
	assert.ErrorContains(t, err, "attribution is 201 bytes, want at most 200")
	_, err = NewMethod("udp", Target{Addr: host4, Attribution: "a\x00b"}, 0, 0)
	assert.ErrorContains(t, err, "want no NUL in it")
	_, err = NewMethod("pigeon", Target{Addr: host4}, 0, 0)
	assert.ErrorContains(t, err, `method "pigeon": want one of [icmp udp quic dns stun ntp tcp udpopt hbh truncate]`)
	_, err = NewMethod("udpopt", Target{Addr: host4}, 0, 0)
	assert.ErrorIs(t, err, ErrNoSource)
	_, err = NewMethod("udpopt", Target{Addr: host4, Source: host6}, 0, 0)
	assert.ErrorIs(t, err, ErrNoSource)
}

// TestAnswerICMP: an echo reply is an answer only whole, and only with our token.
func TestAnswerICMP(t *testing.T) {
	for _, host := range []netip.Addr{host4, host6} {
		m := NewICMP(Target{Addr: host, Key: Key{9}}, 77)
		p := Packet{ID: 70000, Size: 1000}
		reply := m.Append(nil, p)
		_, ok := m.Answer(reply, nil)
		assert.False(t, ok, "a request is no answer")
		reply[0] = m.(*icmpEcho).reply()
		got, ok := m.Answer(reply, nil)
		require.True(t, ok)
		assert.Equal(t, p, got)
		for n := range reply {
			_, ok := m.Answer(reply[:n], nil)
			require.False(t, ok, "prefix of %d bytes", n)
		}
		for i := range icmpHeader + tokenLen {
			if i >= 2 && i < 6 {
				continue // checksum and identifier: the kernel's matter
			}
			bad := append([]byte(nil), reply...)
			bad[i] ^= 1
			_, ok := m.Answer(bad, nil)
			assert.False(t, ok, "byte %d changed", i)
		}
		other := NewICMP(Target{Addr: host, Key: Key{8}}, 77)
		_, ok = other.Answer(reply, nil)
		assert.False(t, ok, "another key")
	}
}

// TestQuoted (D4.6.1-3, D4.6.1-4, D8-2): a quote with the token names its probe,
// and one without it none; a shorter one may name the probe whose length it
// tells, and never another.
func TestQuoted(t *testing.T) {
	for _, m := range methods(t, "") {
		tr := m.Traits()
		p := Packet{ID: 3, Size: tr.Min + 400}
		sent := []Packet{{2, tr.Min}, p}
		q := quoteOf(m, p, 548)
		got, ok := m.Quoted(q, sent)
		require.True(t, ok, m.Name())
		assert.Equal(t, p, got)
		for n := range 548 {
			if got, ok := m.Quoted(quoteOf(m, p, n), sent); ok {
				require.Equal(t, p, got, "%s: %d bytes quoted", m.Name(), n)
			}
		}
		other, err := NewMethod(m.Name(), targetOf(addrOf(m), Key{10}), 0, 77)
		require.NoError(t, err)
		_, ok = other.Quoted(q, nil)
		assert.False(t, ok, "%s: another key", m.Name())
	}
}

func addrOf(m Method) netip.Addr {
	v6 := m.Traits().Below == 40 || m.Traits().Below == 48
	if m.Traits().Carrier == IP {
		v6 = m.Append(nil, Packet{1, m.Traits().Min})[0]>>4 == 6
	}
	if v6 {
		return host6
	}
	return host4
}

// TestAnswers: what a server answers names the probe; cut short, or with a bit
// changed where it matters, it doesn't, or still names the same one.
func TestAnswers(t *testing.T) {
	for _, m := range methods(t, "https://example.net/probing") {
		tr := m.Traits()
		if tr.ClosedPort {
			continue
		}
		p := Packet{ID: 9, Size: tr.Min + 40}
		sent := []Packet{{8, tr.Min}, p, {10, tr.Min}}
		back := respond(m, addrOf(m).Is6(), m.Append(nil, p))
		require.NotNil(t, back, m.Name())
		got, ok := m.Answer(back, sent)
		require.True(t, ok, m.Name())
		assert.Equal(t, p, got)
		for n := range back {
			if got, ok := m.Answer(back[:n], sent); ok {
				require.Equal(t, p, got, "%s: %d bytes", m.Name(), n)
			}
		}
		if tr.Direction == results.Forward {
			assert.Less(t, len(back)+tr.Below, tr.Min, "%s: not more comes back than was sent", m.Name())
		}
		_, ok = m.Answer(m.Append(nil, p), sent)
		assert.False(t, ok, "%s: a probe is no answer", m.Name())
		other, err := NewMethod(m.Name(), targetOf(addrOf(m), Key{10}), 0, 77)
		require.NoError(t, err)
		_, ok = other.Answer(back, sent)
		assert.False(t, ok, "%s: another key", m.Name())
	}
}

// TestForgedToken: no bit of a token can be changed.
func TestForgedToken(t *testing.T) {
	k := Key{9}
	token := k.appendToken(nil, "icmp", Packet{3, 1400})
	got, ok := k.openToken(token, "icmp")
	require.True(t, ok)
	assert.Equal(t, Packet{3, 1400}, got)
	for i := range len(token) * 8 {
		token[i/8] ^= 1 << (i % 8)
		_, ok := k.openToken(token, "icmp")
		assert.False(t, ok, "bit %d", i)
		token[i/8] ^= 1 << (i % 8)
	}
	for n := range token {
		_, ok := k.openToken(token[:n], "icmp")
		assert.False(t, ok, "%d bytes", n)
	}
	_, ok = k.openToken(token, "udp")
	assert.False(t, ok, "of another method")
}

// TestShortQuoted: RFC 792 asks a router to quote 8 bytes only. They have to
// fit a packet that was really sent.
func TestShortQuoted(t *testing.T) {
	m4 := NewICMP(Target{Addr: host4, Key: Key{9}}, 77)
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

	udp := NewUDP(Target{Addr: host4, Key: Key{9}}, 0)
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
	p := Packet{ID: 3, Size: 1248}
	for _, m := range ms {
		b := m.Append(nil, p)
		f.Add(respond(m, false, b), 0, []byte(nil))
		f.Add(b, 200, []byte{0, 0, 0, 0, 0, 180, 0, 0})
		b[0] = 0
		f.Add(b, 0, []byte(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte, length int, transport []byte) {
		for _, m := range ms {
			if got, ok := m.Answer(b, []Packet{p}); ok {
				require.NotZero(t, got.ID)
			}
			if got, ok := m.Quoted(Quote{Length: length, Transport: transport, Payload: b}, []Packet{p, {4, 1000}}); ok {
				require.NotZero(t, got.ID)
			}
		}
	})
}
