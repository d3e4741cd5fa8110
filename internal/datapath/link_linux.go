package datapath

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	etherLen  = 14
	etherIPv6 = 0x86dd
	// ipv6Len is the length of an IPv6 header.
	ipv6Len = 40
)

// linkInfo looks the interface up in the namespace of the calling thread.
func linkInfo(name string) (Info, *netlink.LinkAttrs, error) {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return Info{}, nil, fmt.Errorf("datapath: interface %q: %w", name, err)
	}
	a := l.Attrs()
	in := Info{Name: a.Name, Index: a.Index, MTU: a.MTU}
	copy(in.MAC[:], a.HardwareAddr)
	return in, a, nil
}

// etherLink is linkInfo for ports that need an Ethernet interface which is up.
func etherLink(name string, kind Kind) (Info, error) {
	in, a, err := linkInfo(name)
	if err != nil {
		return in, err
	}
	in.Kind = kind
	if a.EncapType != "ether" {
		return in, &NotSupportedError{Feature: string(kind), Reason: fmt.Sprintf("interface %q is of type %q, not Ethernet; use a TUN port", name, a.EncapType)}
	}
	if a.RawFlags&unix.IFF_UP == 0 {
		return in, fmt.Errorf("datapath: interface %q is down", name)
	}
	return in, nil
}

// mtuReader asks for the MTU of an interface through a socket opened in its
// namespace, so that any thread may ask.
type mtuReader struct {
	fd  int
	ifr *unix.Ifreq
}

func newMTUReader(name string) (*mtuReader, error) {
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return nil, fmt.Errorf("datapath: interface name %q: %w", name, err)
	}
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("datapath: control socket: %w", err)
	}
	return &mtuReader{fd: fd, ifr: ifr}, nil
}

// read returns the MTU now, or last when the interface can't be asked (it may
// have moved to another namespace).
func (m *mtuReader) read(last int) int {
	m.ifr.SetUint32(0)
	if err := unix.IoctlIfreq(m.fd, unix.SIOCGIFMTU, m.ifr); err != nil {
		return last
	}
	return int(m.ifr.Uint32())
}

func (m *mtuReader) close() { _ = unix.Close(m.fd) }

// rxQueues returns the number of receive queues in use, 1 when the driver
// doesn't say.
func (m *mtuReader) rxQueues(name string) int {
	// struct ethtool_channels: cmd, four maxima, four counts.
	var ch [9]uint32
	const gchannels, rxCount, combined = 0x3c, 5, 8
	ch[0] = gchannels
	var ifr struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}
	copy(ifr.name[:unix.IFNAMSIZ-1], name)
	ifr.data = unsafe.Pointer(&ch)
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(m.fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&ifr))); e != 0 {
		return 1
	}
	return max(1, int(ch[rxCount]+ch[combined]))
}

// ipv6Packet returns the IPv6 packet in b without the link layer's padding.
func ipv6Packet(b []byte) ([]byte, bool) {
	if len(b) < ipv6Len || b[0]>>4 != 6 {
		return nil, false
	}
	n := ipv6Len + int(binary.BigEndian.Uint16(b[4:]))
	if n > len(b) {
		return nil, false
	}
	return b[:n:n], true
}

func putEther(b []byte, dst, src MAC) {
	copy(b, dst[:])
	copy(b[6:], src[:])
	binary.BigEndian.PutUint16(b[12:], etherIPv6)
}
