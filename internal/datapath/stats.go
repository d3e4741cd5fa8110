package datapath

import "sync/atomic"

// counters are a port's statistics. One goroutine adds, any may read.
type counters struct {
	rxPackets, rxBytes, txPackets, txBytes            atomic.Uint64
	rxDropped, txDropped, gso, malformed, csum, kicks atomic.Uint64
}

func (c *counters) snapshot() Stats {
	return Stats{
		RxPackets: c.rxPackets.Load(), RxBytes: c.rxBytes.Load(),
		TxPackets: c.txPackets.Load(), TxBytes: c.txBytes.Load(),
		RxDropped: c.rxDropped.Load(), TxDropped: c.txDropped.Load(),
		GSO: c.gso.Load(), Malformed: c.malformed.Load(),
		Checksums: c.csum.Load(), Kicks: c.kicks.Load(),
	}
}
