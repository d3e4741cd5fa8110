package wiretap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"pathmtu/internal/netlab"
)

// Packet is one IP packet as the interface saw it.
type Packet struct {
	At      time.Time // by the kernel's clock
	Size    int       // of the whole packet, in bytes
	Out     bool      // sent, not received
	Version int       // 4 or 6
	Proto   uint8     // of IPv4, or Next Header of IPv6
	To      netip.Addr
}

// Tap is an interface that is observed.
type Tap struct {
	fd    int
	end   chan struct{}
	group sync.WaitGroup
}

const (
	headers = 64                    // bytes of each packet that are looked at
	look    = 20 * time.Millisecond // of silence, before Close is noticed
	buffer  = 16 << 20              // bytes of socket buffer
)

// Open observes an interface of a namespace: each is called for each IP packet,
// one after the other, by a goroutine of the Tap.
func Open(ns *netlab.Namespace, iface string, each func(Packet)) (*Tap, error) {
	t := &Tap{end: make(chan struct{})}
	if err := ns.Do(func() error { return t.open(iface) }); err != nil {
		return nil, fmt.Errorf("wiretap: interface %q: %w", iface, err)
	}
	t.group.Go(func() { t.read(each) })
	return t, nil
}

func (t *Tap) open(iface string) error {
	all := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL))
	in, err := net.InterfaceByName(iface)
	if err != nil {
		return err
	}
	if t.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return err
	}
	wait := unix.NsecToTimeval(look.Nanoseconds())
	err = errors.Join(
		unix.SetsockoptInt(t.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffer),
		unix.SetsockoptInt(t.fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		unix.SetsockoptTimeval(t.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait),
		unix.Bind(t.fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: in.Index}),
	)
	if err != nil {
		_ = unix.Close(t.fd)
	}
	return err
}

func (t *Tap) read(each func(Packet)) {
	b, oob := make([]byte, headers), make([]byte, 128)
	for {
		n, oobn, _, from, err := unix.Recvmsg(t.fd, b, oob, 0)
		if err == nil {
			if p, ok := parse(b[:n]); ok {
				p.At = stamp(oob[:oobn])
				if ll, is := from.(*unix.SockaddrLinklayer); is {
					p.Out = ll.Pkttype == unix.PACKET_OUTGOING
				}
				each(p)
			}
			continue
		}
		select {
		case <-t.end:
			return
		default:
		}
	}
}

func parse(b []byte) (Packet, bool) {
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		return Packet{Size: int(binary.BigEndian.Uint16(b[2:])), Version: 4, Proto: b[9], To: netip.AddrFrom4([4]byte(b[16:20]))}, true
	case len(b) >= 40 && b[0]>>4 == 6:
		return Packet{Size: 40 + int(binary.BigEndian.Uint16(b[4:])), Version: 6, Proto: b[6], To: netip.AddrFrom16([16]byte(b[24:40]))}, true
	}
	return Packet{}, false
}

func stamp(oob []byte) time.Time {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return time.Now()
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SO_TIMESTAMPNS && len(m.Data) >= int(unsafe.Sizeof(unix.Timespec{})) {
			ts := *(*unix.Timespec)(unsafe.Pointer(&m.Data[0]))
			return time.Unix(ts.Unix())
		}
	}
	return time.Now()
}

// Lost returns how many packets the Tap has missed since the last call.
func (t *Tap) Lost() (int, error) {
	s, err := unix.GetsockoptTpacketStats(t.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 0, fmt.Errorf("wiretap: %w", err)
	}
	return int(s.Drops), nil
}

// Close ends the observation, after all that was captured was handed out.
func (t *Tap) Close() error {
	close(t.end)
	t.group.Wait()
	return unix.Close(t.fd)
}
