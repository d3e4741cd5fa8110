package udpecho

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
)

// headerLen is the size of the header, which is also the whole of an answer.
const headerLen = 28

const (
	offKind   = 8
	offLength = 10
	offToken  = 12
	offMAC    = 20
)

// maxPayload is the largest UDP payload, in bytes.
const maxPayload = 65535 - 28

// kind says what a datagram of this layer is.
type kind uint8

const (
	probeKind  kind = 1
	answerKind kind = 2
)

// header is what a probe begins with, and what an answer is.
type header struct {
	kind kind
	// length is the UDP payload of the probe as it was sent (in a probe), or as
	// it was received (in an answer), in bytes.
	length int
	// token names the probe.
	token uint64
}

// publicKey is used by those who configure none. It tells probes from
// application datagrams, and keeps nobody on the path from answering probes.
var publicKey = []byte("pathmtu/plpmtud/udpecho, version 1: no secret")

// codec writes and reads headers under one key. It is safe for concurrent use.
type codec struct {
	mark [8]byte // what every datagram of this layer begins with
	key  []byte
}

func newCodec(key []byte) *codec {
	if len(key) == 0 {
		key = publicKey
	}
	c := &codec{key: derive(key, "authenticate")}
	copy(c.mark[:], derive(key, "mark"))
	return c
}

func derive(key []byte, purpose string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(purpose))
	return h.Sum(nil)
}

// put writes a header into the first headerLen bytes of b.
func (c *codec) put(b []byte, h header) {
	copy(b, c.mark[:])
	b[offKind], b[offKind+1] = byte(h.kind), 0
	binary.BigEndian.PutUint16(b[offLength:], uint16(h.length))
	binary.BigEndian.PutUint64(b[offToken:], h.token)
	c.mac(b[offMAC:offMAC], b)
}

// mac appends the authenticator of the header in b to dst: 8 bytes.
func (c *codec) mac(dst, b []byte) {
	h := hmac.New(sha256.New, c.key)
	h.Write(b[:offMAC])
	var sum [sha256.Size]byte
	_ = append(dst, h.Sum(sum[:0])[:headerLen-offMAC]...)
}

// marked says whether a datagram may be of this layer; most application
// datagrams cost no more than this.
func (c *codec) marked(b []byte) bool {
	return len(b) >= headerLen && [8]byte(b[:8]) == c.mark
}

// parse reads the header of a received datagram. ok is false for whatever is
// not of this layer: it belongs to the application.
func (c *codec) parse(b []byte) (h header, ok bool) {
	if !c.marked(b) {
		return header{}, false
	}
	var want [headerLen - offMAC]byte
	c.mac(want[:0], b)
	if !hmac.Equal(want[:], b[offMAC:headerLen]) {
		return header{}, false
	}
	h = header{
		kind:   kind(b[offKind]),
		length: int(binary.BigEndian.Uint16(b[offLength:])),
		token:  binary.BigEndian.Uint64(b[offToken:]),
	}
	return h, true
}

// valid says whether a header that was authenticated is also possible in a
// datagram of which n bytes were received. The byte after the kind is zero when
// sent and ignored when received.
func (h header) valid(n int) bool {
	switch h.kind {
	case probeKind:
		return h.length >= n && h.length >= headerLen && h.length <= maxPayload
	case answerKind:
		return n == headerLen && h.length >= headerLen && h.length <= maxPayload
	}
	return false
}
