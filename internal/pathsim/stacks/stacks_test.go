package stacks

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// readTable reads a table of testdata: comment lines, a header of path MTUs,
// then a row for each stack. The tables were made with other programs.
func readTable(t *testing.T, file string) (mtus []int, rows map[string][]string) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file)
	require.NoError(t, err)
	rows = map[string][]string{}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		cells := strings.Split(line, "\t")
		switch {
		case strings.HasPrefix(line, "#"):
		case mtus == nil:
			for _, c := range cells[1:] {
				m, err := strconv.Atoi(c)
				require.NoError(t, err)
				mtus = append(mtus, m)
			}
		default:
			require.Len(t, cells, len(mtus)+1, line)
			rows[cells[0]] = cells[1:]
		}
	}
	require.NotEmpty(t, rows)
	return mtus, rows
}

func (r Result) cell() string {
	if r.Fail {
		return "FAIL"
	}
	return fmt.Sprintf("%d/%d/%d", r.Sent, r.Lost, r.Final)
}

func checkTable(t *testing.T, file string, setting func(name string) Setting, cell func(Result) string) {
	mtus, rows := readTable(t, file)
	for name, want := range rows {
		t.Run(name, func(t *testing.T) {
			st, ok := ByName(name)
			require.True(t, ok)
			for i, mtu := range mtus {
				got := Run(st, setting(name), mtu, nil, nil)
				assert.Equal(t, want[i], cell(got), "path MTU %d", mtu)
			}
		})
	}
}

func TestIPv4(t *testing.T) {
	set := func(string) Setting { return Setting{IPHeader: 20, Interface: 1500} }
	checkTable(t, "ipv4.tsv", set, Result.cell)
}

func TestBytes(t *testing.T) {
	set := func(string) Setting { return Setting{IPHeader: 20, Interface: 1500} }
	checkTable(t, "bytes.tsv", set, func(r Result) string {
		if r.Fail {
			return "-"
		}
		return strconv.Itoa(r.Bytes)
	})
}

func TestIPv6(t *testing.T) {
	set := func(string) Setting { return Setting{IPHeader: 40, Interface: 1500} }
	checkTable(t, "ipv6.tsv", set, Result.cell)
}

func TestJumbo(t *testing.T) {
	checkTable(t, "jumbo.tsv", Jumbo, Result.cell)
}
