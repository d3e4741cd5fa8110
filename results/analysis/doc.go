// Package analysis sums up records: how path MTUs are distributed, what the
// verdicts are, how honest routers are about it, what is lost at which size, and
// what measuring it costs. It sees one record at a time, in memory that depends
// on what differs, not on how many there are. All sizes are whole IP packets in
// bytes.
package analysis
