//go:build !linux

package udpsock

import (
	"syscall"
	"time"
)

// ErrorQueue reads what came back about the datagrams of a UDP socket. This
// system has none.
type ErrorQueue struct{ v validator }

// NewErrorQueue returns an *UnsupportedError.
func NewErrorQueue(_ syscall.Conn, cfg QueueConfig) (*ErrorQueue, error) {
	if _, err := cfg.normalise(); err != nil {
		return nil, err
	}
	return nil, unsupported(FeatureErrorQueue)
}

// Read does nothing.
func (q *ErrorQueue) Read(time.Time, func(Notice)) error { return unsupported(FeatureErrorQueue) }

// Stats returns the counters.
func (q *ErrorQueue) Stats() QueueStats { return q.v.stats }
