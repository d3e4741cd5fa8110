package datapath

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Kernel follows the control plane that the kernel of one namespace runs for
// the router: neighbours, addresses and routes. It also sends the packets whose
// next hop is not resolved yet, or was not heard of lately: the kernel then
// runs Neighbor Discovery, holds a few packets meanwhile, and answers those
// that it can't deliver.
//
// Lookup and Send may be called by one goroutine, everything else by any.
type Kernel struct {
	h       *netlink.Handle
	local   *LocalSet
	neigh   atomic.Pointer[map[neighKey]*neighbour]
	changed chan struct{}
	stop    chan struct{}
	wg      sync.WaitGroup
	raw     map[int]int // interface index -> socket
	sent    atomic.Uint64
}

type neighKey struct {
	index int
	addr  [16]byte
}

type neighbour struct {
	mac   MAC
	fresh bool         // the kernel knows that it answers, or need not know
	asked atomic.Int64 // when the kernel was last made to check, in ns
}

// recheck is how long a neighbour that is not known to answer is used before
// the kernel is made to check it again.
const recheck = 5 * time.Second

// OpenKernel follows the namespace of the calling thread. Local, which may be
// nil, is kept equal to the namespace's addresses.
func OpenKernel(local *LocalSet) (*Kernel, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, &NotSupportedError{Feature: "netlink", Reason: "can't open a socket", Err: err}
	}
	k := &Kernel{h: h, local: local, changed: make(chan struct{}, 1), stop: make(chan struct{}), raw: map[int]int{}}
	neighs := make(chan netlink.NeighUpdate, 256)
	addrs := make(chan netlink.AddrUpdate, 64)
	routes := make(chan netlink.RouteUpdate, 256)
	// An error ends a subscription; the periodic lists in follow then serve alone.
	ignore := func(error) {}
	if err := netlink.NeighSubscribeWithOptions(neighs, k.stop, netlink.NeighSubscribeOptions{ErrorCallback: ignore}); err != nil {
		h.Close()
		return nil, fmt.Errorf("datapath: follow neighbours: %w", err)
	}
	drains := []func(){func() { drain(neighs) }}
	fail := func(what string, err error) (*Kernel, error) {
		close(k.stop)
		for _, d := range drains {
			d()
		}
		h.Close()
		return nil, fmt.Errorf("datapath: follow %s: %w", what, err)
	}
	if err := netlink.AddrSubscribeWithOptions(addrs, k.stop, netlink.AddrSubscribeOptions{ErrorCallback: ignore}); err != nil {
		return fail("addresses", err)
	}
	drains = append(drains, func() { drain(addrs) })
	if err := netlink.RouteSubscribeWithOptions(routes, k.stop, netlink.RouteSubscribeOptions{ErrorCallback: ignore}); err != nil {
		return fail("routes", err)
	}
	drains = append(drains, func() { drain(routes) })
	if err := k.list(); err != nil {
		return fail("neighbours", err)
	}
	k.wg.Add(1)
	go k.follow(neighs, addrs, routes)
	return k, nil
}

func drain[T any](ch <-chan T) {
	for range ch {
	}
}

// follow keeps the copies up to date until stop is closed, and ends when all
// subscriptions have.
func (k *Kernel) follow(neighs <-chan netlink.NeighUpdate, addrs <-chan netlink.AddrUpdate, routes <-chan netlink.RouteUpdate) {
	defer k.wg.Done()
	relist := time.NewTicker(10 * time.Second)
	defer relist.Stop()
	for neighs != nil || addrs != nil || routes != nil {
		select {
		case u, ok := <-neighs:
			if !ok {
				neighs = nil
				relist.Reset(time.Second)
				continue
			}
			k.update(u)
		case _, ok := <-addrs:
			if !ok {
				addrs = nil
				continue
			}
			k.refreshLocal()
			k.notify()
		case _, ok := <-routes:
			if !ok {
				routes = nil
				continue
			}
			k.notify()
		case <-relist.C:
			_ = k.list()
			k.refreshLocal()
			if addrs == nil || routes == nil {
				k.notify()
			}
		case <-k.stop:
			for _, d := range []func(){func() { drainIf(neighs) }, func() { drainIf(addrs) }, func() { drainIf(routes) }} {
				d()
			}
			return
		}
	}
	<-k.stop
}

func drainIf[T any](ch <-chan T) {
	if ch != nil {
		drain(ch)
	}
}

func (k *Kernel) refreshLocal() {
	if k.local == nil {
		return
	}
	if as, err := localAddrs(k.h); err == nil {
		_ = k.local.set(as)
	}
}

func (k *Kernel) notify() {
	select {
	case k.changed <- struct{}{}:
	default:
	}
}

// Changed delivers a value after addresses or routes may have changed.
func (k *Kernel) Changed() <-chan struct{} { return k.changed }

