package datapath

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// maxLocal bounds the number of addresses of the kernel that ports know.
const maxLocal = 4096

// LocalSet is the set of IPv6 addresses whose packets ports leave to the
// kernel of their namespace. All ports of a namespace share one.
type LocalSet struct {
	m    *ebpf.Map
	have map[netip.Addr]bool
}

// NewLocalSet returns the set of the addresses that the calling thread's
// namespace has now. [Kernel] keeps it up to date.
func NewLocalSet() (*LocalSet, error) {
	// Old kernels count maps as locked memory; new ones need nothing.
	_ = rlimit.RemoveMemlock()
	m, err := ebpf.NewMap(&ebpf.MapSpec{Name: "pmtu_local", Type: ebpf.Hash, KeySize: 16, ValueSize: 1, MaxEntries: maxLocal})
	if err != nil {
		return nil, &NotSupportedError{Feature: "eBPF", Reason: "can't create a map (needs CAP_BPF or root)", Err: err}
	}
	s := &LocalSet{m: m, have: map[netip.Addr]bool{}}
	addrs, err := localAddrs(nil)
	if err == nil {
		err = s.set(addrs)
	}
	if err != nil {
		_ = m.Close()
		return nil, err
	}
	return s, nil
}

// set makes addrs the content of the set. Packets to an address that stays are
// not disturbed.
func (s *LocalSet) set(addrs []ifAddr) error {
	want := make(map[netip.Addr]bool, len(addrs))
	for _, a := range addrs {
		want[a.prefix.Addr()] = true
		if s.have[a.prefix.Addr()] {
			continue
		}
		if err := s.m.Put(a.prefix.Addr().As16(), uint8(1)); err != nil {
			return fmt.Errorf("datapath: local address %v: %w", a.prefix.Addr(), err)
		}
	}
	for a := range s.have {
		if !want[a] {
			if err := s.m.Delete(a.As16()); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
				return fmt.Errorf("datapath: local address %v: %w", a, err)
			}
		}
	}
	s.have = want
	return nil
}

// Close frees the set. Ports that use it must be closed before.
func (s *LocalSet) Close() error { return s.m.Close() }

type ifAddr struct {
	index  int
	prefix netip.Prefix
}

// localAddrs lists the IPv6 addresses of the namespace of h, or of the calling
// thread when h is nil.
func localAddrs(h *netlink.Handle) ([]ifAddr, error) {
	list := netlink.AddrList
	if h != nil {
		list = h.AddrList
	}
	as, err := list(nil, unix.AF_INET6)
	if err != nil {
		return nil, fmt.Errorf("datapath: list addresses: %w", err)
	}
	out := make([]ifAddr, 0, len(as))
	for _, a := range as {
		ip, ok := netip.AddrFromSlice(a.IP)
		if !ok || !ip.Is6() {
			continue
		}
		ones, _ := a.Mask.Size()
		out = append(out, ifAddr{index: a.LinkIndex, prefix: netip.PrefixFrom(ip, ones)})
	}
	return out, nil
}
