package fleet

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// mostWindow bounds what a blob's packing may refer back to, and so the memory
// that unpacking takes: as much as packing here uses. Bytes.
const mostWindow = 8 << 20

// unpacked is a blob as it is unpacked: piece by piece, so that memory follows
// what its reader keeps, whatever the blob claims to be.
type unpacked struct {
	z    *zstd.Decoder
	most int64 // bytes, unpacked
	left int64
}

// unpack returns what follows a blob's magic; false: it has another one. More
// than some bytes is an error.
func unpack(b []byte, magic string, most int64) (*unpacked, bool, error) {
	packed, ok := bytes.CutPrefix(b, []byte(magic))
	if !ok {
		return nil, false, nil
	}
	z, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(mostWindow))
	if err != nil {
		return nil, true, err
	}
	return &unpacked{z, most, most}, true, nil
}

// Read implements io.Reader.
func (u *unpacked) Read(b []byte) (int, error) {
	n, err := u.z.Read(b[:min(int64(len(b)), u.left+1)])
	if u.left -= int64(n); u.left < 0 {
		return 0, fmt.Errorf("more than %d bytes when unpacked", u.most)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errShort
	}
	return n, err
}

func (u *unpacked) close() { u.z.Close() }

var errShort = errors.New("cut short")
