package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"pathmtu/probe/survey/fleet"
)

// requestTime is how long a question to the queue may take.
const requestTime = 20 * time.Second

// fleetStatus is what "pmtu survey status --json" prints.
type fleetStatus struct {
	Surveys []*fleet.Status    `json:"surveys"`
	Workers []fleet.WorkerInfo `json:"workers"`
}

func newSurveyStatusCommand() *cobra.Command {
	var o fleetFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status --server URL [SURVEY...]",
		Short: "Show how far shared surveys are, and who works on them",
		Long: `Status asks the queue of "pmtu survey serve" and prints a line for each survey and vantage,
of all surveys or of those that are named, and a line for each worker.`,
		Example: `  pmtu survey status --server tls://survey.example.net:4222 --token-file token
  pmtu survey status --server nats://127.0.0.1:4222 --json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), requestTime)
			defer cancel()
			b, err := o.connect(ctx, cmd, "status")
			if err != nil {
				return err
			}
			defer b.Disconnect()
			if len(args) == 0 {
				if args, err = fleet.Surveys(ctx, b); err != nil {
					return err
				}
			}
			var s fleetStatus
			slices.Sort(args)
			for _, name := range args {
				one, err := fleet.ReadStatus(ctx, b, name)
				if errors.Is(err, fleet.ErrNotFound) {
					return usageError{err}
				}
				if err != nil {
					return err
				}
				s.Surveys = append(s.Surveys, one)
			}
			if s.Workers, err = fleet.Workers(ctx, b); err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(s)
			}
			return s.print(cmd)
		},
	}
	o.add(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

func (s *fleetStatus) print(cmd *cobra.Command) error {
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	line("SURVEY\tSTATE\tVANTAGE\tRECORDS\tTARGETS\tSHARDS\tWAITING\tLEASED\tAGAIN")
	for _, v := range s.Surveys {
		places := map[string]uint64{}
		if v.Results != nil {
			places = v.Results.ByVantage
		}
		for p := range v.Queues {
			if _, ok := places[p]; !ok {
				places[p] = 0
			}
		}
		var names []string
		for p := range places {
			names = append(names, p)
		}
		slices.Sort(names)
		for _, p := range names {
			q := v.Queues[p]
			line("%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d", v.Survey, v.State.Phase, p, places[p], v.Targets, v.Shards, q.Waiting, q.Leased, q.Again)
		}
	}
	line("")
	line("WORKER\tVANTAGE\tSEEN\tSURVEY\tSHARE\tRECORDS\tCLOCK")
	for _, i := range s.Workers {
		clock := "?"
		if i.Offset != nil && i.Error != nil {
			clock = fmt.Sprintf("%+.1f ms ±%.1f", float64(-*i.Offset)/1000, float64(*i.Error)/1000)
		}
		name := i.Survey
		if i.Shard != nil {
			name += fmt.Sprintf("/%d", *i.Shard)
		}
		line("%s\t%s\t%s\t%s\t%.0f%%\t%d\t%s", i.ID, i.Vantage, i.Clock.Format("15:04:05"), name, 100*i.Share, i.Records, clock)
	}
	return w.Flush()
}

func newSurveyCancelCommand() *cobra.Command {
	var o fleetFlags
	cmd := &cobra.Command{
		Use:   "cancel --server URL SURVEY",
		Short: "End a shared survey; what was measured is kept",
		Long: `Cancel ends a survey by the name that "pmtu survey status" shows. Its workers stop at
their next sign of life and take up other surveys.`,
		Example: "  pmtu survey cancel --server nats://127.0.0.1:4222 SURVEY",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), requestTime)
			defer cancel()
			b, err := o.connect(ctx, cmd, "cancel")
			if err != nil {
				return err
			}
			defer b.Disconnect()
			err = fleet.Cancel(ctx, b, args[0])
			if errors.Is(err, fleet.ErrNotFound) {
				return usageError{err}
			}
			return err
		},
	}
	o.add(cmd.Flags())
	return cmd
}
