package fleet

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"

	"github.com/klauspost/compress/zstd"

	"pathmtu/probe/survey"
)

const (
	listMagic = "pmtulst1"
	mostList  = 2 << 30 // bytes, unpacked
)

// BlobName names a blob after its content.
func BlobName(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// EncodeList returns a Set as a blob: after a magic, packed, 16 bytes of the
// first address of each range and a varint of how many follow.
func EncodeList(s *survey.Set) ([]byte, error) {
	out := bytes.NewBufferString(listMagic)
	z, err := zstd.NewWriter(out, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	var b []byte
	for a, n := range s.Ranges() {
		a16 := a.As16()
		b = binary.AppendUvarint(append(b[:0], a16[:]...), n)
		if _, err := z.Write(b); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil { // not before all is in out
		return nil, err
	}
	return out.Bytes(), nil
}

// DecodeList reads a blob of targets.
func DecodeList(b []byte) (*survey.Set, error) {
	packed, ok := bytes.CutPrefix(b, []byte(listMagic))
	if !ok {
		return nil, errors.New("fleet: not a list of targets")
	}
	raw, err := unpack(packed, mostList)
	if err != nil {
		return nil, fmt.Errorf("fleet: list of targets: %w", err)
	}
	short := false
	set, err := survey.SetOf(func(yield func(netip.Addr, uint64) bool) {
		for len(raw) > 0 {
			if len(raw) < 17 {
				short = true
				return
			}
			a := netip.AddrFrom16([16]byte(raw)).Unmap()
			n, k := binary.Uvarint(raw[16:])
			if k <= 0 {
				short = true
				return
			}
			raw = raw[16+k:]
			if !yield(a, n) {
				return
			}
		}
	})
	if short {
		return nil, errors.New("fleet: list of targets: cut short")
	}
	return set, err
}

// unpack decompresses at most some bytes.
func unpack(b []byte, most uint64) ([]byte, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(most))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	return z.DecodeAll(b, nil)
}

// targets returns those of a shard that aren't finished yet.
func targets(set *survey.Set, s Shard, c *Cursor) (*survey.List, error) {
	order := survey.NewOrder(set.Len(), s.Seed)
	l := &survey.List{}
	for i := range s.Count {
		if c.finished(i) {
			continue
		}
		if err := l.Add(set.At(order.At(s.Start + i)).String()); err != nil {
			return nil, err
		}
	}
	return l, nil
}
