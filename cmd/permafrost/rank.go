package main

import (
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost"
)

// evidenceFlags are the options of a fit that say from what data evidence is gathered.
var evidenceFlags = []string{"data", "val", "task", "preprocess", "layout", "size", "tokenizer", "max-length", "input", "shape", "text-column", "label-column", "group", "seed", "threads", "cache", "cache-budget"}

func init() { register(groupTune, "rank", rankCommand) }

func rankCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rank --data PATH MODEL...",
		Short: "Rank pretrained models by how well their frozen features suit your data",
		Long: `rank computes what each model's frozen trunk makes of the training examples and scores
it: LogME, LEEP (of the model's own classifier), NLEEP, H-score, TransRate and, as the
score to beat, the logarithm of the number of parameters. --probe adds the held-out
accuracy of a linear classifier and ranks by it. Nothing is trained; validation
examples are not looked at. The features are kept, so that a fit of the head is warm.

A model that does not take the data is left out, with the reason.

How far the scores order the models alike is shown beside them as Kendall's tau.`,
		Example: `  permafrost rank --data photos mobilenet.onnx resnet.onnx
  permafrost rank --data photos --probe --json models/*.onnx`,
		Args: func(cmd *cobra.Command, given []string) error {
			if len(given) == 0 {
				return fmt.Errorf("MODEL is missing: %s", cmd.UseLine())
			}
			return nil
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	given := bindConfig(fs, evidenceFlags...)
	probe := fs.Bool("probe", false, "rank by the held-out accuracy of a linear probe")
	asJSON := jsonFlag(fs)
	group(fs, other, "json")
	completeConfig(cmd)
	completeModel(cmd)
	cmd.RunE = func(cmd *cobra.Command, models []string) error {
		cfg, err := given.config()
		if err != nil {
			return err
		}
		r, err := permafrost.Rank(cmd.Context(), cfg, models, permafrost.RankOptions{Probe: *probe}, progress(cmd))
		if err != nil {
			return err
		}
		nameFlags(cmd, &r.Trust)
		for i := range r.Unfit {
			nameFlags(cmd, &r.Unfit[i].Reason)
			note(cmd, "%s is not ranked: %s", filepath.Base(r.Unfit[i].Model), r.Unfit[i].Reason)
		}
		for _, m := range r.Models {
			for _, n := range m.Notes {
				note(cmd, "%s: %s", filepath.Base(m.Model), n)
			}
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), r)
		}
		return printRanking(cmd.OutOrStdout(), r)
	}
	return cmd
}

func printRanking(w io.Writer, r *permafrost.Ranking) error {
	var b strings.Builder
	width := len("model")
	for _, m := range r.Models {
		width = max(width, len(m.Model))
	}
	own := slices.Sorted(maps.Keys(r.Models[0].Own))
	fmt.Fprintf(&b, "%-*s  %12s  %9s  %9s  %9s  %9s  %9s  %9s  %9s%s\n", width, "model", "parameters", "probe", "LogME", "LEEP", "NLEEP", "H-score", "TransRate", "size", titles(own))
	number := func(v *float64, form string) string {
		if v == nil {
			return "-"
		}
		return fmt.Sprintf(form, *v)
	}
	for _, m := range r.Models {
		probe := "-"
		if m.Probe != nil {
			probe = fmt.Sprintf("%.1f%%", 100**m.Probe)
		}
		fmt.Fprintf(&b, "%-*s  %12s  %9s  %9.4f  %9s  %9.4f  %9.4f  %9.2f  %9.2f%s\n", width, m.Model, thousands(m.Params), probe, m.LogME, number(m.LEEP, "%.4f"), m.NLEEP, m.HScore, m.TransRate, m.Size, numbers(own, m.Own))
	}
	if names := scoreNames(r.Agreement); len(r.Models) > 1 {
		fmt.Fprintf(&b, "\nhow they agree (Kendall's tau: 1 the same order, -1 the opposite)\n%-13s", "")
		for _, n := range names[1:] {
			fmt.Fprintf(&b, "  %13s", n)
		}
		at := 0
		for i, a := range names[:len(names)-1] {
			fmt.Fprintf(&b, "\n%-13s%s", a, strings.Repeat(" ", 15*i))
			for range names[i+1:] {
				fmt.Fprintf(&b, "  %13s", number(r.Agreement[at].Tau, "%.2f"))
				at++
			}
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "\n%s\n", r.Trust)
	_, err := io.WriteString(w, b.String())
	return err
}

// titles are the column titles of further criteria, and numbers is a row of them.
func titles(names []string) string {
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, "  %9s", name)
	}
	return b.String()
}

func numbers(names []string, of map[string]float64) string {
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintf(&b, "  %*.4g", max(9, len(name)), of[name])
	}
	return b.String()
}

// scoreNames lists the scores in the pairs. The first one, with all the others, comes first.
func scoreNames(pairs []permafrost.Agreement) []string {
	if len(pairs) == 0 {
		return nil
	}
	names := []string{pairs[0].A}
	for _, p := range pairs {
		if p.A == names[0] {
			names = append(names, p.B)
		}
	}
	return names
}
