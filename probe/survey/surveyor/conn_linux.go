package surveyor

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"pathmtu/probe/survey"
)

// ConnConfig says which sockets a Conn opens.
type ConnConfig struct {
	// Source4 and Source6 are the addresses to send from; invalid: the family
	// isn't used.
	Source4, Source6 netip.Addr
	Device           string // that packets must leave by. "": any
	UDP              bool   // methods other than ICMP are used
}

// Batches of packets that one system call takes or gives.
const (
	sendBatch = 64
	recvBatch = 128
	kept      = 640 // bytes of an answer that are looked at
)

// Conn holds the sockets of a survey: for each family a raw one for ICMP, and
// one for UDP. Send and Flush aren't safe for concurrent use.
type Conn struct {
	port    uint16
	source4 netip.Addr
	sockets []*socket
	icmp    [2]*socket // IPv4, IPv6
	udp     [2]*socket
}

// batcher is what ipv4.PacketConn and ipv6.PacketConn have in common.
type batcher interface {
	WriteBatch([]ipv4.Message, int) (int, error)
	ReadBatch([]ipv4.Message, int) (int, error)
	Close() error
}

type v6conn struct{ *ipv6.PacketConn }

func (c v6conn) WriteBatch(m []ipv4.Message, flags int) (int, error) {
	return c.PacketConn.WriteBatch(m, flags)
}
func (c v6conn) ReadBatch(m []ipv4.Message, flags int) (int, error) {
	return c.PacketConn.ReadBatch(m, flags)
}

// socket is one socket and the packets that wait for the next system call.
type socket struct {
	batcher
	v4, udp bool
	fd      int
	reader  *survey.Reader
	in      [recvBatch]ipv4.Message
	n       int
	sends   [sendBatch]survey.Send
	out     [sendBatch]ipv4.Message
	heads   [sendBatch][512]byte
	ip      [sendBatch]net.IPAddr
	addr    [sendBatch]net.UDPAddr
}

// OpenConn opens the sockets, in the network namespace of the calling thread.
// Raw sockets need CAP_NET_RAW.
func OpenConn(c ConnConfig) (*Conn, error) {
	conn := &Conn{source4: c.Source4}
	for i, source := range []netip.Addr{c.Source4, c.Source6} {
		if !source.IsValid() {
			continue
		}
		s, err := openICMP(source, c.Device)
		if err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		conn.icmp[i] = s
		conn.sockets = append(conn.sockets, s)
		if !c.UDP {
			continue
		}
		if s, err = conn.openUDP(source, c.Device); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		conn.udp[i] = s
		conn.sockets = append(conn.sockets, s)
	}
	return conn, nil
}

func openICMP(source netip.Addr, device string) (*socket, error) {
	network := "ip6:ipv6-icmp"
	if source.Is4() {
		network = "ip4:icmp"
	}
	p, err := net.ListenPacket(network, source.String())
	if err != nil {
		return nil, fmt.Errorf("raw ICMP socket: %w", err)
	}
	return newSocket(p, source, device, false)
}

// openUDP binds to a port that the kernel chooses, the same for both families.
func (c *Conn) openUDP(source netip.Addr, device string) (*socket, error) {
	network := "udp6"
	if source.Is4() {
		network = "udp4"
	}
	p, err := net.ListenPacket(network, netip.AddrPortFrom(source, c.port).String())
	if err != nil {
		return nil, fmt.Errorf("UDP socket: %w", err)
	}
	c.port = uint16(p.LocalAddr().(*net.UDPAddr).Port)
	return newSocket(p, source, device, true)
}

