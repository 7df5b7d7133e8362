package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost"
)

func init() { register(groupTune, "compare", compareCommand) }

func compareCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "compare --model MODEL --data PATH --plan NAME=SELECTORS...",
		Short: "Compare plans over several seeds, with full fine-tuning among them",
		Long: `compare fits every plan once for each seed and shows them side by side: accuracy with
its spread, time, memory of a training step, trained parameters, and the gap between
training and validation. A paired t-test over the seeds tells how each plan differs from
the best one and from full fine-tuning.

A plan is NAME=SELECTORS, with options of its own after an @:
deep=head,last:2@lr=0.001,epochs=5. Two plans are always added: the head alone ("head")
and full fine-tuning ("full": all weights, at a smaller learning rate). A plan of the
same name replaces them.

Frozen activations are shared, so the first seed pays for them. Without --val each seed
holds out another tenth. With --out a folder gets compare.json, compare.png (accuracy
against time); otherwise nothing is written.`,
		Example: `  permafrost compare --model resnet.onnx --data photos --plan last=head,last:1
  permafrost compare --model resnet.onnx --data photos --seeds 5 --out compared \
    --plan deep=head,last:4@lr=0.001 --plan norms=head,kind:norm`,
		Args: noArgs(),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	given, grouped := bindAllBut(fs, "out", "tensorboard", "thaw", "auto", "budget", "schedule") // of a plan, or of a single fit
	plans := fs.StringArray("plan", nil, "`NAME=SELECTORS[@OPTION=VALUE,...]` plan to compare; may be given again")
	seeds := fs.Int("seeds", 3, "`N` fits of each plan, with --seed and the seeds that follow it")
	out := fs.String("out", "", "`DIR` folder for compare.json and compare.png")
	asJSON := jsonFlag(fs)
	group(fs, "What is compared", "plan", "seeds", "out")
	grouped()
	group(fs, other, "json")
	completeConfig(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := given.config()
		if err != nil {
			return err
		}
		switch {
		case *seeds < 1:
			return fmt.Errorf("--seeds %d: want 1 or more", *seeds)
		case len(*plans) == 0:
			return fmt.Errorf("--plan is missing: name what to compare with the head and full fine-tuning, as --plan last=head,last:1")
		}
		c, err := permafrost.Compare(cmd.Context(), cfg, permafrost.CompareOptions{Plans: *plans, Seeds: *seeds, Out: *out, OnFit: func(plan string, f permafrost.PlanFit) {
			fmt.Fprintf(cmd.ErrOrStderr(), "%-12s seed %d  %s  %s\n", plan, f.Seed, score(f.Val, true), secondsText(f.Seconds))
		}})
		if err != nil {
			return err
		}
		for _, n := range c.Notes {
			note(cmd, "%s", n)
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), c)
		}
		return printComparison(cmd.OutOrStdout(), c)
	}
	return cmd
}

// score writes an accuracy in percent, another metric as it is.
func score(v float64, accuracy bool) string {
	if accuracy {
		return fmt.Sprintf("%.2f%%", 100*v)
	}
	return fmt.Sprintf("%.4g", v)
}

func printComparison(w io.Writer, c *permafrost.Comparison) error {
	accuracy := c.Metric == "accuracy"
	spread := func(mean, std float64) string {
		if c.Seeds == 1 {
			return score(mean, accuracy)
		}
		if accuracy {
			return fmt.Sprintf("%.2f%% +- %.2f", 100*mean, 100*std)
		}
		return fmt.Sprintf("%.4g +- %.2g", mean, std)
	}
	against := func(d *permafrost.Difference) string {
		if d == nil {
			return "-"
		}
		p := "p -"
		if d.P != nil {
			p = fmt.Sprintf("p %.2g", *d.P)
		}
		if accuracy {
			return fmt.Sprintf("%+.2f (%s)", 100*d.Mean, p)
		}
		return fmt.Sprintf("%+.3g (%s)", d.Mean, p)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s training and %s validation examples, %s; %s, larger is better\n\n", thousands(c.Train), thousands(c.Val), counted(c.Seeds, "seed"), strings.ReplaceAll(c.Metric, "_", " "))
	rows := [][]string{{"plan", "validation", "gap", "against best", "against full", "a fit", "step memory", "trained"}}
	for _, r := range c.Plans {
		name := r.Name
		if r.Name == c.Best {
			name += " *"
		}
		gap := fmt.Sprintf("%+.3g", r.Gap)
		if accuracy {
			gap = fmt.Sprintf("%+.2f", 100*r.Gap)
		}
		rows = append(rows, []string{name, spread(r.Mean, r.Std), gap, against(r.Best), against(r.Full), secondsText(r.Seconds), bytesText(r.Bytes), thousands(r.Params)})
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}
	for _, row := range rows {
		line := fmt.Sprintf("%-*s", widths[0], row[0])
		for i, cell := range row[1:] {
			line += fmt.Sprintf("  %*s", widths[i+1], cell)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	if c.Seeds == 1 {
		b.WriteString("\n* best with this seed. One seed says nothing of chance: give --seeds 3 or more.\n")
		_, err := io.WriteString(w, b.String())
		return err
	}
	b.WriteString("\n* best by its mean. Behind +- stands one standard deviation over seeds. p: paired t-test over seeds; differences with a p above 0.05 may be chance")
	if c.Seeds < 5 {
		b.WriteString(", and few seeds show large ones only")
	}
	b.WriteString(".\n")
	_, err := io.WriteString(w, b.String())
	return err
}
