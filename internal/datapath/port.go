package datapath

import (
	"errors"
	"fmt"
	"net"
)

// Kind is the mechanism of a port.
type Kind string

// The kinds of ports.
const (
	KindTUN      Kind = "tun"
	KindAFPacket Kind = "afpacket"
	KindAFXDP    Kind = "afxdp"
)

// ParseKind returns the kind that s names.
func ParseKind(s string) (Kind, error) {
	switch k := Kind(s); k {
	case KindTUN, KindAFPacket, KindAFXDP:
		return k, nil
	}
	return "", fmt.Errorf("datapath: kind %q: want tun, afpacket or afxdp", s)
}

// MAC is an Ethernet address. Ports without a link layer ignore it.
type MAC [6]byte

// String returns the address in the usual notation.
func (m MAC) String() string { return net.HardwareAddr(m[:]).String() }

// BatchSize is the largest number of packets in a [Batch].
const BatchSize = 64

// Batch holds received packets. Each is a whole IP packet in memory that the
// port lends until Release: it may be changed in place.
type Batch struct {
	N    int
	Data [BatchSize][]byte
}

func (b *Batch) add(pkt []byte) {
	b.Data[b.N] = pkt
	b.N++
}

// Full reports that no further packet fits.
func (b *Batch) Full() bool { return b.N == BatchSize }

// Info describes the interface of a port at the time of the call.
type Info struct {
	Kind  Kind
	Name  string
	Index int // interface index in the namespace the port was opened in
	MTU   int // bytes of the largest IP packet
	MAC   MAC // zero without a link layer
}

// Stats counts what a port did. Packets that a port passed on to the kernel
// are not in it.
type Stats struct {
	RxPackets, RxBytes uint64 // bytes of IP packets
	TxPackets, TxBytes uint64
	RxDropped          uint64 // by the kernel, for want of room in the ring
	TxDropped          uint64 // no room in the ring, or the kernel refused the packet
	GSO                uint64 // unsegmented frames of a local sender, dropped
	Malformed          uint64 // frames without a whole IP packet, dropped
	Checksums          uint64 // checksums finished that a local sender had left to offload
	Kicks              uint64 // system calls that sent packets
}

// Port is one interface that IPv6 packets come from and go to.
type Port interface {
	// Info returns name, index and addresses of the interface, and its present MTU.
	Info() Info
	// Recv adds waiting packets to an empty batch. It never blocks.
	Recv(b *Batch) error
	// Release ends the loan of all packets of the last Recv.
	Release()
	// Send queues a copy of an IP packet; to is the next hop's link-layer
	// address. It reports false when the packet was dropped for want of room.
	Send(pkt []byte, to MAC) bool
	// Flush hands the queued packets to the kernel. It never blocks.
	Flush() error
	// FD returns the file descriptor that poll(2) finds readable when packets wait.
	FD() int
	// Stats returns the counters. Unlike the other methods it may be called
	// while another goroutine uses the port; figures may then lag behind.
	Stats() Stats
	// Close frees all resources and undoes what opening the port did to the interface.
	Close() error
}

// NotSupportedError tells that this system lacks something that a datapath
// needs. It matches [errors.ErrUnsupported].
type NotSupportedError struct {
	Feature string // what was asked for, such as "AF_XDP"
	Reason  string // why it can't be had, and what would help
	Err     error  // what the system said; may be nil
}

// Error implements error.
func (e *NotSupportedError) Error() string {
	s := fmt.Sprintf("%s is not supported here: %s", e.Feature, e.Reason)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns what the system said.
func (e *NotSupportedError) Unwrap() error { return e.Err }

// Is makes errors.Is(err, errors.ErrUnsupported) true.
func (e *NotSupportedError) Is(target error) bool { return target == errors.ErrUnsupported }

// ErrClosed is returned by the methods of a closed port.
var ErrClosed = errors.New("datapath: port is closed")
