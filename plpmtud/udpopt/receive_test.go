package udpopt

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// packet builds a datagram and lets f spoil it, before the UDP checksum and the
// OCS are put right again, unless f returns false.
func packet(t *testing.T, data string, opts []byte, size int) []byte {
	t.Helper()
	p, err := AppendDatagram(nil, a4, b4, []byte(data), opts, size)
	require.NoError(t, err)
	return p
}

// The dispositions of RFC 9868 section 14, with those of sections 8 to 12.
func TestDisposition(t *testing.T) {
	req := AppendREQ(nil, 1)
	noUDPChecksum := func(p []byte) []byte { p[6], p[7] = 0, 0; return p }
	noOCS := func(p []byte) []byte {
		n := int(binary.BigEndian.Uint16(p[4:]))
		p[n+n&1], p[n+n&1+1] = 0, 0
		return p
	}
	badOCS := func(p []byte) []byte { p[len(p)-1] ^= 1; return p }
	frag := AppendFRAG(nil, Frag{Start: headerLen + ocsLen + lenFragNonTerminal, ID: 1, Offset: 8})
	for _, c := range []struct {
		name string
		p    []byte
		do   Disposition
		err  error
		data string
		req  bool
	}{
		{"no options", packet(t, "data", nil, 0), Deliver, nil, "data", false},
		{"options", packet(t, "data", req, 0), Deliver, nil, "data", true},
		{"options at an odd start", packet(t, "odd", req, 0), Deliver, nil, "odd", true},
		{"UDP checksum wrong", func() []byte { p := packet(t, "data", req, 0); p[8] ^= 1; return p }(), Discard, ErrChecksum, "eata", false},
		{"UDP checksum zero, OCS good", noUDPChecksum(packet(t, "data", req, 0)), Deliver, nil, "data", true},
		{"UDP checksum zero, OCS zero", noOCS(noUDPChecksum(packet(t, "data", req, 0))), Deliver, nil, "data", true},
		{"UDP checksum zero, OCS bad", badOCS(noUDPChecksum(packet(t, "data", req, 0))), Legacy, BadOCS, "data", false},
		{"UDP checksum good, OCS zero", noOCS(packet(t, "data", req, 0)), Legacy, NoOCS, "data", false},
		{"UDP checksum good, OCS bad", badOCS(packet(t, "data", req, 0)), Legacy, BadOCS, "data", false},
		{"section 10: malformed", packet(t, "data", []byte{100, 1}, 0), Legacy, BadLength, "data", false},
		{"section 11.1: tail not zero", packet(t, "data", []byte{0, 1}, 0), Legacy, NonZeroTail, "data", false},
		{"section 12: UNSAFE outside a fragment", packet(t, "data", []byte{200, 2}, 0), Empty, UnsafeOption, "data", false},
		{"section 11.4: FRAG beside data", packet(t, "data", append(frag, "more"...), 0), Legacy, BadLength, "data", false},
		{"section 11.4: UNSAFE in a fragment", packet(t, "", append(AppendFRAG(nil, Frag{Start: headerLen + ocsLen + 12, Offset: 8}), 200, 2), 0), Discard, UnsafeFragment, "", false},
		{"section 11.4: fragment", packet(t, "", append(frag, "more"...), 0), Fragment, nil, "", false},
		{"one byte of surplus", append(packet(t, "data", nil, 0), 0), Legacy, NoRoom, "data", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := Receive(a4.Addr(), b4.Addr(), c.p)
			assert.Equal(t, c.do, r.Do)
			assert.Equal(t, c.err, r.Err)
			assert.Equal(t, c.data, string(r.UserData))
			assert.Equal(t, c.req, r.Options.Has(REQ))
			assert.NotEqual(t, "BUG", r.Do.String())
		})
	}
	t.Run("section 11.4: FRAG beside data that is well-formed otherwise", func(t *testing.T) {
		frag := AppendFRAG(nil, Frag{Start: headerLen + 4 + ocsLen + lenFragNonTerminal, ID: 1, Offset: 8})
		r := Receive(a4.Addr(), b4.Addr(), packet(t, "data", append(frag, "more"...), 0))
		assert.Equal(t, Legacy, r.Do)
		assert.Equal(t, FragData, r.Err)
		assert.Equal(t, "data", string(r.UserData))
	})
	t.Run("RFC 8200: UDP checksum zero over IPv6", func(t *testing.T) {
		p, err := AppendDatagram(nil, a6, b6, []byte("data"), nil, 0)
		require.NoError(t, err)
		r := Receive(a6.Addr(), b6.Addr(), noUDPChecksum(p))
		assert.Equal(t, Discard, r.Do)
		assert.Equal(t, ErrNoChecksum, r.Err)
	})
	t.Run("addresses", func(t *testing.T) {
		assert.Equal(t, ErrFamily, Receive(a4.Addr(), b6.Addr(), packet(t, "data", nil, 0)).Err)
	})
}

// Section 10: UDP Length is 8 to the IP payload; every prefix of a good packet
// fails, or, once it holds the UDP datagram, has its options ignored.
func TestLengths(t *testing.T) {
	p := packet(t, "data", AppendREQ(nil, 1), 40)
	for n := range p {
		r := Receive(a4.Addr(), b4.Addr(), p[:n])
		switch {
		case n < headerLen+4:
			assert.Equal(t, Discard, r.Do, n)
			var e *LengthError
			assert.ErrorAs(t, r.Err, &e)
			assert.Equal(t, n, e.Payload)
			assert.Contains(t, e.Error(), "want")
		case n == headerLen+4:
			assert.Equal(t, Deliver, r.Do, n)
		default:
			assert.Equal(t, Legacy, r.Do, n)
		}
		assert.False(t, r.Options.Has(REQ), n)
	}
	for _, length := range []uint16{0, 7, 41, 65535} {
		bad := append([]byte{}, p...)
		binary.BigEndian.PutUint16(bad[4:], length)
		_, err := ParseDatagram(bad)
		assert.ErrorContains(t, err, "UDP Length is")
	}
}

// D4.1-1, U4.2-2 and RFC 9869 section 4.2: padding is told from data, and a probe
// is not delivered to the layer above.
func TestProbesAreNotData(t *testing.T) {
	for _, c := range []struct {
		name  string
		p     []byte
		probe bool
	}{
		{"REQ without data", packet(t, "", AppendREQ(nil, 1), 1480), true},
		{"RES without data", packet(t, "", AppendRES(nil, 1), 0), true},
		{"REQ with data", packet(t, "x", AppendREQ(nil, 1), 0), false},
		{"empty datagram", packet(t, "", nil, 0), false},
		{"empty datagram with MDS", packet(t, "", AppendMDS(nil, 1), 0), false},
	} {
		r := Receive(a4.Addr(), b4.Addr(), c.p)
		assert.Equal(t, c.probe, r.Probe(), c.name)
	}
}
