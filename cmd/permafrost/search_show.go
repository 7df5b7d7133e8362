package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost/search"
)

func searchListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ls [DIR]",
		Short:   "List the searches in a folder and below it",
		Example: `  permafrost search ls experiments`,
		Args: func(cmd *cobra.Command, given []string) error {
			if len(given) > 1 {
				return args("DIR")(cmd, given)
			}
			return nil
		},
	}
	asJSON := jsonFlag(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		dir := "."
		if len(given) == 1 {
			dir = given[0]
		}
		found, err := search.List(dir)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), struct {
				Searches []search.Summary `json:"searches"`
			}{append([]search.Summary{}, found...)})
		}
		return printSearches(cmd.OutOrStdout(), dir, found)
	}
	return cmd
}

func printSearches(w io.Writer, dir string, found []search.Summary) error {
	if len(found) == 0 {
		_, err := fmt.Fprintf(w, "no search in %s or below\n", dir)
		return err
	}
	width := 0
	for _, s := range found {
		width = max(width, len(s.Dir))
	}
	for _, s := range found {
		if s.Problem != "" {
			fmt.Fprintf(w, "%-*s  %-10s  %s\n", width, s.Dir, s.State, s.Problem)
			continue
		}
		best := "no result yet"
		if s.Best != nil {
			best = fmt.Sprintf("%s %.4g (trial %d)", s.Metric, s.Best.ValAccuracy, s.Best.Number)
		}
		if _, err := fmt.Fprintf(w, "%-*s  %-10s  %4d of %4d trials  %s  %s\n", width, s.Dir, s.State, s.Trials, s.Planned, best, secondsText(s.Seconds)); err != nil {
			return err
		}
	}
	return nil
}

func searchShowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show RUN",
		Short: "Show a search, or one of its trials",
		Long: `show prints what a search found, from its log alone; the search may still be running.

--trial shows one trial. --config writes its options as a run.yaml for fit. A trial trains on
a part of the training examples and is measured on the rest; that fit trains on all of them,
as the search itself does at its end. For the best trial, it gives the bits of RUN/best.`,
		Example: `  permafrost search show found
  permafrost search show found --html found/search.html
  permafrost search show found --trial 12 --config trial12.yaml
  permafrost fit --config trial12.yaml --out trial12`,
		Args: oneArg("RUN"),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	number := fs.Int("trial", -1, "`N` trial to show (default: the whole search)")
	fs.Lookup("trial").DefValue = "" // -1 is no trial
	config := fs.String("config", "", "`FILE` YAML file to write: the options of the trial, for fit --config")
	html := fs.String("html", "", "`FILE` HTML file to write")
	asJSON := jsonFlag(fs)
	cmd.RunE = func(cmd *cobra.Command, given []string) error {
		if *config != "" && !fs.Changed("trial") {
			return fmt.Errorf("--config needs --trial: name the trial whose options it writes")
		}
		r, err := search.Read(given[0])
		if err != nil {
			return err
		}
		if fs.Changed("trial") {
			return showTrial(cmd, r, *number, *config, *asJSON)
		}
		if *html != "" {
			b, err := search.Page(given[0])
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
		return printSearch(cmd.OutOrStdout(), r)
	}
	return cmd
}

// showTrial shows one trial, and writes its options to a file where one is named.
func showTrial(cmd *cobra.Command, r *search.Result, number int, config string, asJSON bool) error {
	i := slices.IndexFunc(r.Trials, func(t search.Trial) bool { return t.Number == number })
	if i < 0 {
		return fmt.Errorf("--trial %d: the search has no such trial, it has %d", number, len(r.Trials))
	}
	t := r.Trials[i]
	if config != "" {
		cfg, err := search.Replay(r.Out, number)
		if err != nil {
			return err
		}
		b, err := cfg.YAML()
		if err != nil {
			return err
		}
		if err := os.WriteFile(config, b, 0o666); err != nil {
			return fmt.Errorf("--config: %w", err)
		}
	}
	if asJSON {
		return printJSON(cmd.OutOrStdout(), t)
	}
	return printTrial(cmd.OutOrStdout(), r, t, config)
}

func printTrial(w io.Writer, r *search.Result, t search.Trial, config string) error {
	var b strings.Builder
	state := t.State
	if t.Why != "" {
		state += ": " + t.Why
	}
	fmt.Fprintf(&b, "trial       %d, %s\n", t.Number, state)
	for _, name := range slices.Sorted(maps.Keys(t.Options)) {
		fmt.Fprintf(&b, "option      %s %v\n", name, t.Options[name])
	}
	if t.State == "done" || t.State == "pruned" {
		fmt.Fprintf(&b, "held out    %s %.4g, loss %.4g on %d training examples after %d epochs\n", r.Metric, t.ValAccuracy, t.ValLoss, r.HeldOut, t.Epochs)
		fmt.Fprintf(&b, "model       %s parameters, %s trained; %s ms an example\n", thousands(t.ParamsTotal), thousands(t.ParamsThawed), digits(t.LatencyMS))
		fmt.Fprintf(&b, "took        %s\n", secondsText(t.Seconds))
	}
	if config != "" {
		fmt.Fprintf(&b, "fit         permafrost fit --config %s --out NEW, on all training examples\n", config)
	} else {
		fmt.Fprintf(&b, "fit         --config FILE writes its options for permafrost fit --config\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}
