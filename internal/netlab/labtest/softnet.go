package labtest

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// SoftnetDrops returns how many packets the kernel has dropped because a
// processor's backlog was full. All namespaces share the backlog: a test of
// loss that saw this number move was disturbed from outside.
func SoftnetDrops(t testing.TB) uint64 {
	t.Helper()
	n, err := BacklogDrops()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// BacklogDrops is SoftnetDrops for programs.
func BacklogDrops() (uint64, error) {
	const name = "/proc/net/softnet_stat"
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	n, err := sumDrops(string(text))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return n, nil
}

// sumDrops adds the second column up: one line a processor, hexadecimal.
func sumDrops(text string) (sum uint64, err error) {
	for line := range strings.Lines(text) {
		columns := strings.Fields(line)
		if len(columns) < 2 {
			continue
		}
		n, err := strconv.ParseUint(columns[1], 16, 32)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}
