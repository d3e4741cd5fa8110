package compare

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"pathmtu/plpmtud"
)

// NamedPrior is a prior over path MTUs, with the name that tables use.
type NamedPrior struct {
	Name  string
	Prior *plpmtud.Prior
}

// priorDir is where the priors of the tables are, below the module's root.
var priorDir = filepath.Join("plpmtud", "testdata")

// Priors reads the priors of the tables: A (most paths carry Ethernet frames),
// B (many tunnels and mobile networks), C (ignorance: uniform) and D (a data
// centre with jumbo frames). They are files of this module, found from the
// working directory or any directory above it.
func Priors(names ...string) ([]NamedPrior, error) {
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	var list []NamedPrior
	for _, name := range names {
		p, err := ReadPrior(name, filepath.Join(root, priorDir, "prior-"+strings.ToLower(name)+".txt"))
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

// ReadPrior reads a prior from a file, such as "pmtu report --prior" writes.
func ReadPrior(name, file string) (NamedPrior, error) {
	f, err := os.Open(file)
	if err != nil {
		return NamedPrior{}, err
	}
	defer f.Close()
	p, err := plpmtud.ParsePrior(f)
	if err != nil {
		return NamedPrior{}, fmt.Errorf("%s: %w", file, err)
	}
	return NamedPrior{name, p}, nil
}

// moduleRoot returns the nearest directory with a go.mod, from the working
// directory up.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("no go.mod in the working directory or above it")
		}
		dir = up
	}
}

// Expectation is the mean of outcomes under a prior.
type Expectation struct {
	Probes, Lost, Bytes, RTTs float64
	// Efficiency is the mean share of the path's payload that the final size
	// uses, 0 to 1.
	Efficiency float64
	// Unused is the mean of Outcome.Unused, in round trips of 1000.
	Unused float64
}

// Expect returns what a search may be expected to do on paths of the prior's
// MTUs within the range, at the given cost of a lost probe.
func Expect(c Contender, prior *plpmtud.Prior, r Range, lossCost float64) Expectation {
	var e Expectation
	total := 0.0
	for mtu, w := range prior.All() {
		if mtu < r.Base || mtu > r.Interface {
			continue
		}
		t := Trial{Range: r, PathMTU: mtu, LossCost: lossCost}
		o := c.Run(t)
		total += w
		e.Probes += w * float64(o.Probes)
		e.Lost += w * float64(o.Lost)
		e.Bytes += w * float64(o.Bytes)
		e.RTTs += w * o.RTTs
		e.Efficiency += w * t.efficiency(o.Final)
		e.Unused += w * o.Unused(t)
	}
	for _, v := range []*float64{&e.Probes, &e.Lost, &e.Bytes, &e.RTTs, &e.Efficiency, &e.Unused} {
		*v /= total
	}
	return e
}

// Reach is the largest size that a search looks for in the range, as it shows
// on a path without a limit: some stacks end well below the interface's MTU.
func (c Contender) Reach(r Range) int {
	return c.Run(Trial{Range: r, PathMTU: r.Interface, LossCost: 1}).Final
}
