package main

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/permafrost-ml/permafrost"
	"github.com/spf13/cobra"
)

func init() { register(groupUse, evalCommand) }

func evalCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "eval --model TUNED --data PATH",
		Short: "Measure a tuned model on labelled data",
		Long: `eval measures a tuned model on class folders, or a table, whose labels are among its own: accuracy,
loss and which classes are taken for which. Where PATH has train and val, val is taken.
Images, sounds, texts and numbers are prepared as the tuned file says.`,
		Example: `  permafrost eval --model runs/mobilenet-photos-1/model.onnx --data photos`,
		Args:    noArgs(),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	model := modelFlag(cmd)
	data := fs.String("data", "", "`PATH` labelled examples: a folder of class folders, or a table")
	threads := fs.Int("threads", 0, threadsHelp)
	asJSON := jsonFlag(fs)
	required(cmd, "data")
	folders(cmd, "data")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		m, err := permafrost.Open(*model, permafrost.WithThreads(*threads))
		if err != nil {
			return err
		}
		defer m.Close()
		e, err := m.Eval(cmd.Context(), permafrost.Folder(*data))
		if err != nil {
			return err
		}
		for _, s := range e.Skipped {
			note(cmd, "skipped %s: %v", s.Path, s.Err)
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), e)
		}
		return printEval(cmd.OutOrStdout(), e)
	}
	return cmd
}

// guessText is the rmse of always giving the mean, beside an rmse; "" for other metrics.
func guessText(m *permafrost.Metric, guess *float64) string {
	if m.Name != "rmse" || guess == nil {
		return ""
	}
	mean := permafrost.Metric{Name: m.Name, Value: math.Sqrt(*guess)}
	return fmt.Sprintf(" (always giving the mean: %s)", &mean)
}

// calibrationText is the calibration error as a part of a sentence, "" for none.
func calibrationText(ece, chance *float64) string {
	if ece == nil || chance == nil {
		return ""
	}
	return fmt.Sprintf(", calibration error %.1f%% (%.1f%% by chance)", 100**ece, 100**chance)
}

func printEval(w io.Writer, e *permafrost.Evaluation) error {
	metric := fmt.Sprintf("accuracy    %.2f%%", 100*e.Accuracy)
	if e.Metric != nil {
		metric = e.Metric.String() + guessText(e.Metric, e.GuessLoss)
	}
	off := calibrationText(e.ECE, e.ECEChance)
	fmt.Fprintf(w, "%s of %s examples, loss %.4f%s, in %s\n", metric, thousands(e.Examples), e.Loss, off, secondsText(e.Seconds))
	if len(e.Classes) > 30 || e.Metric != nil {
		return nil
	}
	width, cell := len("true \\ taken for"), 4
	for _, c := range e.Classes {
		width = max(width, len(c))
	}
	fmt.Fprintf(w, "\n%-*s", width, "true \\ taken for")
	for i := range e.Classes {
		fmt.Fprintf(w, " %*d", cell, i+1)
	}
	fmt.Fprintln(w)
	for i, row := range e.Confusion {
		var b strings.Builder
		for _, n := range row {
			if n == 0 {
				fmt.Fprintf(&b, " %*s", cell, ".")
			} else {
				fmt.Fprintf(&b, " %*d", cell, n)
			}
		}
		fmt.Fprintf(w, "%-*s%s  %d %s\n", width, e.Classes[i], b.String(), i+1, e.Classes[i])
	}
	return nil
}
