package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost"
)

func init() { register(groupUse, "verify", verifyCommand) }

func verifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify BASE TUNED",
		Short: "Prove that a tuned model's frozen weights are unchanged",
		Long: `verify compares every tensor that the plan calls frozen, byte by byte, in the pretrained
model and in the tuned one. The plan is the one in the tuned file, or --plan. A model that was
tuned again may be compared with any of its bases: a tensor is frozen if every fit since then
froze it. Tensors that cannot train, such as quantised weights and their scales, are frozen too.
The nodes that the tuned file keeps must have the base's operators, attributes and wiring.

The exit status is 0 if all are the same, and 1 if something changed; verify names it.`,
		Example: `  permafrost verify mobilenet.onnx runs/mobilenet-photos-1/model.onnx
  permafrost verify base.onnx tuned.onnx --plan runs/deeper/plan.json`,
		Args: args("BASE", "TUNED"),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	plan := fs.String("plan", "", "`FILE` plan.json of the run (default: what the tuned file carries)")
	asJSON := jsonFlag(fs)
	files(cmd, "plan", "json")
	completeModel(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := fetch(cmd, &args[0], &args[1]); err != nil {
			return err
		}
		v, err := permafrost.Verify(args[0], args[1], *plan)
		if err != nil {
			return err
		}
		if *asJSON {
			err = printJSON(cmd.OutOrStdout(), v)
		} else {
			err = printVerification(cmd.OutOrStdout(), v)
		}
		if err == nil && !v.Identical {
			return exitError{exitFailed, whatChanged(v)}
		}
		return err
	}
	return cmd
}

// whatChanged names what verify found, in one line.
func whatChanged(v *permafrost.Verification) string {
	var found []string
	if len(v.Changed) > 0 {
		found = append(found, fmt.Sprintf("%d frozen tensors changed: %s", len(v.Changed), list(v.Changed, 5)))
	}
	if len(v.Graph) > 0 {
		found = append(found, fmt.Sprintf("the graph changed in %s: %s", counted(len(v.Graph), "place"), list(v.Graph, 5)))
	}
	return strings.Join(found, "; ")
}

func printVerification(w io.Writer, v *permafrost.Verification) error {
	switch {
	case len(v.Changed) == 0 && v.Frozen == 0:
		fmt.Fprintln(w, "nothing     the plan freezes no tensor of the base: there was none to compare")
	case len(v.Changed) == 0:
		verdict := "identical "
		if !v.Identical {
			verdict = "tensors   "
		}
		partly := ""
		if v.Partly > 0 {
			partly = fmt.Sprintf(", %d of them where they are frozen", v.Partly)
		}
		fmt.Fprintf(w, "%s  all %s have their bytes unchanged%s\n", verdict, counted(v.Frozen, "frozen tensor"), partly)
	default:
		fmt.Fprintf(w, "changed     %d of %d frozen tensors\n", len(v.Changed), v.Frozen)
		for _, name := range v.Changed {
			fmt.Fprintf(w, "            %s\n", name)
		}
		for i, f := range v.Fits {
			if f.Merged {
				fmt.Fprintf(w, "why         fit %d merged its adapters (%s) into frozen weights, which changes them\n", i+1, f.Adapter)
			}
		}
	}
	if len(v.Graph) == 0 {
		fmt.Fprintf(w, "graph       all %s that were kept are unchanged\n", counted(v.Nodes, "node"))
	} else {
		fmt.Fprintf(w, "graph       changed in %s\n", counted(len(v.Graph), "place"))
		for _, text := range v.Graph {
			fmt.Fprintf(w, "            %s\n", text)
		}
	}
	for _, l := range []struct {
		what  string
		names []string
	}{{"trained", v.Thawed}, {"added", v.Added}, {removedWord(v), v.Removed}} {
		if len(l.names) > 0 {
			fmt.Fprintf(w, "%-11s %s: %s\n", l.what, counted(len(l.names), "tensor"), list(l.names, 6))
		}
	}
	for _, f := range v.Fits {
		if f.Cut != "" {
			fmt.Fprintf(w, "left out    everything behind block %q\n", f.Cut)
		}
		if len(f.Skip) > 0 {
			fmt.Fprintf(w, "left out    %s: %s\n", counted(len(f.Skip), "block"), list(f.Skip, 6))
		}
	}
	if len(v.Fits) < 2 {
		return nil
	}
	fmt.Fprintf(w, "fits        %d, from this base on:\n", len(v.Fits))
	for i, f := range v.Fits {
		trained := "nothing of this base"
		if len(f.Trained) > 0 {
			trained = fmt.Sprintf("%s: %s", counted(len(f.Trained), "tensor"), list(f.Trained, 6))
		}
		fmt.Fprintf(w, "  %d. --thaw %s%s on %.12s trained %s\n", i+1, strings.Join(f.Thaw, ","), adapterText(&f), f.Base, trained)
	}
	return nil
}

// removedWord says what became of the weights that are no longer there.
func removedWord(v *permafrost.Verification) string {
	for _, f := range v.Fits {
		if f.Cut != "" || len(f.Skip) > 0 {
			return "gone"
		}
	}
	return "replaced"
}

// adapterText writes the adapter of a fit as options.
func adapterText(f *permafrost.VerifiedFit) string {
	switch {
	case f.Adapter == "":
		return ""
	case f.Merged:
		return " --adapter " + f.Adapter + " --adapter-merge"
	}
	return " --adapter " + f.Adapter
}
