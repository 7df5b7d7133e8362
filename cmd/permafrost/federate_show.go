package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost/federate"
)

func federateShowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show RUN",
		Short: "Show the state of a federation",
		Long: `show prints the state of a federation, from its folder alone; it may still be running.

--html writes the page that the federation itself writes as federation.html: curves by round,
bytes, who took part, and numbers of each client.`,
		Example: `  permafrost federate show tuned
  permafrost federate show tuned --html tuned.html`,
		Args: oneArg("RUN"),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	html := fs.String("html", "", "`FILE` HTML file to write")
	asJSON := jsonFlag(fs)
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		r, err := federate.Read(given[0])
		if err != nil {
			return err
		}
		if *html != "" {
			b, err := federate.Page(given[0])
			if err != nil {
				return err
			}
			if err := os.WriteFile(*html, b, 0o666); err != nil {
				return fmt.Errorf("--html: %w", err)
			}
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), r)
		}
		return showFederation(cmd, r)
	}
	return cmd
}

// roundsShown is how many of the last rounds are printed.
const roundsShown = 10

// showFederation prints the last rounds of a federation and what it came to.
func showFederation(cmd *cobra.Command, r *federate.Result) error {
	w := cmd.OutOrStdout()
	rounds := r.History
	if n := len(rounds) - roundsShown; n > 0 {
		fmt.Fprintf(w, "the last %d of %d rounds\n", roundsShown, len(rounds))
		rounds = rounds[n:]
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	if len(rounds) > 0 {
		fmt.Fprintf(tw, "round\tclients\tasked\t%s\tup\tdown\ttime\t\n", r.Metric)
	}
	for _, round := range rounds {
		best := ""
		if round.Number == r.BestRound {
			best = "  best"
		}
		fmt.Fprintf(tw, "%d\t%d\t%d\t%s\t%s\t%s\t%s\t%s\n", round.Number, round.Clients, round.Asked, metricText(round), bytesText(round.Up), bytesText(round.Down), secondsText(round.Seconds), best)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, s := range r.Settings {
		if _, err := fmt.Fprintf(w, "setting     %s: %s\n", s.Name, s.Value); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Refused)) {
		if _, err := fmt.Fprintf(w, "refused     %s: %s\n", name, r.Refused[name]); err != nil {
			return err
		}
	}
	return printFederation(cmd, r)
}
