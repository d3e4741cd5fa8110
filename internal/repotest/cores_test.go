package repotest

import (
	"go/ast"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// cores do no I/O: the caller passes time, packets and randomness. Folders,
// without those below them, and single files of packages that are not cores as
// a whole.
var cores = []string{"plpmtud", "plpmtud/udpopt", "hbh", "truncate", "probe", "probe/trace", "internal/ip6", "internal/router", "internal/host", "internal/pathsim"}

// forbidden is what a core must not use: whole packages, or names of them.
var forbidden = map[string][]string{
	"time":         {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"},
	"net":          nil,
	"os":           nil,
	"syscall":      nil,
	"math/rand":    nil,
	"crypto/rand":  nil,
	"os/exec":      nil,
	"net/http":     nil,
	"math/rand/v2": {"Int", "IntN", "Float64", "N", "Uint32", "Uint64", "Perm", "Shuffle"},
}

func TestCoresDoNoIO(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range goFiles(t) {
		if f.test || !slices.Contains(cores, f.dir) {
			continue
		}
		seen[f.dir] = true
		local := map[string]string{} // name in this file -> package
		for _, i := range f.ast.Imports {
			path := strings.Trim(i.Path.Value, `"`)
			names, bad := forbidden[path]
			assert.False(t, bad && names == nil, "%s is part of a core and imports %s", f.path, path)
			if bad {
				name := path[strings.LastIndex(path, "/")+1:]
				if i.Name != nil {
					name = i.Name.Name
				}
				local[name] = path
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				assert.Fail(t, "goroutine in a core", f.path)
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && local[x.Name] != "" {
					assert.NotContains(t, forbidden[local[x.Name]], n.Sel.Name, "%s is part of a core and uses %s.%s", f.path, x.Name, n.Sel.Name)
				}
			}
			return true
		})
	}
	for _, core := range cores {
		assert.True(t, seen[core], "core %s has no files: is the list out of date?", core)
	}
}
