package udpecho

import "pathmtu/plpmtud/udpsock"

// Stats counts what a Conn did since Wrap.
type Stats struct {
	Greetings   uint64             // probes of the least size, to learn whether a peer has this layer
	Probes      uint64             // probes sent
	Answered    uint64             // probes of others that were answered
	Limited     uint64             // and those over the limit, not answered
	Acked       uint64             // answers to own probes
	Stray       uint64             // answers that match no probe: late, repeated or forged
	Reflected   uint64             // own probes that came back
	Malformed   uint64             // datagrams of this layer that make no sense
	Hints       uint64             // ICMP messages about size that were believed
	Evicted     uint64             // peers forgotten because there were too many
	Peers       int                // peers known now
	ErrorQueue  udpsock.QueueStats // of ICMP messages; nothing where the system has no error queue
	ErrorsNoted uint64             // socket errors of earlier datagrams, kept from the application
}
