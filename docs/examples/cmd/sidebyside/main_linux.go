// Program sidebyside sends the same transfer over the same paths by several
// stacks, and observes on the wire how each finds the path MTU, and whether it
// survives a path that shrinks:
//
//	quiclike          plpmtud in the example transport
//	quic-go           with an initial packet of 1200 bytes
//	quic-go, 1280     with one of 1280 bytes, which is its default: narrow paths
//	quic-go, watched  with udpecho below it, as in the example: paths that shrink
//	ngtcp2            its example server and client, if they are installed
//
//	sender ══1500══ r1 ──P── r2 ══1500, 10 ms══ receiver
//
// It needs the privileges that network namespaces need. No packet leaves them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"time"

	"pathmtu/internal/netlab"
)

func main() {
	out := flag.String("out", "", "folder for the results; empty: print only")
	only := flag.String("only", "", "only the stacks and paths whose name contains this")
	jobs := flag.Int("jobs", 4, "paths that stand at the same time")
	most := flag.Duration("timeout", 4*time.Minute, "for all of it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *most)
	defer cancel()
	if err := run(ctx, *out, *only, *jobs); err != nil {
		fmt.Fprintln(os.Stderr, "sidebyside:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out, only string, jobs int) error {
	if !netlab.Capable() {
		return errors.New("needs CAP_NET_ADMIN and CAP_SYS_ADMIN, for network namespaces")
	}
	dir, err := os.MkdirTemp("", "sidebyside")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	stacks, missing, err := prepare(dir)
	if err != nil {
		return err
	}
	m := newManifest(missing)
	var cells []cell
	for _, p := range paths() {
		for _, s := range stacks {
			if c := (cell{path: p, stack: s}); (s.on == nil || s.on(p)) && strings.Contains(c.name(), only) {
				cells = append(cells, c)
			}
		}
	}
	rows := make([]row, len(cells))
	slots := make(chan struct{}, max(jobs, 1))
	var group sync.WaitGroup
	for i, c := range cells {
		group.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			rows[i] = c.measure(ctx)
			fmt.Fprintf(os.Stderr, "%s: %s\n", c.name(), rows[i].brief())
		})
	}
	group.Wait()
	fmt.Print(table(rows))
	m.finish()
	if out == "" {
		return nil
	}
	return record(out, rows, m)
}
