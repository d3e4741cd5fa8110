package fleet

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"

	"github.com/klauspost/compress/zstd"

	"pathmtu/probe/survey"
)

const listMagic = "pmtulst1"

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

// DecodeList reads a blob that lists a number of targets. It takes memory for the
// ranges that it reads, 24 bytes each, and reads no more of them than can hold
// so many targets, or survey.MostEntries. It returns a *PlanError if the list holds
// another number.
func DecodeList(b []byte, targets uint64) (*survey.Set, error) {
	const most = survey.MostEntries * (16 + binary.MaxVarintLen64)
	u, ok, err := unpack(b, listMagic, most)
	if !ok {
		return nil, errors.New("fleet: not a list of targets")
	}
	if err != nil {
		return nil, fmt.Errorf("fleet: list of targets: %w", err)
	}
	defer u.close()
	in := bufio.NewReaderSize(u, 1<<16)
	var bad error
	set, err := survey.SetOf(func(yield func(netip.Addr, uint64) bool) {
		left := targets
		for entries := 0; ; entries++ {
			a, n, err := readRange(in)
			switch {
			case err == io.EOF:
				return
			case err != nil:
				bad = fmt.Errorf("fleet: list of targets: %w", err)
				return
			case n > left:
				bad = &PlanError{"targets", targets, "more, as the list holds"}
				return
			case entries == survey.MostEntries:
				bad = fmt.Errorf("fleet: list of targets: more than %d ranges", survey.MostEntries)
				return
			}
			left -= n
			if !yield(a, n) {
				return
			}
		}
	})
	switch {
	case bad != nil:
		return nil, bad
	case err != nil:
		return nil, err
	case set.Len() != targets:
		return nil, &PlanError{"targets", targets, fmt.Sprintf("%d, as many as the list holds", set.Len())}
	}
	return set, nil
}

// readRange reads one range: its first address, and how many there are. It returns
// io.EOF before one only.
func readRange(in *bufio.Reader) (netip.Addr, uint64, error) {
	var a [16]byte
	if _, err := io.ReadFull(in, a[:]); err != nil {
		if err == io.ErrUnexpectedEOF {
			err = errShort
		}
		return netip.Addr{}, 0, err
	}
	n, err := binary.ReadUvarint(in)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = errShort
	}
	return netip.AddrFrom16(a).Unmap(), n, err
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
