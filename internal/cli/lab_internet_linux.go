package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"pathmtu/internal/netlab/internet"
	"pathmtu/plpmtud"
)

// internetFlags describe a simulated Internet.
type internetFlags struct {
	cfg   internet.Config
	prior string
	file  string
}

func (o *internetFlags) add(cmd *cobra.Command) {
	o.cfg = internet.Default()
	f := cmd.PersistentFlags()
	f.Uint64Var(&o.cfg.Seed, "seed", o.cfg.Seed, "of everything: the same seed is the same Internet")
	f.IntVar(&o.cfg.Edge, "edge", o.cfg.Edge, "MTU of the first hop's link, bytes")
	f.Float64Var(&o.cfg.Loss, "loss", o.cfg.Loss, "share of the packets that is lost, each way")
	f.Float64Var(&o.cfg.Filtered, "filtered", o.cfg.Filtered, "share of the bottlenecks that drop in silence")
	f.Float64Var(&o.cfg.Lying, "lying", o.cfg.Lying, "share of the bottlenecks that name a wrong MTU")
	f.Float64Var(&o.cfg.Exists, "exists", o.cfg.Exists, "share of the addresses that belong to a host")
	f.DurationVar(&o.cfg.DelayMost, "delay", o.cfg.DelayMost, "longest delay, there and back")
	f.StringVar(&o.prior, "mtus", "", "file with the path MTUs, in the format of a prior (default: built in)")
	f.StringVar(&o.file, "config", "", "file with a whole configuration, as \"lab internet config\" prints it; flags don't change it")
}

// world makes the Internet that the flags describe.
func (o *internetFlags) world() (*internet.World, error) {
	if o.file != "" {
		b, err := os.ReadFile(o.file)
		if err == nil {
			err = json.Unmarshal(b, &o.cfg)
		}
		if err != nil {
			return nil, usagef("--config: %w", err)
		}
	}
	if o.prior != "" {
		f, err := os.Open(o.prior)
		if err != nil {
			return nil, usagef("--mtus: %w", err)
		}
		p, err := plpmtud.ParsePrior(f)
		_ = f.Close()
		if err != nil {
			return nil, usagef("--mtus %s: %w", o.prior, err)
		}
		o.cfg.MTU4, o.cfg.MTU6 = nil, nil
		for size, w := range p.All() {
			o.cfg.MTU4 = append(o.cfg.MTU4, internet.Share{Lo: size, Hi: size, Weight: w})
		}
		o.cfg.MTU6 = o.cfg.MTU4
	}
	o.cfg.DelayLeast = min(o.cfg.DelayLeast, o.cfg.DelayMost)
	w, err := internet.New(o.cfg)
	if err != nil {
		return nil, usageError{err}
	}
	return w, nil
}

func newLabInternetCommand() *cobra.Command {
	var o internetFlags
	cmd := &cobra.Command{
		Use:   "internet",
		Short: "A simulated Internet of any number of hosts, with its ground truth",
		Long: `Internet makes a network namespace whose only way out is a simulated Internet: every
address is the address of a host, or of nobody, and what the path to it does follows
from a hash of the address. So "truth" can say what a measurement should find.

Targets are addresses for private use and documentation; nothing leaves the namespace.`,
		Example: `  pmtu lab internet targets -n 1000 > list
  pmtu lab internet run -- pmtu survey --lab --rate 5000 --net-rate 0 -i list -o found.jsonl
  pmtu lab internet truth < list`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	o.add(cmd)
	cmd.AddCommand(newInternetRunCommand(&o), newInternetTargetsCommand(&o), newInternetTruthCommand(&o), newInternetConfigCommand(&o), newInternetScoreCommand(&o))
	return cmd
}

func newInternetRunCommand(o *internetFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "run [-- COMMAND ARGS...]",
		Short: "Run a command, or a shell, in front of the simulated Internet",
		Long: `Run makes the simulated Internet, runs a command in the namespace in front of it, and
removes it when the command ends. The exit code is the command's. Without a command it
opens a shell; the command pmtu is this very program.

It needs root, or a kernel that lets users create user namespaces.`,
		Example: `  pmtu lab internet run
  pmtu lab internet run --loss 0.01 -- pmtu survey --lab --rate 5000 --net-rate 0 -i list -o found.jsonl`,
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := o.world()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				args = []string{shellName()}
			}
			// Interrupts are the command's: this program ends when it does.
			interrupts := make(chan os.Signal, 1)
			signal.Notify(interrupts, syscall.SIGINT)
			defer signal.Stop(interrupts)
			return labHereOrReexec(cmd.Context(), func(ctx context.Context) error {
				lab, err := internet.Build(ctx, w)
				if err != nil {
					return err
				}
				err = runInside(cmd, lab, args)
				return errors.Join(err, lab.Close())
			})
		},
	}
}

