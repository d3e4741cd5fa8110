package udpecho_test

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"pathmtu/internal/netlab"
	"pathmtu/plpmtud/udpecho"
)

// forger sends, from a router that is not asked, what looks as if it came from
// the server, or was about a packet of the client.
type forger struct {
	t        *testing.T
	fd       int
	srv, cli netip.AddrPort
}

func newForger(t *testing.T, lab *netlab.Lab, srv, cli netip.AddrPort) *forger {
	t.Helper()
	f := &forger{t: t, srv: srv, cli: cli}
	domain := unix.AF_INET
	if srv.Addr().Is6() {
		domain = unix.AF_INET6
	}
	require.NoError(t, lab.Node("r2").Do(func() (err error) {
		// IPPROTO_RAW: the IP header is ours.
		f.fd, err = unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
		return err
	}))
	t.Cleanup(func() { unix.Close(f.fd) })
	return f
}

// ip returns the IP header of a packet.
func (f *forger) ip(src, dst netip.Addr, proto layers.IPProtocol) gopacket.NetworkLayer {
	if src.Is4() {
		return &layers.IPv4{Version: 4, TTL: 64, Protocol: proto, SrcIP: net.IP(src.AsSlice()), DstIP: net.IP(dst.AsSlice())}
	}
	return &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: proto, SrcIP: net.IP(src.AsSlice()), DstIP: net.IP(dst.AsSlice())}
}

func (f *forger) serialize(l ...gopacket.SerializableLayer) []byte {
	b := gopacket.NewSerializeBuffer()
	require.NoError(f.t, gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, l...))
	return b.Bytes()
}

func (f *forger) send(packet []byte) {
	var to unix.Sockaddr = &unix.SockaddrInet4{Addr: [4]byte{}}
	if a := f.cli.Addr(); a.Is4() {
		to = &unix.SockaddrInet4{Addr: a.As4()}
	} else {
		to = &unix.SockaddrInet6{Addr: a.As16()}
	}
	require.NoError(f.t, unix.Sendto(f.fd, packet, 0, to))
}

func (f *forger) udp(src, dst netip.AddrPort, payload []byte) []byte {
	ip := f.ip(src.Addr(), dst.Addr(), layers.IPProtocolUDP)
	udp := &layers.UDP{SrcPort: layers.UDPPort(src.Port()), DstPort: layers.UDPPort(dst.Port())}
	require.NoError(f.t, udp.SetNetworkLayerForChecksum(ip))
	return f.serialize(ip.(gopacket.SerializableLayer), udp, gopacket.Payload(payload))
}

// answer forges an answer with a guessed token.
func (f *forger) answer(length int) {
	f.send(f.udp(f.srv, f.cli, udpecho.Header(true, length, rand.Uint64())))
}

// tooBig forges PTBs about a probe with a guessed token, about one whose quote
// ends before the token, and the same for a datagram of the application, whose
// begin is known.
func (f *forger) tooBig(mtu int) {
	probe := f.udp(f.cli, f.srv, append(udpecho.Header(false, 1452, rand.Uint64()), make([]byte, 100)...))
	headers := len(probe) - 128
	f.ptb(mtu, probe)
	f.ptb(mtu, probe[:headers+8])
	data := f.udp(f.cli, f.srv, datagram(1000))
	f.ptb(mtu, data)
	f.ptb(mtu, data[:headers+8])
}

func (f *forger) ptb(mtu int, quote []byte) {
	hop := netip.MustParseAddr("198.51.100.9") // some router
	if f.cli.Addr().Is4() {
		icmp := &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(3, 4), Seq: uint16(mtu)}
		f.send(f.serialize(f.ip(hop, f.cli.Addr(), layers.IPProtocolICMPv4).(gopacket.SerializableLayer), icmp, gopacket.Payload(quote)))
		return
	}
	hop = netip.MustParseAddr("2001:db8:2::2")
	ip := f.ip(hop, f.cli.Addr(), layers.IPProtocolICMPv6)
	icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(2, 0)}
	require.NoError(f.t, icmp.SetNetworkLayerForChecksum(ip))
	body := append([]byte{0, 0, byte(mtu >> 8), byte(mtu)}, quote...)
	f.send(f.serialize(ip.(gopacket.SerializableLayer), icmp, gopacket.Payload(body)))
}
