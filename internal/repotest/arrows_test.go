package repotest

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// arrow says what the packages below a folder may import beside the standard
// library: of ours, folders (each stands for all below it); of others, module
// paths. A test file may import anything.
type arrow struct {
	from   string
	ours   []string
	others []string
}

// arrows, the most special folder first. "any" allows everything.
var arrows = []arrow{
	{from: "plpmtud/udpsock", ours: []string{"internal/errqueue"}, others: []string{"golang.org/x/sys"}},
	{from: "plpmtud/udpopt/udpoptsock", ours: []string{"plpmtud", "plpmtud/udpopt", "plpmtud/udpsock"}, others: []string{"golang.org/x/net"}},
	{from: "plpmtud/udpopt", ours: []string{"plpmtud"}, others: []string{"golang.org/x/net"}},
	{from: "plpmtud/udpecho", ours: []string{"plpmtud", "plpmtud/udpsock"}},
	{from: "plpmtud/udppath", ours: []string{"plpmtud", "plpmtud/udpsock"}},
	{from: "plpmtud/eventlog", ours: []string{"plpmtud"}},
	{from: "plpmtud"},
	{from: "hbh/hbhsock", ours: []string{"hbh", "internal/ip6"}, others: []string{"golang.org/x/net", "golang.org/x/sys"}},
	{from: "hbh", ours: []string{"internal/ip6"}, others: []string{"golang.org/x/time"}},
	{from: "truncate", ours: []string{"internal/ip6"}, others: []string{"golang.org/x/time"}},
	{from: "results", others: []string{"any"}},
	{from: "probe/survey/fleet", ours: []string{"probe/survey", "plpmtud", "results"}, others: []string{"github.com/nats-io", "github.com/klauspost/compress", "golang.org/x/sys"}},
	{from: "probe/survey", ours: []string{"probe", "plpmtud", "results", "internal/ip6"}, others: []string{"any"}},
	{from: "probe", ours: []string{"plpmtud", "plpmtud/udpopt", "hbh", "truncate", "results", "internal/ip6"}, others: []string{"golang.org/x/net"}},
	{from: "internal/ip6/ip6test", ours: []string{"internal/ip6", "internal/netlab/labtest"}, others: []string{"github.com/google/gopacket"}},
	{from: "internal/ip6"},
	{from: "internal/errqueue", others: []string{"golang.org/x/sys"}},
	{from: "internal/router", ours: []string{"hbh", "truncate", "internal/ip6"}, others: []string{"golang.org/x/time", "github.com/gaissmai/bart"}},
	{from: "internal/host", ours: []string{"hbh", "truncate", "internal/ip6", "plpmtud/udpopt"}},
	{from: "internal/rawsock", ours: []string{"internal/ip6", "internal/errqueue"}, others: []string{"any"}},
	{from: "internal/datapath", ours: []string{"internal/ip6", "internal/router"}, others: []string{"any"}},
	{from: "internal/netlab/internet", ours: []string{"internal/netlab", "internal/ip6", "results"}, others: []string{"any"}},
	{from: "internal/netlab/compare", ours: []string{"plpmtud", "hbh", "truncate", "internal/ip6", "internal/router", "internal/pathsim"}, others: []string{"gonum.org/v1/plot"}},
	{from: "internal/netlab", ours: []string{"results"}, others: []string{"any"}},
	{from: "internal/pathsim", ours: []string{"plpmtud"}, others: []string{"any"}},
	{from: "internal/cli", ours: []string{""}, others: []string{"any"}},
	{from: "docs/examples/cmd/sidebyside", ours: []string{"docs/examples", "plpmtud", "plpmtud/udpsock", "plpmtud/udpecho", "plpmtud/udppath", "internal/netlab"}, others: []string{"any"}},
	{from: "docs/examples", ours: []string{"plpmtud", "plpmtud/udpsock", "plpmtud/udpecho", "plpmtud/udppath"}, others: []string{"any"}},
	{from: "cmd", ours: []string{"internal/cli"}},
	{from: "netns-tests", ours: []string{""}, others: []string{"any"}},
	{from: "internal/repotest", others: []string{"any"}},
}

func TestImportArrows(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.test {
			continue
		}
		i := slices.IndexFunc(arrows, func(a arrow) bool { return below(f.dir, a.from) })
		require.GreaterOrEqual(t, i, 0, "%s: no arrow says what this folder may import", f.path)
		a := arrows[i]
		for _, imp := range f.imports {
			require.True(t, a.allows(f.dir, imp), "%s must not import %s", f.path, imp)
		}
	}
}

func (a arrow) allows(dir, imp string) bool {
	if own, ok := strings.CutPrefix(imp, module+"/"); ok {
		if below(own, a.from) && !special(own, a.from) {
			return true
		}
		return slices.ContainsFunc(a.ours, func(o string) bool { return o == "" || own == o || below(own, o) && !special(own, o) })
	}
	if !strings.Contains(strings.SplitN(imp, "/", 2)[0], ".") {
		return imp != "C"
	}
	return slices.ContainsFunc(a.others, func(o string) bool { return o == "any" || below(imp, o) })
}

// special says whether a package below a folder has an arrow of its own, so
// that the folder's does not speak for it.
func special(pkg, folder string) bool {
	return slices.ContainsFunc(arrows, func(a arrow) bool { return a.from != folder && below(a.from, folder) && below(pkg, a.from) })
}

func below(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}
