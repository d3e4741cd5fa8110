package internet

import "time"

// limits is a table of token buckets of fixed size: two hosts that meet in it
// push each other out, and begin anew.
type limits []bucket

type bucket struct {
	key   uint64
	empty time.Duration // when the bucket would be full again
}

func newLimits() limits { return make(limits, 1<<16) }

// take takes a token of key's bucket, which holds burst tokens and gets a new
// one after every.
func (l limits) take(now time.Duration, key uint64, burst int, every time.Duration) bool {
	b := &l[mix(key)>>48]
	if b.key != key {
		*b = bucket{key: key}
	}
	full := max(b.empty, now)
	if full-now > time.Duration(burst-1)*every {
		return false
	}
	b.empty = full + every
	return true
}
