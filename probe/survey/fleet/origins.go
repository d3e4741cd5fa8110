package fleet

import (
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"pathmtu/probe/survey"
)

const (
	originsMagic = "pmtuorg1"
	// mostOrigins is some times as much as all routes of the Internet take, as
	// text. Bytes.
	mostOrigins = 128 << 20
)

// EncodeOrigins packs the text of a table of origins, of at most 128 MiB.
func EncodeOrigins(text []byte) ([]byte, error) {
	if len(text) > mostOrigins {
		return nil, &PlanError{"origins", fmt.Sprintf("%d bytes", len(text)), fmt.Sprintf("at most %d", mostOrigins)}
	}
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	return z.EncodeAll(text, []byte(originsMagic)), z.Close()
}

// decodeOrigins reads a blob with a table of origins.
func decodeOrigins(b []byte) (*survey.Origins, error) {
	u, ok, err := unpack(b, originsMagic, mostOrigins)
	if !ok {
		return nil, errors.New("fleet: not a table of origins")
	}
	if err != nil {
		return nil, fmt.Errorf("fleet: origins: %w", err)
	}
	defer u.close()
	return survey.ReadOrigins("origins", u)
}
