package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost"
)

func init() { register(groupTune, "runs", runsCommand) }

func runsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "runs [DIR]",
		Short: "List the runs in a folder, with their numbers",
		Long: `runs lists the runs in DIR and in the folders below it (default: runs), the latest last. A run is
done, interrupted (permafrost fit --resume continues it), failed, or unfinished: still running, or
killed. Its numbers are those of the written weights, or of the best epoch so far. If DIR is itself a
run, its epochs are listed too. docs/run-folder.md explains the files of a run folder.`,
		Example: `  permafrost runs
  permafrost runs runs/mine
  permafrost runs experiments --json`,
		Args: func(cmd *cobra.Command, given []string) error {
			if len(given) > 1 {
				return fmt.Errorf("unexpected argument %q: %s", given[1], cmd.UseLine())
			}
			return nil
		},
	}
	asJSON := jsonFlag(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		dir := "runs"
		if len(args) > 0 {
			dir = args[0]
		}
		runs, damaged, err := permafrost.ListRuns(dir)
		if errors.Is(err, fs.ErrNotExist) && len(args) == 0 {
			return fmt.Errorf("there is no folder runs here: name the folder in which runs lie: %s", cmd.UseLine())
		}
		if err != nil {
			return err
		}
		for _, d := range damaged {
			note(cmd, "%s cannot be read: %s", d.Out, oneLine(errors.New(d.Why)))
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), struct {
				Dir     string                  `json:"dir"`
				Runs    []permafrost.RunInfo    `json:"runs"`
				Damaged []permafrost.DamagedRun `json:"damaged"`
			}{dir, append([]permafrost.RunInfo{}, runs...), append([]permafrost.DamagedRun{}, damaged...)})
		}
		if err := printRuns(cmd, dir, runs); err != nil || len(runs) != 1 || runs[0].Out != dir {
			return err
		}
		return printCurve(cmd.OutOrStdout(), &runs[0])
	}
	return cmd
}

func printRuns(cmd *cobra.Command, dir string, runs []permafrost.RunInfo) error {
	w := cmd.OutOrStdout()
	if len(runs) == 0 {
		_, err := fmt.Fprintf(w, "no runs in %s\n", dir)
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "run\tstate\tmodel\tdata\tthaw\tepochs\tvalidation\tloss\ttime\tbegan")
	for _, r := range runs {
		epochs := fmt.Sprint(r.Epochs)
		if r.Epochs != r.Planned {
			epochs += fmt.Sprintf("/%d", r.Planned)
		}
		validation, loss := "-", "-"
		switch {
		case r.ValMetric != nil:
			validation = r.ValMetric.String()
		case r.ValAccuracy != nil:
			validation = fmt.Sprintf("%.2f%%", 100**r.ValAccuracy)
		}
		if r.ValLoss != nil {
			loss = fmt.Sprintf("%.4f", *r.ValLoss)
		}
		fmt.Fprintln(tw, strings.Join([]string{r.Out, r.State, filepath.Base(r.Model), filepath.Base(r.Data), trains(&r), epochs,
			validation, loss, secondsText(r.Seconds), r.Began.Local().Format(time.DateTime)}, "\t"))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, r := range runs {
		if r.Error != "" {
			if _, err := fmt.Fprintf(w, "%s failed: %s\n", r.Out, flagText(cmd, errors.New(r.Error))); err != nil {
				return err
			}
		}
	}
	return nil
}

// known writes a number, and a dash for one that nobody knows: clients of a federation may hide theirs.
func known(format string, v float64) string {
	if math.IsNaN(v) {
		return "-"
	}
	return fmt.Sprintf(format, v)
}

// trains says what a run trains, as the options of fit have it.
func trains(r *permafrost.RunInfo) string {
	text := strings.Join(r.Thaw, ",")
	if len(r.Freeze) > 0 {
		text += " --freeze " + strings.Join(r.Freeze, ",")
	}
	for _, s := range []string{r.Adapter, r.Schedule} {
		if s != "" {
			text += " " + s
		}
	}
	return text
}

// printCurve prints the epochs of a run, and where to look further.
func printCurve(w io.Writer, r *permafrost.RunInfo) error {
	fmt.Fprintln(w)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "epoch\ttrain loss\ttrain\tval loss\tvalidation\tlearning rate\ttime\t")
	measure := func(m *permafrost.Metric, accuracy float64) string {
		if m != nil {
			return m.String()
		}
		return known("%.2f%%", 100*accuracy)
	}
	for _, e := range r.Curve {
		loss, validation, best := "-", "-", ""
		if e.Val != nil {
			loss, validation = fmt.Sprintf("%.4f", e.Val.Loss), measure(e.Val.Metric, e.Val.Accuracy)
		}
		if e.Epoch == r.BestEpoch {
			best = "  best"
		}
		fmt.Fprintf(tw, "%d\t%s\t%s\t%s\t%s\t%.3g\t%s\t%s\n", e.Epoch, known("%.4f", e.TrainLoss), measure(e.TrainMetric, e.TrainAccuracy), loss, validation, e.LR, secondsText(e.Seconds), best)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nsettings    %s\n", filepath.Join(r.Out, permafrost.RunFile))
	if page := filepath.Join(r.Out, permafrost.ReportFile); err == nil && fileExists(page) {
		_, err = fmt.Fprintf(w, "report      %s\n", page)
	}
	if _, there := os.Stat(r.Data); err == nil && there == nil && r.State == permafrost.RunDone {
		_, err = fmt.Fprintf(w, "mistakes    permafrost eval --model %s --data %s --errors errors.csv\n", filepath.Join(r.Out, permafrost.ModelFile), r.Data)
	}
	return err
}
