package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/internal/terminal"
)

// The options of a fit that inspect accepts: those of the plan, and those that affect its cost.
var (
	inspectTrains = []string{"thaw", "freeze", "batchnorm", "cut", "skip", "head", "head-activation", "attach", "pool", "adapter", "adapter-targets", "adapter-alpha"}
	inspectFor    = []string{"data", "val", "task", "preprocess", "layout", "size", "augment", "tokenizer", "max-length", "input", "shape", "text-column", "label-column",
		"batch", "optimizer", "momentum", "memory", "cache", "cache-budget", "cache-precision", "seed", "threads"}
)

func init() { register(groupTune, "inspect", inspectCommand) }

func inspectCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "inspect MODEL",
		Short: "Show a model's layers, what a plan freezes, and the predicted cost",
		Long: `inspect shows a model's layers as a tree: whether the plan freezes or thaws them, their
parameters, and the operations for one example. It lists the blocks that first:N and
last:N count, and the frontier, where the frozen part of the network ends. It predicts
time and memory of a fit from runs of a few examples on this machine.

Nothing is written and nothing is trained.`,
		Example: `  permafrost inspect model.onnx
  permafrost inspect model.onnx --thaw last:2 --freeze kind:norm --batch 16
  permafrost inspect model.onnx --data photos         predict for these data
  permafrost inspect model.onnx --depth 1             the coarse structure
  permafrost inspect model.onnx --depth 0             every layer
  permafrost inspect model.onnx --passes              the graph before and after compilation`,
		Args: oneArg("MODEL"),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	given := bindConfig(fs, append(append([]string{}, inspectTrains...), inspectFor...)...)
	o := permafrost.InspectOptions{}
	fs.IntVar(&o.Classes, "classes", 10, "`N` classes of a new head, without --data")
	fs.IntVar(&o.Examples, "examples", 1000, "`N` training examples to predict for, without --data")
	depth := fs.Int("depth", 0, "`N` levels of the tree (0: all; default: all, or down to blocks if the network is large)")
	fast := fs.Bool("no-predict", false, "do not time the model")
	passes := fs.Bool("passes", false, "print the graph before and after the compiler's passes")
	asJSON := jsonFlag(fs)
	group(fs, "What trains", inspectTrains...)
	group(fs, "What the prediction is for", append([]string{"classes", "examples"}, inspectFor...)...)
	group(fs, "What is shown", "depth", "no-predict", "passes", "json")
	completeConfig(cmd)
	completeModel(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := given.config()
		if err != nil {
			return err
		}
		cfg.Model = args[0]
		for _, name := range []string{"classes", "examples"} {
			if cfg.Data != "" && fs.Changed(name) {
				return fmt.Errorf("--%s: the data say it; leave out this or --data", name)
			}
		}
		if err := validInspect(cfg, o); err != nil {
			return err
		}
		o.Predict = !*fast
		if *passes {
			return printPasses(cmd.Context(), cmd.OutOrStdout(), cfg, o)
		}
		in, err := permafrost.Inspect(cmd.Context(), cfg, o, progress(cmd))
		if err != nil {
			return err
		}
		for _, n := range in.Notes {
			note(cmd, "%s", n)
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), in)
		}
		t := tree(in.Layers)
		if !fs.Changed("depth") && t.rows() > manyRows {
			t.fold(in.Blocks)
		}
		return printInspection(cmd.OutOrStdout(), in, t, *depth)
	}
	return cmd
}

// validInspect checks the options as a fit would, which also needs data.
func validInspect(c permafrost.Config, o permafrost.InspectOptions) error {
	if o.Classes < 2 || o.Examples < 1 {
		return fmt.Errorf("--classes %d --examples %d: at least 2 classes and 1 example", o.Classes, o.Examples)
	}
	if c.Data == "" {
		c.Data = "."
	}
	return c.Validate()
}

func printPasses(ctx context.Context, w io.Writer, cfg permafrost.Config, o permafrost.InspectOptions) error {
	before, after, err := permafrost.Passes(ctx, cfg, o)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "# as specialised to a batch of %d\n%s\n# after the passes\n%s", max(1, cfg.Batch), before, after)
	return err
}

func printInspection(w io.Writer, in *permafrost.Inspection, t *branch, depth int) error {
	var b strings.Builder
	to := terminal.Of(w)
	long := func(format string, args ...any) { fmt.Fprintln(&b, to.Wrap(fmt.Sprintf(format, args...), 12)) }
	fmt.Fprintf(&b, "%s  %s -> %s  (opset %d%s)\n\n", in.Model, strings.Join(in.Inputs, ", "), strings.Join(in.Outputs, ", "), in.Opset, producer(in))
	t.print(&b, to, depth)
	if t.folded {
		fmt.Fprintln(&b, to.Faint("folded to blocks; --depth 0 shows every layer"))
	}
	fmt.Fprintf(&b, "\nplan        --thaw %s", strings.Join(in.Thaw, ","))
	if len(in.Freeze) > 0 {
		fmt.Fprintf(&b, " --freeze %s", strings.Join(in.Freeze, ","))
	}
	fmt.Fprintf(&b, " --head %s: trains %s of %s parameters (%s%%)\n", in.Head, thousands(in.ParamsThawed), thousands(in.ParamsTotal),
		digits(100*float64(in.ParamsThawed)/float64(max(in.ParamsTotal, 1))))
	var names []string
	for _, bl := range in.Blocks {
		names = append(names, bl.Name)
	}
	long("blocks      %d, from first:1 to last:1: %s", len(names), strings.Join(names, " "))
	long("frontier    %s", list(in.Frontier, 6))
	if p := in.Predicted; p != nil {
		fmt.Fprintf(&b, "\npredicted for %s examples in batches of %d, from runs on this machine:\n", thousands(p.Examples), in.Batch)
		without := ""
		if p.Decode == 0 {
			without = " (without reading files: --data PATH measures that too)"
		}
		fmt.Fprintf(&b, "epoch       %s the first%s, %s each later one\n", secondsText(p.FirstEpoch), without, secondsText(p.LaterEpoch))
		fmt.Fprintf(&b, "memory      %s to train, %s a checkpoint\n", bytesText(p.TrainBytes), bytesText(p.Checkpoint))
		switch {
		case p.CachePerExample > 0:
			where := "on the disk"
			if p.KeptMemory > 0 {
				where = "in memory"
			}
			fmt.Fprintf(&b, "kept        %s of frozen activations an example, %s in all, %s\n", bytesText(p.CachePerExample), bytesText(p.KeptBytes), where)
		case in.ParamsThawed == in.ParamsTotal:
			fmt.Fprintf(&b, "kept        nothing: no part of the network is frozen\n")
		default:
			fmt.Fprintf(&b, "kept        nothing: the frozen part is computed in every epoch\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func producer(in *permafrost.Inspection) string {
	if in.Producer == "" {
		return ""
	}
	return ", " + in.Producer
}
