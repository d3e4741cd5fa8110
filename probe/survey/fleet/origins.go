package fleet

import (
	"bytes"
	"errors"

	"github.com/klauspost/compress/zstd"

	"pathmtu/probe/survey"
)

const (
	originsMagic = "pmtuorg1"
	mostOrigins  = 1 << 30 // bytes, unpacked
)

// EncodeOrigins packs the text of a table of origins.
func EncodeOrigins(text []byte) ([]byte, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	return z.EncodeAll(text, []byte(originsMagic)), z.Close()
}

func decodeOrigins(b []byte) (*survey.Origins, error) {
	packed, ok := bytes.CutPrefix(b, []byte(originsMagic))
	if !ok {
		return nil, errors.New("fleet: not a table of origins")
	}
	text, err := unpack(packed, mostOrigins)
	if err != nil {
		return nil, err
	}
	return survey.ReadOrigins("origins", bytes.NewReader(text))
}
