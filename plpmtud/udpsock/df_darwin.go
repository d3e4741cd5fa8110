package udpsock

import (
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// v6CoversMapped says whether IPV6_DONTFRAG of a dual-stack socket also covers
// its IPv4 datagrams: so from macOS 15, which is Darwin 24.
var v6CoversMapped = sync.OnceValue(func() bool {
	release, err := unix.Sysctl("kern.osrelease")
	if err != nil {
		return false
	}
	major, _, _ := strings.Cut(release, ".")
	n, err := strconv.Atoi(major)
	return err == nil && n >= 24
})
