package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost"
)

func init() { register(groupTune, "advise", adviseCommand) }

func adviseCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "advise --model MODEL --data PATH",
		Short: "Recommend what to thaw for your data, with evidence and predicted cost",
		Long: `advise gathers evidence on what to thaw, without training the model: linear probes and
LogME at several depths of the frozen trunk, gradient statistics of some batches, and the
predicted time and memory of plans from the head alone to everything, adapters included.
It recommends a plan, says why, and how sure it is.

Validation examples are not used. The features are kept for the fit that follows.

Columns of the probe: features is the width of the value; train and held out are the
accuracies of a linear classifier that reads it, +- the standard error of the latter;
LogME is the evidence of a Bayesian linear model, per example: the larger, the better.

Columns of the gradients, of each block: relative is their norm divided by that of the
weights; signal the ratio of their squared mean over batches to their variance; Fisher
the mean square; agreement how alike the gradients of different batches are, from 0 to 1;
change how much the norm differs a few steps later; moves how far a step moves the weights,
relative to their size; importance the block's share of the fall in loss over these steps;
cost its share of the work for the trunk's weight gradients.

Columns of the plans: at best ranks them by what they may reach and is no forecast; a fit
is the predicted time; memory is that of training; checkpoint is its size.`,
		Example: `  permafrost advise --model resnet.onnx --data photos
  permafrost advise --model resnet.onnx --data photos --json`,
		Args: noArgs(),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	given := bindConfig(fs, append([]string{"model", "pool"}, evidenceFlags...)...)
	asJSON := jsonFlag(fs)
	group(fs, other, "json")
	completeConfig(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := given.config()
		if err != nil {
			return err
		}
		a, err := permafrost.Advise(cmd.Context(), cfg, progress(cmd))
		if err != nil {
			return err
		}
		nameFlags(cmd, &a.Recommended.Why, &a.Recommended.Doubts)
		for _, n := range a.Notes {
			note(cmd, "%s", n)
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), a)
		}
		return printAdvice(cmd.OutOrStdout(), a)
	}
	return cmd
}

func printAdvice(w io.Writer, a *permafrost.Advice) error {
	var b strings.Builder
	of := fmt.Sprintf("%s examples of %d classes", thousands(a.Examples), a.Classes)
	if len(a.Depths) == 0 {
		of = fmt.Sprintf("%s examples for the task %s, which has no probe", thousands(a.Examples), a.Task)
	}
	fmt.Fprintf(&b, "%s, %s parameters in %d blocks\n", of, thousands(a.Params), len(a.Blocks))
	width := len("all at once")
	for _, d := range a.Depths {
		width = max(width, len(d.Depth))
	}
	if len(a.Depths) > 0 {
		fmt.Fprintf(&b, "\na linear probe on the frozen trunk (always answering one class: %.1f%%)\n%-*s  %8s  %8s  %8s  %6s  %8s\n", 100*a.Majority, width, "after", "features", "train", "held out", "+-", "LogME")
	}
	for _, d := range a.Depths {
		fmt.Fprintf(&b, "%-*s  %8d  %7.1f%%  %7.1f%%  %6.1f  %8.4f\n", width, d.Depth, d.Features, 100*d.Train, 100*d.HeldOut, 100*d.Error, d.LogME)
	}
	if j := a.Joint; j != nil {
		fmt.Fprintf(&b, "%-*s  %8d  %7.1f%%  %7.1f%%     %+.1f points (+- %.1f) to the features alone\n", width, "all at once", j.Features, 100*j.Train, 100*j.HeldOut, 100*j.Gain, 100*j.Error)
	}
	if len(a.Gradients) > 0 {
		for _, g := range a.Gradients {
			width = max(width, len(g.Block))
		}
		own := slices.Sorted(maps.Keys(a.Gradients[0].Own))
		fmt.Fprintf(&b, "\ngradients of some batches, from the pretrained weights on\n%-*s  %10s  %8s  %6s  %8s  %9s  %8s  %8s  %10s  %8s%s\n", width, "block", "parameters",
			"relative", "signal", "Fisher", "agreement", "change", "moves", "importance", "cost", titles(own))
		for _, g := range a.Gradients {
			fmt.Fprintf(&b, "%-*s  %10s  %8.2g  %6.3f  %8.2g  %9.3f  %7.0f%%  %7.3f%%  %9.1f%%  %7.1f%%%s\n", width, g.Block, thousands(g.Params), g.RGN, g.SNR, g.Fisher, g.Agreement,
				100*g.GradientChange, 100*g.WeightChange, 100*g.Importance, 100*g.Cost, numbers(own, g.Own))
		}
		if vanished(a.Gradients) {
			b.WriteString("the gradients vanish, since the head fits every example: these numbers say nothing\n")
		} else if e := a.Elastic; e != nil {
			fmt.Fprintf(&b, "%.0f%% of a backward pass buys at most %.0f%% of the importance, with %d of %d tensors%s\n", 100*e.Work, 100*e.Importance, len(e.Weights), e.Of, elasticBlocks(a))
		}
	}
	width = len("--thaw")
	for _, c := range a.Candidates {
		width = max(width, len(planText(c)))
	}
	fmt.Fprintf(&b, "\n%-*s  %10s  %8s  %10s  %10s  %10s\n", width, "--thaw", "parameters", "at best", "a fit", "memory", "checkpoint")
	for _, c := range a.Candidates {
		mark := ""
		if planText(c) == a.Recommended.Thaw {
			mark = "  <-"
		}
		best := "-"
		if len(a.Depths) > 0 {
			best = fmt.Sprintf("%.1f%%", 100*c.Score)
		}
		fmt.Fprintf(&b, "%-*s  %10s  %8s  %10s  %10s  %10s%s\n", width, planText(c), thousands(c.Params), best, secondsText(c.Seconds), bytesText(c.Bytes), bytesText(c.Checkpoint), mark)
	}
	fmt.Fprintf(&b, "\nadvice      --thaw %s\nwhy         %s\nsure        %s: %s\ncolumns     permafrost advise --help explains them\n", a.Recommended.Thaw, a.Recommended.Why, a.Recommended.Sure, a.Recommended.Doubts)
	_, err := io.WriteString(w, b.String())
	return err
}

// vanished reports whether all gradients are too small to tell one block from another.
func vanished(gradients []permafrost.BlockGradient) bool {
	return !slices.ContainsFunc(gradients, func(g permafrost.BlockGradient) bool { return g.RGN > 1e-12 })
}

// planText is how a user would ask fit for a plan.
func planText(c permafrost.Candidate) string {
	if c.Adapter == "" {
		return c.Thaw
	}
	return c.Thaw + " --adapter " + c.Adapter
}

// elasticBlocks says in which blocks the weights are on which half a backward pass is best spent.
func elasticBlocks(a *permafrost.Advice) string {
	var in []string
	for _, g := range a.Gradients {
		if g.Elastic > 0 {
			in = append(in, g.Block)
		}
	}
	switch {
	case len(in) == 0:
		return ""
	case len(in) > 4:
		return fmt.Sprintf(": in %s, ..., %s", in[0], in[len(in)-1])
	}
	return ": in " + strings.Join(in, ", ")
}
