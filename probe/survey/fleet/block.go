package fleet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"

	"pathmtu/results"
)

// Sizes of blocks.
const (
	LeastBlock   = 256 // records; the last block of a shard, and an old one, may have fewer
	DefaultBlock = 512
	MostBlock    = 1024
	mostBlock    = 64 << 20 // bytes, unpacked
)

// Block is some records of a shard, all by one worker: it travels once, and is in
// each record that DecodeBlock returns.
type Block struct {
	Survey  string `json:"survey"`
	Vantage string `json:"vantage"`
	Shard   uint64 `json:"shard"`
	// Sequence numbers the blocks of an epoch, from 0.
	Sequence uint32            `json:"sequence"`
	Worker   results.Worker    `json:"worker"`
	Records  []*results.Record `json:"-"`
}

// ID names the block: survey/vantage/shard/sequence. What is measured again
// after a worker died isn't the same block: the epoch stands above the sequence.
func (b *Block) ID() string {
	return fmt.Sprintf("%s/%s/%d/%d", b.Survey, b.Vantage, b.Shard, uint64(b.Worker.Epoch)<<32|uint64(b.Sequence))
}

// Encode returns the block, packed: JSON lines, the first of which is the block
// without its records.
func (b *Block) Encode() ([]byte, error) {
	if len(b.Records) > MostBlock {
		return nil, fmt.Errorf("fleet: block of %d records, want at most %d", len(b.Records), MostBlock)
	}
	var text bytes.Buffer
	if err := json.NewEncoder(&text).Encode(b); err != nil {
		return nil, err
	}
	w := results.NewWriter(&text)
	for _, r := range b.Records {
		if err := w.Write(r); err != nil {
			return nil, err
		}
	}
	z, err := packer()
	if err != nil {
		return nil, err
	}
	return z.EncodeAll(text.Bytes(), nil), nil
}

// packer and unpacker of blocks are for any number of goroutines: making one
// costs more than a block.
var (
	packer   = sync.OnceValues(func() (*zstd.Encoder, error) { return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest)) })
	unpacker = sync.OnceValues(func() (*zstd.Decoder, error) { return zstd.NewReader(nil, zstd.WithDecoderMaxMemory(mostBlock)) })
)

// DecodeBlock reads a packed block.
func DecodeBlock(packed []byte) (*Block, error) {
	z, err := unpacker()
	if err != nil {
		return nil, err
	}
	raw, err := z.DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("fleet: block: %w", err)
	}
	head, rest, ok := bytes.Cut(raw, []byte("\n"))
	if !ok {
		return nil, errors.New("fleet: block without a first line")
	}
	b := new(Block)
	if err := json.Unmarshal(head, b); err != nil {
		return nil, fmt.Errorf("fleet: block: %w", err)
	}
	if err := b.Worker.Validate(); err != nil {
		return nil, fmt.Errorf("fleet: block: %w", err)
	}
	in := results.NewReader(bytes.NewReader(rest))
	for {
		r, err := in.Read()
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return nil, fmt.Errorf("fleet: block: record %d: %w", len(b.Records), err)
		}
		if len(b.Records) == MostBlock {
			return nil, fmt.Errorf("fleet: block of more than %d records", MostBlock)
		}
		r.Worker = &b.Worker
		b.Records = append(b.Records, r)
	}
}
