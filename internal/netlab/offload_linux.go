package netlab

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// offloads are switched off so that what one interface sends is one packet of
// the size it has on the wire, with its checksum filled in.
var offloads = []struct {
	name string
	cmd  uint32
}{
	{"tso", unix.ETHTOOL_STSO},
	{"gso", unix.ETHTOOL_SGSO},
	{"gro", unix.ETHTOOL_SGRO},
	{"tx checksum", unix.ETHTOOL_STXCSUM},
	{"rx checksum", unix.ETHTOOL_SRXCSUM},
}

// ethtoolValue is struct ethtool_value of linux/ethtool.h.
type ethtoolValue struct{ cmd, data uint32 }

// ifreqPointer is struct ifreq of linux/if.h with ifru_data in use.
type ifreqPointer struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [24 - unsafe.Sizeof(uintptr(0))]byte
}

// offloadsOff switches the offloads of an interface of the current namespace
// off.
func offloadsOff(ifname string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, o := range offloads {
		value := ethtoolValue{cmd: o.cmd}
		req := ifreqPointer{data: unsafe.Pointer(&value)}
		copy(req.name[:unix.IFNAMSIZ-1], ifname)
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req)))
		runtime.KeepAlive(&value)
		if errno != 0 {
			return fmt.Errorf("switch %s of %s off: %w", o.name, ifname, errno)
		}
	}
	return nil
}
