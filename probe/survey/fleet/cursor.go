package fleet

import (
	"encoding/json"
	"fmt"
	"math/bits"
)

// Cursor says how far a shard is.
type Cursor struct {
	// Epoch counts the leases of the shard. Who holds the lease is who raised it
	// last; nobody else can change the cursor.
	Epoch  uint32 `json:"epoch"`
	Worker string `json:"worker"`
	// Finished has a bit for each of the shard's targets whose record is in a
	// block that was kept, least significant first.
	Finished []byte `json:"finished"`
	Done     bool   `json:"done"`
}

// decodeCursor reads the cursor of a shard.
func decodeCursor(b []byte, s Shard) (*Cursor, error) {
	c := new(Cursor)
	if err := json.Unmarshal(b, c); err != nil {
		return nil, fmt.Errorf("fleet: cursor of shard %d: %w", s.Number, err)
	}
	if len(c.Finished) != bitmapLen(s.Count) {
		return nil, fmt.Errorf("fleet: cursor of shard %d: %d bytes of finished, want %d", s.Number, len(c.Finished), bitmapLen(s.Count))
	}
	return c, nil
}

func newCursor(s Shard) *Cursor { return &Cursor{Finished: make([]byte, bitmapLen(s.Count))} }

func bitmapLen(n uint64) int { return int((n + 7) / 8) }

func (c *Cursor) finished(i uint64) bool { return c.Finished[i/8]>>(i%8)&1 != 0 }
func (c *Cursor) finish(i uint64)        { c.Finished[i/8] |= 1 << (i % 8) }

func (c *Cursor) count() (n uint64) {
	for _, b := range c.Finished {
		n += uint64(bits.OnesCount8(b))
	}
	return n
}

func (c *Cursor) encode() []byte {
	b, err := json.Marshal(c)
	if err != nil {
		panic("fleet: BUG: " + err.Error()) // plain data
	}
	return b
}
