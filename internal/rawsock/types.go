package rawsock

import (
	"net/netip"
	"time"
)

// Link is the link by which packets to a target leave.
type Link struct {
	Name   string
	MTU    int // bytes
	Source netip.Addr
}

// Handshake is how a connection began.
type Handshake struct {
	SynAck []byte        // the TCP segment that accepted it
	Age    time.Duration // from the SYN until the handshake was known to be complete
}