func newSocket(p net.PacketConn, source netip.Addr, device string, udp bool) (*socket, error) {
	s := &socket{v4: source.Is4(), udp: udp}
	if s.v4 {
		s.batcher = ipv4.NewPacketConn(p)
	} else {
		s.batcher = v6conn{ipv6.NewPacketConn(p)}
	}
	s.prepare(source.BitLen() / 8)
	raw, err := p.(syscall.Conn).SyscallConn()
	if err == nil {
		var inner error
		err = raw.Control(func(fd uintptr) {
			s.fd = int(fd) // as long as the socket is open
			inner = setOptions(s.fd, s.v4, udp, device)
		})
		err = errors.Join(err, inner)
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return s, nil
}

// prepare makes room for a batch of packets to addresses of so many bytes.
func (s *socket) prepare(addrLen int) {
	for i := range s.out {
		if s.udp {
			s.addr[i].IP = make(net.IP, addrLen)
			s.out[i].Addr = &s.addr[i]
		} else {
			s.ip[i].IP = make(net.IP, addrLen)
			s.out[i].Addr = &s.ip[i]
		}
		s.out[i].Buffers = make([][]byte, 2)
	}
}

func setOptions(fd int, v4, udp bool, device string) error {
	type option struct{ level, name, value int }
	// PROBE sets DF and ignores what the kernel believes of the path.
	options := []option{{unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE}, {unix.IPPROTO_IP, unix.IP_TTL, survey.TTL}}
	if !v4 {
		options = []option{
			{unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE},
			{unix.IPPROTO_IPV6, unix.IPV6_DONTFRAG, 1},
			{unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, survey.TTL},
			{unix.IPPROTO_IPV6, unix.IPV6_AUTOFLOWLABEL, 1},
		}
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return fmt.Errorf("socket option %d: %w", o.name, err)
		}
	}
	if device != "" {
		if err := unix.BindToDevice(fd, device); err != nil {
			return fmt.Errorf("interface %q: %w", device, err)
		}
	}
	const buffer = 16 << 20
	for _, o := range [][2]int{{unix.SO_RCVBUFFORCE, unix.SO_RCVBUF}, {unix.SO_SNDBUFFORCE, unix.SO_SNDBUF}} {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, o[0], buffer) != nil {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, o[1], buffer) // what net.core.*mem_max allows
		}
	}
	if udp {
		return nil
	}
	if v4 {
		const icmpFilter = 1 // ICMP_FILTER, linux/icmp.h; a set bit blocks
		pass := uint32(1<<0 | 1<<3 | 1<<11)
		return unix.SetsockoptInt(fd, unix.SOL_RAW, icmpFilter, int(int32(^pass)))
	}
	f := &unix.ICMPv6Filter{}
	for i := range f.Data {
		f.Data[i] = ^uint32(0)
	}
	for _, typ := range []int{1, 2, 3, 129} {
		f.Data[typ/32] &^= 1 << (typ % 32)
	}
	return unix.SetsockoptICMPv6Filter(fd, unix.IPPROTO_ICMPV6, unix.ICMPV6_FILTER, f)
}

// Port returns the UDP port that probes come from; 0: no UDP was asked for.
func (c *Conn) Port() uint16 { return c.port }

func (c *Conn) socket(s *survey.Send) *socket {
	family := 1
	if s.To.Is4() {
		family = 0
	}
	if s.Method == survey.ICMP {
		return c.icmp[family]
	}
	return c.udp[family]
}

// queue takes a packet for the next flush; full: it has to be now.
func (s *socket) queue(p survey.Send) (full bool) {
	i := s.n
	s.sends[i] = p
	s.out[i].Buffers[0] = append(s.heads[i][:0], p.Head...)
	s.out[i].Buffers[1] = p.Tail
	ip := s.ip[i].IP
	if s.udp {
		ip = s.addr[i].IP
		s.addr[i].Port = int(p.Port)
	}
	if s.v4 {
		a := p.To.As4()
		copy(ip, a[:])
	} else {
		a := p.To.As16()
		copy(ip, a[:])
	}
	s.n++
	return s.n == sendBatch
}

