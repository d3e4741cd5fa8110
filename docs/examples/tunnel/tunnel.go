package tunnel

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"pathmtu/plpmtud/udpecho"
	"pathmtu/plpmtud/udpsock"
)

// Device is the inner side: it reads and writes one IP packet at a time.
type Device interface {
	io.ReadWriteCloser
	// SetMTU tells the inner hosts how large a packet may be, in bytes.
	SetMTU(mtu int) error
}

const (
	keepAlive = 10 * time.Second // less than udpecho's IdleAfter
	minPacket = 20
)

// Config says how a Tunnel works.
type Config struct {
	Echo udpecho.Config
	// KeepMTU leaves the device's MTU as it is, as for one that serves several
	// peers. Then inner Packet Too Big messages do all the work.
	KeepMTU bool
	// OnMTU is told the largest inner packet, in bytes. Nil: nobody.
	OnMTU func(mtu int)
}

// Stats counts what a Tunnel did.
type Stats struct {
	Out, In        uint64 // packets carried
	TooBig         uint64 // packets answered with an inner Packet Too Big
	Clamped        uint64 // TCP handshakes whose MSS was lowered
	Dropped        uint64 // packets too big, or not to be sent
	DeviceRefusals uint64 // changes of MTU that the device refused
}

// Tunnel carries IP packets of a device to one peer and back.
type Tunnel struct {
	dev   Device
	outer *udpecho.Conn
	peer  netip.AddrPort
	cfg   Config
	end   chan struct{}
	once  sync.Once
	group sync.WaitGroup

	out, in, tooBig, clamped, dropped, refused atomic.Uint64
}

// New begins to carry packets between a device and a peer. Both belong to the
// Tunnel from then on.
func New(dev Device, u *net.UDPConn, peer netip.AddrPort, cfg Config) (*Tunnel, error) {
	t := &Tunnel{dev: dev, peer: peer, cfg: cfg, end: make(chan struct{})}
	cfg.Echo.OnChange = func(c udpecho.Change) { t.use(c.New) }
	var err error
	if t.outer, err = udpecho.Wrap(u, cfg.Echo); err != nil {
		return nil, err
	}
	t.use(t.MTU())
	t.group.Go(t.send)
	t.group.Go(t.receive)
	t.group.Go(t.keepAlive)
	return t, nil
}

// MTU returns the largest inner packet that the outer path carries, in bytes.
func (t *Tunnel) MTU() int { return t.outer.MaxPayload(t.peer) }

// use tells the inner side how large packets may be.
func (t *Tunnel) use(mtu int) {
	if !t.cfg.KeepMTU {
		if err := t.dev.SetMTU(mtu); err != nil {
			t.refused.Add(1)
		}
	}
	if t.cfg.OnMTU != nil {
		t.cfg.OnMTU(mtu)
	}
}

// keepAlive sends a byte now and then. So the outer path is known before the
// first packet comes, and is confirmed while the tunnel is quiet.
func (t *Tunnel) keepAlive() {
	for tick := time.Tick(keepAlive); ; {
		_, _ = t.outer.WriteToUDPAddrPort([]byte{0}, t.peer)
		select {
		case <-t.end:
			return
		case <-tick:
		}
	}
}

// send carries packets out.
func (t *Tunnel) send() {
	buf := make([]byte, 1<<16)
	for {
		n, err := t.dev.Read(buf)
		if err != nil {
			return
		}
		pkt, mtu := buf[:n], t.MTU()
		if n > mtu {
			if answer := TooBig(pkt, mtu); answer != nil {
				t.tooBig.Add(1)
				_, _ = t.dev.Write(answer)
			} else {
				t.dropped.Add(1)
			}
			continue
		}
		t.clamp(pkt, mtu)
		if _, err := t.outer.WriteToUDPAddrPort(pkt, t.peer); udpsock.IsMessageTooLong(err) {
			t.dropped.Add(1) // udpecho knows; the next one is measured against the new MTU
		} else if err != nil {
			return
		}
		t.out.Add(1)
	}
}

// receive carries packets in.
func (t *Tunnel) receive() {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := t.outer.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || from.Port() != t.peer.Port() || from.Addr().Unmap() != t.peer.Addr() {
			continue
		}
		if n < minPacket {
			continue // a keep-alive
		}
		t.clamp(buf[:n], t.MTU())
		if _, err := t.dev.Write(buf[:n]); err != nil {
			t.dropped.Add(1)
			continue
		}
		t.in.Add(1)
	}
}

func (t *Tunnel) clamp(pkt []byte, mtu int) {
	if ClampMSS(pkt, mtu) {
		t.clamped.Add(1)
	}
}

// Stats returns the counters.
func (t *Tunnel) Stats() Stats {
	return Stats{
		Out: t.out.Load(), In: t.in.Load(), TooBig: t.tooBig.Load(), Clamped: t.clamped.Load(),
		Dropped: t.dropped.Load(), DeviceRefusals: t.refused.Load(),
	}
}

// Close ends the tunnel.
func (t *Tunnel) Close() error {
	t.once.Do(func() { close(t.end) })
	err := errors.Join(t.outer.Close(), t.dev.Close())
	t.group.Wait()
	return err
}
