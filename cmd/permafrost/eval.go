package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost"
	"github.com/spf13/cobra"
)

func init() { register(groupUse, "eval", evalCommand) }

func evalCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "eval --model MODEL --data PATH",
		Short: "Measure a model on labelled data",
		Long: `eval measures a tuned model on labelled data: accuracy, loss, precision and recall of each class,
and which classes are confused. The labels of the data must be among the model's. If PATH has
splits, it measures test, else val, and prints which. The tuned file says how inputs are prepared.

--errors writes a table of the examples with a wrong answer, the largest loss first: the file, or
the row and its text; label and prediction with their probabilities; the loss. Numbers have a
residual, transcripts an error rate. --outcomes writes the same table of all examples.

A model that was not tuned is measured with its own classifier. Class names come from id2label in
config.json beside it, else from labels.txt, else they are numbers from 0. Inputs are prepared as in
a fit; notes say how.`,
		Example: `  permafrost eval --model runs/mobilenet-photos-1/model.onnx --data photos
  permafrost eval --model runs/mobilenet-photos-1/model.onnx --data photos --errors errors.csv`,
		Args: noArgs(),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	model := modelFlag(cmd)
	data := fs.String("data", "", "`PATH` labelled examples: a folder of class folders, or a table")
	errorsFile := fs.String("errors", "", "`FILE` CSV file to write: the examples with a wrong answer, worst first")
	outcomesFile := fs.String("outcomes", "", "`FILE` CSV file to write: all examples, worst first")
	threads := fs.Int("threads", 0, threadsHelp)
	asJSON := jsonFlag(fs)
	given := preparationFlags(cmd, "text-column", "label-column")
	required(cmd, "data")
	folders(cmd, "data")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		m, err := openModel(cmd, *model, given, permafrost.WithThreads(*threads))
		if err != nil {
			return err
		}
		defer m.Close()
		for _, out := range [][2]string{{"errors", *errorsFile}, {"outcomes", *outcomesFile}} {
			if out[1] != "" && m.Task() == "lm" {
				return fmt.Errorf("--%s: a language model is measured token by token and has no answer to an example", out[0])
			}
			if err := checkOutput(out[0], out[1], *model, *data); err != nil {
				return err
			}
		}
		if *data, err = permafrost.FetchData(cmd.Context(), *data, progress(cmd)); err != nil {
			return err
		}
		e, err := m.Eval(cmd.Context(), permafrost.Folder(*data))
		if err != nil {
			return err
		}
		for _, n := range slices.Concat(m.Notes(), e.Notes) {
			note(cmd, "%s", n)
		}
		noteSkipped(cmd, e.Skipped)
		if err := writeOutcomes(e, *errorsFile, *outcomesFile); err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), e)
		}
		if err := printEval(cmd.OutOrStdout(), e); err != nil || *errorsFile == "" {
			return err
		}
		what := "with a wrong answer"
		if m.Task() == "regress" {
			what = "with their residuals"
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "\n%s %s in %s\n", counted(len(e.Mistakes()), "example"), what, *errorsFile)
		return err
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
	split := map[string]string{"test": "test ", "val": "validation "}[e.Split]
	fmt.Fprintf(w, "%s of %s %sexamples, loss %.4f%s, in %s\n", metric, thousands(e.Examples), split, e.Loss, off, secondsText(e.Seconds))
	if err := printClasses(w, e); err != nil || len(e.Classes) > 30 || e.Metric != nil {
		return err
	}
	width, cell := len("true \\ predicted"), 4
	for _, c := range e.Classes {
		width = max(width, len(c))
	}
	fmt.Fprintf(w, "\n%-*s", width, "true \\ predicted")
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
