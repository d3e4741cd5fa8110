package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"pathmtu/internal/netlab"
)

func newLabDownCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "down NAME...",
		Short: "Remove networks that \"lab up\" left standing",
		Long: `Down removes networks by the names that "pmtu lab up" printed and "pmtu lab list" lists.
Programs that run inside keep theirs until the last of them ends. It needs root.`,
		Example: "  pmtu lab down NAME",
		Args:    cobra.MinimumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			ids, _ := netlab.Standing()
			return ids, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			var errs []error
			for _, id := range args {
				err := netlab.Remove(id)
				if errors.Is(err, netlab.ErrNotStanding) {
					standing, _ := netlab.Standing()
					err = usagef("%w (standing: %s)", err, orNone(standing))
				}
				errs = append(errs, withExitCode(err))
			}
			return errors.Join(errs...)
		},
	}
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// labListing is one line of "lab list --json".
type labListing struct {
	Kind    string `json:"kind"` // topology or lab
	Name    string `json:"name"`
	About   string `json:"about,omitempty"`
	Picture string `json:"picture,omitempty"`
}

func newLabListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the topologies, and the networks that stand",
		Long: `List prints each topology of "pmtu lab up": its name, what it is about, and a drawing with
the MTU of each link. After them come the names of the networks that stand.`,
		Example: "  pmtu lab list\n  pmtu lab list --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			standing, err := netlab.Standing()
			if err != nil {
				return err
			}
			var all []labListing
			for _, t := range netlab.Catalog() {
				all = append(all, labListing{Kind: "topology", Name: t.Name, About: t.About, Picture: t.Draw()})
			}
			for _, id := range standing {
				all = append(all, labListing{Kind: "lab", Name: id})
			}
			out := json.NewEncoder(cmd.OutOrStdout())
			out.SetEscapeHTML(false)
			for _, l := range all {
				var err error
				switch {
				case asJSON:
					err = out.Encode(l)
				case l.Kind == "lab":
					_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s  (standing)\n", l.Name)
				default:
					picture := strings.ReplaceAll(strings.TrimSuffix(l.Picture, "\n"), "\n", "\n    ")
					_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n    %s\n\n", l.Name, l.About, picture)
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	return cmd
}