func shellName() string {
	if s := os.Getenv("SHELL"); s != "" {
		return s
	}
	return "/bin/sh"
}

// runInside runs a command in the namespace; its exit code becomes the program's.
func runInside(cmd *cobra.Command, lab *internet.Lab, args []string) error {
	name := args[0]
	if name == "pmtu" { // this very program
		name = "/proc/self/exe"
	}
	child := exec.Command(name, args[1:]...)
	child.Stdin, child.Stdout, child.Stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
	if err := lab.Start(child); err != nil {
		return usageError{err}
	}
	err := child.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return &labError{code: exit.ExitCode()}
	}
	return err
}

func newInternetTargetsCommand(o *internetFlags) *cobra.Command {
	var n int
	var v4, v6 bool
	cmd := &cobra.Command{
		Use:   "targets",
		Short: "Print addresses, one a line",
		Long: `Targets prints addresses of the simulated Internet, drawn by --seed: those of hosts and
those of nobody. IPv4 comes first.`,
		Example: "  pmtu lab internet targets -n 1000 > list\n  pmtu lab internet targets -6 --seed 7",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := bufio.NewWriterSize(cmd.OutOrStdout(), 1<<16)
			for _, family := range families(v4, v6) {
				seq, err := internet.Targets(o.cfg.Seed, family, n)
				if err != nil {
					return usageError{err}
				}
				for a := range seq {
					if _, err := fmt.Fprintln(out, a); err != nil {
						return err
					}
				}
			}
			return out.Flush()
		},
	}
	cmd.Flags().IntVarP(&n, "number", "n", 1000, "of addresses of each family")
	cmd.Flags().BoolVarP(&v4, "ipv4", "4", false, "IPv4 only")
	cmd.Flags().BoolVarP(&v6, "ipv6", "6", false, "IPv6 only")
	return cmd
}

// families returns those that two flags ask for; none or both: both.
func families(v4, v6 bool) []int {
	switch {
	case v4 && !v6:
		return []int{4}
	case v6 && !v4:
		return []int{6}
	}
	return []int{4, 6}
}

func newInternetTruthCommand(o *internetFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "truth",
		Short: "Print the truth about addresses from standard input, one JSON object a line",
		Long: `Truth reads addresses, one a line, and prints for each what a measurement should find. The
flags must be those of "pmtu lab internet run".`,
		Example: "  pmtu lab internet truth < list\n  pmtu lab internet targets -n 10 | pmtu lab internet truth",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := o.world()
			if err != nil {
				return err
			}
			var bad error
			err = w.WriteTruth(cmd.OutOrStdout(), addresses(cmd.InOrStdin(), &bad))
			return errors.Join(err, bad)
		},
	}
}

// addresses reads addresses, one a line, up to the first that is none.
func addresses(r io.Reader, bad *error) iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		s := bufio.NewScanner(r)
		for line := 1; s.Scan(); line++ {
			text := strings.TrimSpace(s.Text())
			if text == "" {
				continue
			}
			a, err := netip.ParseAddr(text)
			if err != nil {
				*bad = usagef("line %d: %.60q: want an IP address", line, text)
				return
			}
			if !yield(a) {
				return
			}
		}
		*bad = s.Err()
	}
}

func newInternetConfigCommand(o *internetFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "config",
		Short: "Print the whole configuration as JSON",
		Long: `Config prints the configuration that the flags come to, with all that has no flag: the
path MTUs and how frequent they are, for one. --config reads it back.`,
		Example: "  pmtu lab internet config --loss 0.05 > lossy.json\n  pmtu lab internet run --config lossy.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := o.world()
			if err != nil {
				return err
			}
			e := json.NewEncoder(cmd.OutOrStdout())
			e.SetIndent("", "  ")
			return e.Encode(w.Config())
		},
	}
}
