package rawsock

import (
	"fmt"
	"net/netip"
	"time"
)

// Message is something that came back for a Flow.
type Message struct {
	At   time.Time
	From netip.Addr
	// Data is a datagram that the target sent: a UDP payload, an ICMP message, a TCP
	// segment, or for a flow of OpenIP a whole IP packet.
	Data []byte
	// Error is an ICMP error, if not nil; then Data is not set.
	Error *ICMPError
}

// ICMPError is an ICMP or ICMPv6 error about a packet of a Flow.
type ICMPError struct {
	Type, Code uint8
	MTU        int // of a Packet Too Big, bytes
	Quote      Quote
}

// Quote is what an ICMP error quotes. Zero: not known, because the kernel's
// error queue doesn't tell.
type Quote struct {
	Src, Dst  netip.Addr
	Proto     uint8
	TTL       int
	Length    int    // of the whole packet quoted from, bytes
	Transport []byte // UDP header
	Payload   []byte // UDP payload, or the whole ICMP message or TCP segment; for a flow of OpenIP, the whole packet
}

// SendError says why a packet could not be sent.
type SendError struct {
	TooBig    bool // EMSGSIZE
	Transient bool // out of buffers
	Err       error
}

func (e *SendError) Error() string { return e.Err.Error() }

// Unwrap returns the system's error.
func (e *SendError) Unwrap() error { return e.Err }

// PrivilegeError says that a kind of socket needs a privilege that the process
// lacks.
type PrivilegeError struct {
	What string // the kind of socket
	Need string // what would allow it
	Err  error
}

func (e *PrivilegeError) Error() string {
	return fmt.Sprintf("%s: %v; it needs %s", e.What, e.Err, e.Need)
}

// Unwrap returns the system's error.
func (e *PrivilegeError) Unwrap() error { return e.Err }
