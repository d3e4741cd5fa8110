package tunnel

import (
	"fmt"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// tun is a TUN device of Linux.
type tun struct {
	*os.File
	link netlink.Link
	nl   *netlink.Handle // of the device's network namespace
}

// OpenTUN makes a TUN device with an address, and brings it up. It needs
// CAP_NET_ADMIN, and belongs to the network namespace of the calling thread.
func OpenTUN(name string, addr netip.Prefix, mtu int) (Device, error) {
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return nil, fmt.Errorf("tunnel: device %q: %w", name, err)
	}
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("tunnel: /dev/net/tun: %w", err)
	}
	ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("tunnel: device %q: %w", name, err)
	}
	d := &tun{File: os.NewFile(uintptr(fd), "tun")}
	if err := d.up(ifr.Name(), addr, mtu); err != nil {
		_ = d.Close()
		return nil, fmt.Errorf("tunnel: device %q, address %v, MTU %d: %w", name, addr, mtu, err)
	}
	return d, nil
}

func (d *tun) up(name string, addr netip.Prefix, mtu int) (err error) {
	if d.nl, err = netlink.NewHandle(); err != nil {
		return err
	}
	if d.link, err = d.nl.LinkByName(name); err != nil {
		return err
	}
	a, err := netlink.ParseAddr(addr.String())
	if err != nil {
		return err
	}
	if err := d.nl.AddrAdd(d.link, a); err != nil {
		return err
	}
	if err := d.SetMTU(mtu); err != nil {
		return err
	}
	return d.nl.LinkSetUp(d.link)
}

// SetMTU implements Device.
func (d *tun) SetMTU(mtu int) error { return d.nl.LinkSetMTU(d.link, mtu) }

// Close takes the device away.
func (d *tun) Close() error {
	if d.nl != nil {
		d.nl.Close()
	}
	return d.File.Close()
}
