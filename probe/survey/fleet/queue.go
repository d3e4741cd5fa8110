package fleet

import (
	"context"
	"errors"
	"time"
)

var (
	// ErrNotFound says that a key has no value.
	ErrNotFound = errors.New("not found")
	// ErrConflict says that a value was changed by somebody else.
	ErrConflict = errors.New("changed by another")
)

// Value is what a Store holds under a key.
type Value struct {
	Data     []byte
	Revision uint64    // of the key, from 1, growing
	Created  time.Time // when the Store took it, by the Store's clock
}

// WorkerPrefix is what keys of workers begin with: they vanish WorkerTTL after
// they were last set.
const (
	WorkerPrefix = "worker."
	WorkerTTL    = time.Minute
)

// MostBlob bounds a blob: 1 GiB, some times the list of as many addresses as a
// survey reads. Bytes.
const MostBlob = 1 << 30

// Store keeps small values and blobs. Keys are letters, digits, '-', '_' and
// '.'. It is safe for concurrent use.
type Store interface {
	// Get returns ErrNotFound if there is no value.
	Get(ctx context.Context, key string) (Value, error)
	// Put replaces the value whose revision is given, 0: there is none. It returns
	// ErrConflict if that isn't so, and the new revision otherwise.
	Put(ctx context.Context, key string, data []byte, revision uint64) (uint64, error)
	// Set sets a value whatever it was.
	Set(ctx context.Context, key string, data []byte) error
	// Keys returns the keys with a prefix, which ends in a dot.
	Keys(ctx context.Context, prefix string) ([]string, error)
	// PutBlob keeps at most MostBlob bytes.
	PutBlob(ctx context.Context, name string, data []byte) error
	// Blob returns ErrNotFound if there is none of that name.
	Blob(ctx context.Context, name string) ([]byte, error)
}

// Queue hands out shards, each to one worker at a time, until one says that it
// is done. It is safe for concurrent use.
type Queue interface {
	// Open prepares a survey's work for one vantage. Again: nothing changes.
	Open(ctx context.Context, survey, vantage string, lease time.Duration) error
	// Enqueue adds a shard. Twice: it may be handed out twice, which costs a look
	// at its cursor.
	Enqueue(ctx context.Context, s Shard) error
	// Lease waits for a shard for some time. Nil: there was none.
	Lease(ctx context.Context, survey, vantage string, wait time.Duration) (Lease, error)
	// Depth says how much there is to do.
	Depth(ctx context.Context, survey, vantage string) (Depth, error)
	// Purge drops all work of a survey that isn't leased.
	Purge(ctx context.Context, survey string) error
	// Close forgets a survey that is finished.
	Close(ctx context.Context, survey string) error
}

// Depth counts shards.
type Depth struct {
	Waiting uint64 `json:"waiting"`
	Leased  uint64 `json:"leased"`
	Again   uint64 `json:"handed_out_again"` // leased now, and before
}

// Lease is a shard that is one worker's for the plan's time from when it was
// leased or last extended.
type Lease interface {
	Shard() Shard
	Extend(ctx context.Context) error
	// Done returns when the Queue has forgotten the shard.
	Done(ctx context.Context) error
	// Release gives the shard back, to be handed out again after a while.
	Release(ctx context.Context, after time.Duration) error
}

// Sink carries blocks of results to the one Collector of a survey. It is safe
// for concurrent use.
type Sink interface {
	// Publish returns nil when the block is kept. After an error the block may
	// have been kept or not: publish it again, with the same id. A Sink that is
	// full returns an error.
	Publish(ctx context.Context, survey, vantage, id string, block []byte) error
	// Receive waits some time for blocks, and returns at most max of them. A block
	// that isn't acknowledged comes again.
	Receive(ctx context.Context, survey string, max int, wait time.Duration) ([]Delivery, error)
	// Pending returns how many blocks wait for the Collector.
	Pending(ctx context.Context, survey string) (uint64, error)
}

// Delivery is a block that came.
type Delivery struct {
	Block []byte
	Ack   func(context.Context) error
}

// Backend is all three.
type Backend interface {
	Store
	Queue
	Sink
}
