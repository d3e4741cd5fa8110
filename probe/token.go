package probe

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

// Key makes tokens unguessable. It is drawn anew for each Session.
type Key [16]byte

// tokenLen is the length of a token: ID (4 bytes), size (4), authenticator (8).
const tokenLen = 16

// appendToken appends what proves that a packet, or the quote of one, is ours.
func (k Key) appendToken(b []byte, method string, p Packet) []byte {
	at := len(b)
	b = binary.BigEndian.AppendUint32(b, uint32(p.ID))
	b = binary.BigEndian.AppendUint32(b, uint32(p.Size))
	mac := k.sum(method, b[at:])
	return append(b, mac[:]...)
}

// openToken returns what the token at the start of b names, if it is genuine.
func (k Key) openToken(b []byte, method string) (Packet, bool) {
	if len(b) < tokenLen {
		return Packet{}, false
	}
	mac := k.sum(method, b[:8])
	if !hmac.Equal(mac[:], b[8:tokenLen]) {
		return Packet{}, false
	}
	return Packet{ID: ID(binary.BigEndian.Uint32(b)), Size: int(binary.BigEndian.Uint32(b[4:]))}, true
}

func (k Key) sum(method string, b []byte) (mac [8]byte) {
	h := hmac.New(sha256.New, k[:])
	h.Write([]byte(method))
	h.Write(b)
	copy(mac[:], h.Sum(nil))
	return mac
}

// body is the payload of a probe that has no format of its own: the
// attribution with a NUL, the token, and padding that doesn't compress.
type body struct {
	method string
	Target
}

// Name is the method's name.
func (y body) Name() string { return y.method }

// least returns the length of a body without padding.
func (y body) least() int { return y.tokenAt() + tokenLen }

func (y body) tokenAt() int {
	if y.Attribution == "" {
		return 0
	}
	return len(y.Attribution) + 1
}

// append appends n bytes, at least least().
func (y body) append(b []byte, n int, p Packet) []byte {
	end := len(b) + n
	if y.Attribution != "" {
		b = append(b, y.Attribution...)
		b = append(b, 0)
	}
	b = y.Key.appendToken(b, y.method, p)
	return appendPadding(b, end-len(b), p)
}

func (y body) open(b []byte) (Packet, bool) {
	if len(b) < y.tokenAt() {
		return Packet{}, false
	}
	return y.Key.openToken(b[y.tokenAt():], y.method)
}

// appendPadding appends n bytes that a link can't compress and that differ from
// packet to packet, the same each time for the same packet.
func appendPadding(b []byte, n int, p Packet) []byte {
	x := uint64(p.ID)<<32 | uint64(uint32(p.Size)) | 1
	for n > 0 {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		w := binary.LittleEndian.AppendUint64(nil, x)
		k := min(n, len(w))
		b = append(b, w[:k]...)
		n -= k
	}
	return b
}
