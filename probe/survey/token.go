package survey

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"math"
)

// Key makes tokens unguessable. It is drawn anew for each run.
type Key [16]byte

// tokenLen: size (2 bytes), number of the probe (1), method (1), tag (8).
const tokenLen = 12

// stamp is what a token says about the probe that carries it.
type stamp struct {
	size   uint16
	seq    uint8
	method Kind
}

// tokens makes and checks tokens by AES-128 in CBC-MAC mode over messages of
// two blocks, the first of them the address. It isn't safe for concurrent use.
type tokens struct {
	block cipher.Block
	b     [16]byte
}

func newTokens(k Key) *tokens {
	block, err := aes.NewCipher(k[:])
	if err != nil {
		panic("survey: BUG: " + err.Error()) // the length is right
	}
	return &tokens{block: block}
}

func (t *tokens) tag(a number, s stamp) uint64 {
	t.b = a.bytes()
	t.block.Encrypt(t.b[:], t.b[:])
	t.b[0] ^= byte(s.size >> 8)
	t.b[1] ^= byte(s.size)
	t.b[2] ^= s.seq
	t.b[3] ^= byte(s.method) + 1
	t.block.Encrypt(t.b[:], t.b[:])
	return binary.BigEndian.Uint64(t.b[:])
}

func (t *tokens) append(b []byte, a number, s stamp) []byte {
	b = binary.BigEndian.AppendUint16(b, s.size)
	b = append(b, s.seq, byte(s.method))
	return binary.BigEndian.AppendUint64(b, t.tag(a, s))
}

// open returns what the token at the start of b says, if it was made for the
// address.
func (t *tokens) open(b []byte, a number) (stamp, bool) {
	if len(b) < tokenLen {
		return stamp{}, false
	}
	s := stamp{binary.BigEndian.Uint16(b), b[2], Kind(b[3])}
	return s, binary.BigEndian.Uint64(b[4:]) == t.tag(a, s)
}

// marks returns 32 bits for the address: what an ICMP error that quotes 8 bytes
// only is recognised by.
func (t *tokens) marks(a number) (id, seq uint16) {
	x := t.tag(a, stamp{math.MaxUint16, math.MaxUint8, math.MaxUint8 - 1})
	return uint16(x >> 16), uint16(x)
}
