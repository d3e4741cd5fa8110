// Package fleet runs one survey on many machines.
//
//	coordinator ──shards──► Queue ──lease──► worker: survey.Engine
//	     │                  Store  ◄─cursor──┤
//	     └──◄──blocks────── Sink  ◄─blocks───┘
//
// The unit of work is a shard: some thousands of targets that stand next to one
// another in the order of the survey. A worker leases a shard for a minute or
// so, extends the lease while it measures, and acknowledges it when all of its
// results are kept. A shard whose worker falls silent goes to another worker of
// the same vantage, which goes on where the shard's cursor is.
//
// Results travel in compressed blocks. A block is published until it is
// confirmed, always under the same message id, so that the Sink keeps it once;
// a target that was measured twice, since a worker died between a block and its
// cursor, is dropped by the Collector. So there is exactly one final record for
// each target and vantage, whatever was killed.
//
// All bounds of rate hold for all workers together: a worker sends at a share of
// each of them, and the shares, which are kept in the Store and expire with the
// lease, never make more than the whole.
//
// Memory is a Queue, a Sink and a Store within one process; package natsfleet
// has them on NATS JetStream.
package fleet
