package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"

	"pathmtu/internal/netlab"
)

// customPath is the topology that takes its sizes from flags.
const customPath = "path"

func newLabUpCommand() *cobra.Command {
	var (
		edge, bottleneck int
		ptb              string
		shell            bool
	)
	cmd := &cobra.Command{
		Use:   "up TOPOLOGY",
		Short: "Leave a network standing to play with",
		Long: `Up builds a topology of "pmtu lab list" and leaves it standing in named namespaces.
Its name goes to stdout, how to enter and to remove it to stderr.

With --shell it opens a shell on the client instead and removes the network when
the shell ends; that needs no root where users may create user namespaces.

The topology "path" is cli --edge-- r1 --bottleneck-- r2 --edge-- srv with the sizes
of the flags.`,
		Example: "  pmtu lab up blackhole\n  pmtu lab up --shell path --edge 9000 --bottleneck 1399 --ptb filtered",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			t, err := pickTopology(args[0], edge, bottleneck, ptb)
			if err != nil {
				return usageError{err}
			}
			if shell {
				return labShell(cmd, t)
			}
			return labUp(cmd, t)
		},
	}
	f := cmd.Flags()
	f.IntVar(&edge, "edge", 1500, "MTU of the first and the last link, with topology path")
	f.IntVar(&bottleneck, "bottleneck", 1420, "MTU of the link between, with topology path")
	f.StringVar(&ptb, "ptb", "delivered", "packet-too-big messages: delivered, filtered, or the MTU they claim, with topology path")
	f.BoolVar(&shell, "shell", false, "open a shell on the client; remove the network when it ends")
	return cmd
}

func pickTopology(name string, edge, bottleneck int, ptb string) (netlab.Topology, error) {
	if name != customPath {
		t, ok := netlab.FindTopology(name)
		if !ok {
			return t, fmt.Errorf("unknown topology %q: see \"pmtu lab list\"", name)
		}
		return t, nil
	}
	var p netlab.PTB
	switch ptb {
	case "delivered":
	case "filtered":
		p.Mode = netlab.PTBFiltered
	default:
		mtu, err := strconv.Atoi(ptb)
		if err != nil || mtu < 0 || mtu > 65535 {
			return netlab.Topology{}, fmt.Errorf("--ptb %q: want delivered, filtered, or 0 to 65535", ptb)
		}
		p = netlab.PTB{Mode: netlab.PTBLying, MTU: mtu}
	}
	for flag, mtu := range map[string]int{"edge": edge, "bottleneck": bottleneck} {
		if mtu < 1280 || mtu > 65535 {
			return netlab.Topology{}, fmt.Errorf("--%s %d: want 1280 to 65535 (IPv6 needs 1280)", flag, mtu)
		}
	}
	return netlab.Path(edge, bottleneck, p), nil
}

func labUp(cmd *cobra.Command, t netlab.Topology) error {
	if !netlab.Capable() {
		return &labError{exitPrivilege, errors.New(
			"a network that outlives the command needs CAP_NET_ADMIN and CAP_SYS_ADMIN: run as root, or use \"pmtu lab up --shell\"")}
	}
	for _, l := range t.Links {
		if l.Delay != nil {
			return usagef("topology %q has a delayed link, which lives as long as its process: use --shell", t.Name)
		}
	}
	return withLab(cmd, func(ctx context.Context) error {
		lab, err := netlab.Build(ctx, t)
		if err != nil {
			return err
		}
		defer lab.Close()
		if err := lab.Name(); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), lab.ID); err != nil {
			return errors.Join(err, netlab.Remove(lab.ID))
		}
		describeLab(cmd.ErrOrStderr(), lab, func(node string) string {
			return "ip netns exec " + netlab.NamespaceName(lab.ID, node)
		})
		fmt.Fprintf(cmd.ErrOrStderr(), "remove:  pmtu lab down %s\n", lab.ID)
		return nil
	})
}

// labShell leaves interrupts to the shell and ends when the shell does.
func labShell(cmd *cobra.Command, t netlab.Topology) error {
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, syscall.SIGINT)
	defer signal.Stop(interrupts)
	ctx, stop := signal.NotifyContext(context.WithoutCancel(cmd.Context()), syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	return labHereOrReexec(ctx, func(ctx context.Context) error {
		lab, err := netlab.Build(ctx, t)
		if err != nil {
			return err
		}
		defer lab.Close()
		describeLab(cmd.ErrOrStderr(), lab, func(node string) string {
			return "nsenter --net=" + lab.Node(node).Path()
		})
		fmt.Fprintln(cmd.ErrOrStderr(), "this shell is on cli; exit removes the network")
		name := os.Getenv("SHELL")
		if name == "" {
			name = "/bin/sh"
		}
		child := netlab.Command(ctx, name)
		child.Stdin, child.Stdout, child.Stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
		if err := lab.Node("cli").Start(child); err != nil {
			return fmt.Errorf("start %s: %w", name, err)
		}
		var exit *exec.ExitError
		if err := child.Wait(); err != nil && !errors.As(err, &exit) {
			return err
		}
		return nil // what the shell's last command returned is its own business
	})
}

// describeLab says what stands and how to enter it.
func describeLab(w io.Writer, lab *netlab.Lab, enter func(node string) string) {
	fmt.Fprintf(w, "\n%s\n", lab.Topology.Draw())
	for _, n := range lab.Topology.Nodes {
		addr4, _ := lab.Addr(n.Name, 4)
		addr6, _ := lab.Addr(n.Name, 6)
		fmt.Fprintf(w, "%-4s %-16v %-18v %s COMMAND\n", n.Name, addr4, addr6, enter(n.Name))
	}
	self, err := os.Executable()
	if err != nil {
		self = "pmtu"
	}
	for _, family := range []int{4, 6} {
		srv, ok := lab.Addr("srv", family)
		if walk, err := lab.Topology.Walk("cli", srv); ok && err == nil {
			fmt.Fprintf(w, "measure: %s %s probe %v  (the truth is %d)\n", enter("cli"), self, srv, walk.MTU())
		}
	}
}
