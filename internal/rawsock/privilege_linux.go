package rawsock

import (
	"errors"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// nobody is the overflow user and group.
const nobody = 65534

// DropCapabilities gives up every capability of the process, in all its
// threads. Sockets that are open keep working. In a program built with cgo the
// runtime can't reach every thread, and the error is syscall.ENOTSUP.
func DropCapabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	_, _, errno := syscall.AllThreadsSyscall(syscall.SYS_CAPSET,
		uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&none[0])), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// DropPrivileges is DropCapabilities; where cgo doesn't allow that, the process
// becomes another user if it is root, and otherwise the error says so.
func DropPrivileges() error {
	err := DropCapabilities()
	if !errors.Is(err, syscall.ENOTSUP) || syscall.Geteuid() != 0 {
		return err
	}
	if err := syscall.Setgroups(nil); err != nil {
		return err
	}
	if err := syscall.Setresgid(nobody, nobody, nobody); err != nil {
		return err
	}
	return syscall.Setresuid(nobody, nobody, nobody)
}
