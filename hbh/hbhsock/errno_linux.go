package hbhsock

import (
	"encoding/binary"
	"errors"
	"syscall"
	"unsafe"
)

// errno finds the system's error number in err.
func errno(err error) (syscall.Errno, bool) {
	var e syscall.Errno
	ok := errors.As(err, &e)
	return e, ok
}

// appendWord appends v as a size_t.
func appendWord(b []byte, v uint64) []byte {
	if unsafe.Sizeof(uintptr(0)) == 8 {
		return binary.NativeEndian.AppendUint64(b, v)
	}
	return binary.NativeEndian.AppendUint32(b, uint32(v))
}

// appendInt appends v as a C int.
func appendInt(b []byte, v int) []byte { return binary.NativeEndian.AppendUint32(b, uint32(v)) }
