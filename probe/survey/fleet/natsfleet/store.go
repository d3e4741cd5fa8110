package natsfleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"pathmtu/probe/survey/fleet"
)

var _ fleet.Backend = (*Backend)(nil)

func (b *Backend) kv(key string) jetstream.KeyValue {
	if strings.HasPrefix(key, fleet.WorkerPrefix) {
		return b.workers
	}
	return b.values
}

// Get implements fleet.Store.
func (b *Backend) Get(ctx context.Context, key string) (fleet.Value, error) {
	ctx, cancel := bound(ctx)
	defer cancel()
	e, err := b.kv(key).Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return fleet.Value{}, fleet.ErrNotFound
	}
	if err != nil {
		return fleet.Value{}, fmt.Errorf("get %s: %w", key, err)
	}
	return fleet.Value{Data: e.Value(), Revision: e.Revision(), Created: e.Created()}, nil
}

// Put implements fleet.Store.
func (b *Backend) Put(ctx context.Context, key string, data []byte, revision uint64) (uint64, error) {
	ctx, cancel := bound(ctx)
	defer cancel()
	var err error
	if revision == 0 {
		revision, err = b.kv(key).Create(ctx, key, data)
	} else {
		revision, err = b.kv(key).Update(ctx, key, data, revision)
	}
	var api *jetstream.APIError
	switch {
	case err == nil:
		return revision, nil
	case errors.Is(err, jetstream.ErrKeyExists), errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence:
		return 0, fleet.ErrConflict
	}
	return 0, fmt.Errorf("put %s: %w", key, err)
}

// Set implements fleet.Store.
func (b *Backend) Set(ctx context.Context, key string, data []byte) error {
	ctx, cancel := bound(ctx)
	defer cancel()
	if _, err := b.kv(key).Put(ctx, key, data); err != nil {
		return fmt.Errorf("set %s: %w", key, err)
	}
	return nil
}

// Keys implements fleet.Store.
func (b *Backend) Keys(ctx context.Context, prefix string) ([]string, error) {
	ctx, cancel := bound(ctx)
	defer cancel()
	l, err := b.kv(prefix).ListKeysFiltered(ctx, prefix+">")
	if err != nil {
		return nil, fmt.Errorf("keys %s: %w", prefix, err)
	}
	var keys []string
	for k := range l.Keys() {
		keys = append(keys, k)
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("keys %s: %w", prefix, ctx.Err())
	}
	return keys, nil
}

// PutBlob implements fleet.Store.
func (b *Backend) PutBlob(ctx context.Context, name string, data []byte) error {
	if len(data) > fleet.MostBlob {
		return fmt.Errorf("blob %s: %d bytes, want at most %d", name, len(data), fleet.MostBlob)
	}
	ctx, cancel := context.WithTimeout(ctx, blobTime)
	defer cancel()
	if i, err := b.blobs.GetInfo(ctx, name); err == nil && i.Size == uint64(len(data)) {
		return nil // its name is its content's
	}
	_, err := b.blobs.PutBytes(ctx, name, data)
	return err
}

// Blob implements fleet.Store.
func (b *Backend) Blob(ctx context.Context, name string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, blobTime)
	defer cancel()
	o, err := b.blobs.Get(ctx, name)
	if errors.Is(err, jetstream.ErrObjectNotFound) {
		return nil, fleet.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", name, err)
	}
	data, err := readBlob(o)
	if err = errors.Join(err, o.Close()); err != nil {
		return nil, fmt.Errorf("blob %s: %w", name, err)
	}
	return data, nil
}

// readBlob reads an object of the size that it is said to have, unless that is
// more than a blob may have.
func readBlob(o jetstream.ObjectResult) ([]byte, error) {
	info, err := o.Info()
	if err != nil {
		return nil, err
	}
	if info.Size > fleet.MostBlob {
		return nil, fmt.Errorf("%d bytes, want at most %d", info.Size, fleet.MostBlob)
	}
	data, err := io.ReadAll(io.LimitReader(o, int64(info.Size)+1))
	if err == nil && uint64(len(data)) != info.Size {
		err = fmt.Errorf("not the %d bytes that it is said to have", info.Size)
	}
	return data, err
}