// flush sends what is queued, and reports each packet that couldn't be sent.
func (s *socket) flush(failed func(survey.Send, survey.Failure)) {
	for i := 0; i < s.n; {
		n, err := s.WriteBatch(s.out[i:s.n], 0)
		if n > 0 {
			i += n
			continue
		}
		if err == nil {
			err = unix.EAGAIN
		}
		failed(s.sends[i], survey.Failure{
			TooBig:    errors.Is(err, unix.EMSGSIZE),
			Transient: errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ENOMEM) || errors.Is(err, unix.ECONNREFUSED),
			Err:       err,
		})
		i++
	}
	s.n = 0
}

// drop forgets what is queued, as if there had been no room for it.
func (s *socket) drop(failed func(survey.Send, survey.Failure)) {
	for _, p := range s.sends[:s.n] {
		failed(p, survey.Failure{Transient: true, Err: errNotPermitted})
	}
	s.n = 0
}

var errNotPermitted = errors.New("not permitted any more")

// listen prepares the sockets for receive.
func (c *Conn) listen(cfg survey.Config) {
	for _, s := range c.sockets {
		s.reader = survey.NewReader(cfg)
		for i := range s.in {
			s.in[i].Buffers = [][]byte{make([]byte, kept)}
		}
	}
}

// receive hands on what has arrived, without waiting, at most some batches from
// each socket. It returns how many packets there were.
func (c *Conn) receive(each func(*survey.Answer)) int {
	const batches = 16 // then it is time to send
	all := 0
	for _, s := range c.sockets {
		for range batches {
			n, err := s.ReadBatch(s.in[:], unix.MSG_DONTWAIT|unix.MSG_TRUNC) // N is the whole length
			if err != nil || n <= 0 {
				break // EAGAIN; or an error of the network, which the next call won't have
			}
			all += n
			for i := range s.in[:n] {
				m := &s.in[i]
				if a, ok := s.parse(s.reader, m.Addr, m.Buffers[0][:min(m.N, kept)], m.N); ok {
					each(&a)
				}
			}
			if n < len(s.in) {
				break
			}
		}
	}
	return all
}

// wait returns when something has arrived, or after the time.
func (c *Conn) wait(d time.Duration) {
	var fds [4]unix.PollFd
	for i, s := range c.sockets {
		fds[i] = unix.PollFd{Fd: int32(s.fd), Events: unix.POLLIN}
	}
	poll(fds[:len(c.sockets)], d)
}

// short is how long the runtime may be kept waiting.
const short = 5 * time.Millisecond

// poll is ppoll(2). A short one is hidden from the runtime: told of it, its
// monitor would look every 20 microseconds whether the thread is still away,
// which would be a quarter of all work here. The price is that a garbage
// collection may have to wait that long for this thread.
func poll(fds []unix.PollFd, d time.Duration) {
	timeout := unix.NsecToTimespec(int64(d))
	if d > short {
		_, _ = unix.Ppoll(fds, &timeout, nil) // interrupted: as good as arrived
		return
	}
	_, _, _ = unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(unsafe.SliceData(fds))), uintptr(len(fds)), uintptr(unsafe.Pointer(&timeout)), 0, 0, 0)
}

func (s *socket) parse(r *survey.Reader, from net.Addr, b []byte, n int) (survey.Answer, bool) {
	if s.udp {
		u, ok := from.(*net.UDPAddr)
		if !ok {
			return survey.Answer{}, false
		}
		return r.Datagram(u.AddrPort(), b)
	}
	u, ok := from.(*net.IPAddr)
	if !ok {
		return survey.Answer{}, false
	}
	a, ok := netip.AddrFromSlice(u.IP)
	if !ok {
		return survey.Answer{}, false
	}
	if s.v4 { // the kernel delivers the IP header
		header := 0
		if len(b) >= 20 {
			header = int(b[0]&15) * 4
		}
		if header < 20 || header > len(b) {
			return survey.Answer{}, false
		}
		b, n = b[header:], n-header
	}
	return r.ICMP(a, b, n)
}

// Close closes the sockets.
func (c *Conn) Close() error {
	var errs []error
	for _, s := range c.sockets {
		errs = append(errs, s.batcher.Close())
	}
	c.sockets = nil
	return errors.Join(errs...)
}
