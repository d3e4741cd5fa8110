package fleet_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pathmtu/probe/survey/fleet"
	"pathmtu/probe/survey/fleet/natsfleet"
	"pathmtu/results"
)

func bench(b *testing.B) fleet.Backend {
	s, err := natsfleet.StartServer(natsfleet.ServerConfig{Store: b.TempDir()})
	require.NoError(b, err)
	b.Cleanup(s.Shutdown)
	q, err := s.Connect(b.Context(), natsfleet.Config{Name: "bench"})
	require.NoError(b, err)
	b.Cleanup(q.Disconnect)
	return q
}

// What a survey needs of its queue: at the default rate of 1000 packets a second
// a record for each 3.76 packets, the fewest that a target took on average in
// results/2026-11-26-survey; and of each worker a shard in two minutes, which is
// how long the default size of a shard lasts.
const (
	surveyRecords = 1000 / 3.76 // a second
	surveyShards  = 1.0 / 120   // a second and worker
)

// BenchmarkSink carries blocks from a worker to a Collector's hands, written to
// disk before each is confirmed.
func BenchmarkSink(b *testing.B) {
	q := bench(b)
	block := &fleet.Block{Survey: "bench", Vantage: "a", Worker: results.Worker{ID: "w"}}
	for i := range fleet.DefaultBlock {
		block.Records = append(block.Records, record(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 1500))
	}
	_, err := q.Receive(b.Context(), "bench", 1, time.Millisecond)
	require.NoError(b, err)
	failed := make(chan error, 1)
	b.ResetTimer()
	go func() {
		for i := range b.N {
			block.Sequence = uint32(i)
			packed, err := block.Encode()
			if err == nil {
				err = q.Publish(b.Context(), "bench", "a", block.ID(), packed)
			}
			if err != nil {
				failed <- err
				return
			}
		}
	}()
	var got int
	for got < b.N {
		select {
		case err := <-failed:
			b.Fatal(err)
		default:
		}
		ds, err := q.Receive(b.Context(), "bench", 64, time.Second)
		require.NoError(b, err)
		for _, d := range ds {
			x, err := fleet.DecodeBlock(d.Block)
			require.NoError(b, err)
			require.Len(b, x.Records, fleet.DefaultBlock)
			require.NoError(b, d.Ack(b.Context()))
			got++
		}
	}
	s := b.Elapsed().Seconds()
	b.ReportMetric(float64(got)/s, "blocks/s")
	records := float64(got*fleet.DefaultBlock) / s
	b.ReportMetric(records, "records/s")
	b.ReportMetric(surveyRecords, "records/s-needed")
	b.ReportMetric(records/surveyRecords, "times-the-need")
}

// BenchmarkLease enqueues, leases and finishes shards.
func BenchmarkLease(b *testing.B) {
	q := bench(b)
	p, _, _ := makePlan(b, 100, "a")
	p.ID = "bench"
	require.NoError(b, q.Open(b.Context(), p.ID, "a", time.Minute))
	b.ResetTimer()
	for range b.N {
		require.NoError(b, q.Enqueue(b.Context(), p.At(0, "a")))
		l, err := q.Lease(b.Context(), p.ID, "a", 5*time.Second)
		require.NoError(b, err)
		require.NotNil(b, l)
		require.NoError(b, l.Done(b.Context()))
	}
	shards := float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(shards, "shards/s")
	b.ReportMetric(surveyShards, "shards/s-needed-by-a-worker")
	b.ReportMetric(shards/surveyShards, "times-the-need")
}