const (
	usable = netlink.NUD_REACHABLE | netlink.NUD_STALE | netlink.NUD_DELAY | netlink.NUD_PROBE | netlink.NUD_PERMANENT | netlink.NUD_NOARP
	fresh  = netlink.NUD_REACHABLE | netlink.NUD_DELAY | netlink.NUD_PROBE | netlink.NUD_PERMANENT | netlink.NUD_NOARP
)

func entry(n *netlink.Neigh) (neighKey, *neighbour, bool) {
	ip, ok := netip.AddrFromSlice(n.IP)
	if !ok || !ip.Is6() {
		return neighKey{}, nil, false
	}
	key := neighKey{n.LinkIndex, ip.As16()}
	if n.State&usable == 0 || len(n.HardwareAddr) != len(MAC{}) {
		return key, nil, true
	}
	e := &neighbour{fresh: n.State&fresh != 0}
	copy(e.mac[:], n.HardwareAddr)
	return key, e, true
}

// list replaces all neighbours by what the kernel has now.
func (k *Kernel) list() error {
	ns, err := k.h.NeighList(0, unix.AF_INET6)
	if err != nil {
		return err
	}
	m := make(map[neighKey]*neighbour, len(ns))
	for i := range ns {
		if key, e, ok := entry(&ns[i]); ok && e != nil {
			m[key] = e
		}
	}
	k.keepAsked(m)
	k.neigh.Store(&m)
	return nil
}

// keepAsked carries over when neighbours were last checked.
func (k *Kernel) keepAsked(m map[neighKey]*neighbour) {
	old := k.neigh.Load()
	if old == nil {
		return
	}
	for key, e := range m {
		if was := (*old)[key]; was != nil && was != e {
			e.asked.Store(was.asked.Load())
		}
	}
}

// update applies one message. Readers see either the old or the new map.
func (k *Kernel) update(u netlink.NeighUpdate) {
	key, e, ok := entry(&u.Neigh)
	if !ok {
		return
	}
	if u.Type == unix.RTM_DELNEIGH {
		e = nil
	}
	old := *k.neigh.Load()
	if was := old[key]; was == nil && e == nil || was != nil && e != nil && was.mac == e.mac && was.fresh == e.fresh {
		return
	}
	m := make(map[neighKey]*neighbour, len(old)+1)
	for a, b := range old {
		m[a] = b
	}
	if e == nil {
		delete(m, key)
	} else {
		if was := old[key]; was != nil {
			e.asked.Store(was.asked.Load())
		}
		m[key] = e
	}
	k.neigh.Store(&m)
}

// Lookup returns the link-layer address of a neighbour on an interface. False:
// hand the packet to Send, because the kernel has to find or to check it.
func (k *Kernel) Lookup(index int, next netip.Addr, now time.Time) (MAC, bool) {
	e := (*k.neigh.Load())[neighKey{index, next.As16()}]
	if e == nil {
		return MAC{}, false
	}
	if !e.fresh {
		if t := now.UnixNano(); t-e.asked.Load() > int64(recheck) {
			e.asked.Store(t)
			return MAC{}, false
		}
	}
	return e.mac, true
}

// AddInterface prepares Send for an interface. It must be called on a thread
// in the namespace.
func (k *Kernel) AddInterface(index int, name string) error {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_RAW)
	if err != nil {
		return &NotSupportedError{Feature: "raw IPv6 socket", Reason: "can't open one (needs CAP_NET_RAW)", Err: err}
	}
	if err := unix.BindToDevice(fd, name); err != nil {
		_ = unix.Close(fd)
		return fmt.Errorf("datapath: bind raw socket to %q: %w", name, err)
	}
	k.raw[index] = fd
	return nil
}

// Send has the kernel send a whole IP packet to a neighbour. It never blocks.
func (k *Kernel) Send(index int, next netip.Addr, pkt []byte) error {
	fd, ok := k.raw[index]
	if !ok {
		return fmt.Errorf("datapath: interface %d was not added", index)
	}
	sa := unix.SockaddrInet6{Addr: next.As16()}
	if next.IsLinkLocalUnicast() {
		sa.ZoneId = uint32(index)
	}
	k.sent.Add(1)
	if err := unix.Sendto(fd, pkt, unix.MSG_DONTWAIT, &sa); err != nil {
		return fmt.Errorf("datapath: send %d bytes to %v by the kernel: %w", len(pkt), next, err)
	}
	return nil
}

// Sent is the number of packets that Send was called for.
func (k *Kernel) Sent() uint64 { return k.sent.Load() }

// Close ends everything.
func (k *Kernel) Close() error {
	close(k.stop)
	k.wg.Wait()
	for _, fd := range k.raw {
		_ = unix.Close(fd)
	}
	k.h.Close()
	return nil
}
