package datapath

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// xdpFeatures asks the kernel what interfaces can do with XDP, through the
// generic netlink family "netdev" (Linux 6.3).
type xdpFeatures struct {
	c      *netlink.Conn
	family uint16
}

const (
	// enum netdev_xdp_act.
	xdpActXmit   = 1 << 2
	xdpActXmitSG = 1 << 6

	netdevCmdDevGet      = 1
	netdevAttrIfindex    = 1
	netdevAttrXDPFeature = 3
)

// openXDPFeatures opens the socket in the calling thread's namespace.
func openXDPFeatures() (*xdpFeatures, error) {
	c, err := netlink.Dial(unix.NETLINK_GENERIC, nil)
	if err != nil {
		return nil, fmt.Errorf("datapath: generic netlink: %w", err)
	}
	x := &xdpFeatures{c: c}
	name := netlink.NewAttributeEncoder()
	name.String(unix.CTRL_ATTR_FAMILY_NAME, "netdev")
	err = x.ask(unix.GENL_ID_CTRL, unix.CTRL_CMD_GETFAMILY, name, func(d *netlink.AttributeDecoder) {
		if d.Type() == unix.CTRL_ATTR_FAMILY_ID {
			x.family = d.Uint16()
		}
	})
	if err != nil || x.family == 0 {
		_ = c.Close()
		return nil, &NotSupportedError{Feature: "XDP fast path", Reason: "the kernel can't say which interfaces send XDP frames (needs Linux 6.3)", Err: err}
	}
	return x, nil
}

// ask sends one generic netlink request and hands over the attributes of the answer.
func (x *xdpFeatures) ask(family uint16, cmd byte, attrs *netlink.AttributeEncoder, each func(*netlink.AttributeDecoder)) error {
	b, err := attrs.Encode()
	if err != nil {
		return err
	}
	// struct genlmsghdr: command, version, reserved.
	msgs, err := x.c.Execute(netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(family), Flags: netlink.Request},
		Data:   append([]byte{cmd, 1, 0, 0}, b...),
	})
	if err != nil {
		return err
	}
	for _, m := range msgs {
		if len(m.Data) < 4 {
			return errors.New("short generic netlink message")
		}
		d, err := netlink.NewAttributeDecoder(m.Data[4:])
		if err != nil {
			return err
		}
		for d.Next() {
			each(d)
		}
		if err := d.Err(); err != nil {
			return err
		}
	}
	return nil
}

// canSend reports whether the interface can send XDP frames of any size. A
// veth can while its peer has an XDP program or GRO switched on.
func (x *xdpFeatures) canSend(index int) bool {
	e := netlink.NewAttributeEncoder()
	e.Uint32(netdevAttrIfindex, uint32(index))
	var features uint64
	err := x.ask(x.family, netdevCmdDevGet, e, func(d *netlink.AttributeDecoder) {
		if d.Type() == netdevAttrXDPFeature && len(d.Bytes()) == 8 {
			features = binary.NativeEndian.Uint64(d.Bytes())
		}
	})
	return err == nil && features&xdpActXmit != 0 && features&xdpActXmitSG != 0
}

func (x *xdpFeatures) close() {
	if x != nil {
		_ = x.c.Close()
	}
}
