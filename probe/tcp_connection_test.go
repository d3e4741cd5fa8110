package probe

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"pathmtu/results"
)

// usualOptions are those of a Linux host: MSS 1460, SACK-permitted, time stamps.
var usualOptions = []byte{2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 0, 7, 0, 0, 1, 0, 1, 3, 3, 7}

func connection(t testing.TB, addr netip.Addr, options ...byte) Method {
	t.Helper()
	m, err := NewTCPConnection(Target{Addr: addr, Key: Key{1, 2, 3}}, synAck(options...), 20*time.Millisecond)
	require.NoError(t, err)
	return m
}

// TestConnectionProbes: segments have exactly the size asked for, ranges of their
// own before what the host expects, and time stamps no older than the handshake's.
func TestConnectionProbes(t *testing.T) {
	for _, addr := range []netip.Addr{host4, host6} {
		for _, options := range [][]byte{usualOptions, {2, 4, 0x05, 0xb4, 4, 2, 1, 1}} {
			m := connection(t, addr, options...)
			tr := m.Traits()
			seen := map[uint32]bool{}
			for id, size := range []int{tr.Min, tr.Min, tr.Min + 1, 1280, tr.Max} {
				b := m.Append(nil, Packet{ID: ID(id + 1), Size: size})
				require.Equal(t, size, len(b)+tr.Below)
				header := int(b[12]>>4) * 4
				end := binary.BigEndian.Uint32(b[4:]) + uint32(len(b)-header)
				assert.Negative(t, int32(end-connectionNext), "the application gets nothing")
				assert.False(t, seen[end], "each has a range of its own")
				seen[end] = true
				assert.Zero(t, binary.BigEndian.Uint32(b[8:]), "the first byte that the host sends, after its SYN")
				if len(options) == len(usualOptions) {
					require.Equal(t, 32, header)
					assert.Equal(t, []byte{1, 1, 8, 10, 0, 0, 1, 21, 0, 0, 0, 7}, b[20:32])
				}
			}
		}
	}
}

// TestConnectionAnswers: only an acknowledgement that names all of a packet's
// data, to the right ends of the connection, answers it.
func TestConnectionAnswers(t *testing.T) {
	m := connection(t, host4, usualOptions...)
	p := Packet{ID: 3, Size: 1400}
	sent := []Packet{{2, 76}, p, {4, 76}}
	back := respond(m, false, m.Append(nil, p))
	got, ok := m.Answer(back, sent)
	require.True(t, ok)
	assert.Equal(t, p, got)
	for n := range back {
		_, ok := m.Answer(back[:n], sent)
		require.False(t, ok, "prefix of %d bytes", n)
	}
	for _, i := range []int{0, 1, 2, 3, 8, 9, 10, 11, 13, 22, 23, 24, 27, 28, 31} {
		bad := append([]byte(nil), back...)
		bad[i] ^= 2
		got, ok := m.Answer(bad, sent)
		assert.False(t, ok, "byte %d changed: %v", i, got)
	}
	cut := respond(m, false, m.Append(nil, p)[:1000])
	_, ok = m.Answer(cut, sent)
	assert.False(t, ok, "only a part arrived")

	quoted, ok := m.Quoted(quoteOf(m, p, 8), sent)
	require.True(t, ok)
	assert.Equal(t, p, quoted)
	forged := quoteOf(m, p, 8)
	forged.Payload[7] ^= 1
	_, ok = m.Quoted(forged, sent)
	assert.False(t, ok, "a sequence number that was not sent")
	_, ok = m.Quoted(quoteOf(m, p, 7), sent)
	assert.False(t, ok)
}

// TestConnectionRefused: hosts that can't be measured so, and what is said of them.
func TestConnectionRefused(t *testing.T) {
	for _, c := range []struct {
		says   string
		synAck []byte
	}{
		{"no SYN-ACK: 5 bytes", []byte{1, 2, 3, 4, 5}},
		{"192.0.2.9 port 80 doesn't acknowledge selectively", synAck(2, 4, 0x05, 0xb4)},
		{"asks for segments of 10 bytes, too few for a probe", synAck(2, 4, 0, 10, 4, 2, 1, 1)},
		{"TCP option 2 is cut short", synAck(1, 1, 1, 2)},
		{"TCP option 2 is cut short", synAck(2, 0, 0, 0)},
		{"TCP header of 60 bytes in a segment of 20", func() []byte { b := synAck(); b[12] = 0xf0; return b }()},
		{"no SYN-ACK", func() []byte { b := synAck(usualOptions...); b[13] = 0x14; return b }()},
	} {
		_, err := NewTCPConnection(Target{Addr: host4}, c.synAck, 0)
		assert.ErrorContains(t, err, c.says)
	}
}

// TestConnectionMeasures: a session on a connection is exact, and the size that the
// host asks for is its own limit.
func TestConnectionMeasures(t *testing.T) {
	for _, c := range []struct {
		name    string
		path    path
		options []byte
		pmtu    int
		verdict results.Verdict
	}{
		{"honest", path{forward: 1413, ptb: says(1413)}, usualOptions, 1413, results.OK},
		{"silent", path{forward: 1413}, usualOptions, 1413, results.OKSilent},
		{"as much as it asks for", path{forward: 1500}, usualOptions, 1500, results.OK},
		{"jumbo first hop", path{link: 9000, forward: 9000}, usualOptions, 1500, results.ResponderLimit},
		{"asks for less", path{forward: 1500}, []byte{2, 4, 0x04, 0xb0, 4, 2, 1, 1}, 1240, results.ResponderLimit},
		{"asks for nothing", path{forward: 1500}, []byte{4, 2, 1, 1}, 576, results.ResponderLimit},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := c.path.run(t, newSession(t, &c.path, "tcp", func(cfg *Config) { cfg.Method = connection(t, host4, c.options...) }))
			require.NotNil(t, o.PMTU, o.Error)
			assert.Equal(t, c.pmtu, *o.PMTU)
			assert.Equal(t, c.verdict, o.Verdict, "%v", o.Evidence)
		})
	}
	p := path{forward: 1500}
	o := p.run(t, newSession(t, &p, "tcp", func(cfg *Config) { cfg.Method, cfg.Max = connection(t, host4, usualOptions...), 1300 }))
	assert.Equal(t, results.LocalLimit, o.Verdict, "the user's limit, not the host's")
}

// FuzzConnection: nothing that a host sends makes the method panic, and nothing
// but the bytes of its own answer answers.
func FuzzConnection(f *testing.F) {
	f.Add(synAck(usualOptions...), synAck())
	f.Add(synAck(4, 2, 1, 1), []byte{})
	m := connection(f, host4, usualOptions...)
	f.Add(synAck(usualOptions...), respond(m, false, m.Append(nil, Packet{3, 1400})))
	f.Fuzz(func(t *testing.T, accept, b []byte) {
		m, err := NewTCPConnection(Target{Addr: host4, Key: Key{1, 2, 3}}, accept, time.Second)
		if err != nil {
			return
		}
		tr := m.Traits()
		require.LessOrEqual(t, tr.Min, tr.Max)
		p := Packet{ID: 3, Size: tr.Max}
		require.Equal(t, tr.Max, len(m.Append(nil, p))+tr.Below)
		if got, ok := m.Answer(b, []Packet{p}); ok {
			require.Equal(t, p, got)
		}
		m.Quoted(Quote{Payload: b}, []Packet{p})
	})
}
