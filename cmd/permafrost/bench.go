package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost"
)

func init() { register(groupEngine, "bench", benchCommand) }

func benchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench MODEL",
		Short: "Time a model's forward pass and training step",
		Long: `bench times a model on random inputs: the forward pass of the whole model as inference,
and a training step with the plan's weights thawed (forward, loss, backward, optimiser).
Inputs may be of any kind and number. Dynamic axes other than the batch have size 128,
unless --shape says otherwise.

The step trains the model's own classifier if it has one, else a new linear head. --task
names another task, with random labels.`,
		Example: `  permafrost bench model.onnx --batch 16
  permafrost bench model.onnx --batch 32 --thaw all --steps 5 --threads 1
  permafrost bench language.onnx --shape input_ids=1,256 --shape attention_mask=1,256`,
		Args: oneArg("MODEL"),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	given := bindConfig(fs, "task", "thaw", "freeze", "batchnorm", "attach", "pool", "optimizer", "momentum", "preprocess", "layout", "size", "tokenizer", "input", "shape", "seed", "threads")
	o := permafrost.BenchOptions{}
	fs.IntVar(&o.Batch, "batch", 8, "`N` examples a run")
	fs.IntVar(&o.Steps, "steps", 10, "`N` timed runs of each kind, after one to warm up")
	fs.IntVar(&o.Classes, "classes", 10, "`N` classes of a new head")
	fs.BoolVar(&o.Ops, "ops", false, "say what each operator of the forward pass takes")
	asJSON := jsonFlag(fs)
	group(fs, "What trains", "task", "thaw", "freeze", "batchnorm", "attach", "pool", "optimizer", "momentum", "classes")
	group(fs, "What is run", "batch", "steps", "threads", "input", "shape", "ops", "preprocess", "layout", "size", "tokenizer", "seed", "json")
	completeConfig(cmd)
	completeModel(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := given.config()
		if err != nil {
			return err
		}
		cfg.Model = args[0]
		check := cfg
		check.Data = "."
		if err := check.Validate(); err != nil {
			return err
		}
		if o.Classes < 2 {
			return fmt.Errorf("--classes %d: at least 2", o.Classes)
		}
		r, err := permafrost.Bench(cmd.Context(), cfg, o)
		if err != nil {
			return err
		}
		if fs.Changed("classes") && r.Head == "keep" {
			note(cmd, "--classes %d does nothing: the step trains the model's own classifier", o.Classes)
		}
		for _, n := range r.Notes {
			note(cmd, "%s", n)
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), r)
		}
		return printBench(cmd.OutOrStdout(), r)
	}
	return cmd
}

func printBench(w io.Writer, r *permafrost.BenchResult) error {
	fmt.Fprintf(w, "forward     %s the fastest, %s the median of %d, batch %d (%s an example)\n",
		secondsText(r.ForwardMin/1e3), secondsText(r.ForwardMedian/1e3), r.Steps, r.Batch, secondsText(r.ForwardMin/1e3/float64(r.Batch)))
	fmt.Fprintf(w, "            %sFLOP, %s GFLOP/s of %s possible on %d threads\n", flopsText(r.FLOPs), digits(r.GFLOPS), digits(r.PeakGFLOPS), r.Threads)
	if r.StepMin != nil {
		fmt.Fprintf(w, "step        %s the fastest, %s the median; trains %s of %s parameters (head: %s)\n",
			secondsText(*r.StepMin/1e3), secondsText(*r.StepMedian/1e3), thousands(r.ParamsThawed), thousands(r.ParamsTotal), r.Head)
	}
	_, err := fmt.Fprintf(w, "memory      %s at most\n", bytesText(r.PeakRSS))
	if len(r.Ops) > 0 {
		fmt.Fprintf(w, "\n%-32s  %5s  %9s  %6s  %7s\n", "operator", "nodes", "time", "share", "GFLOP/s")
	}
	for _, t := range r.Ops {
		fmt.Fprintf(w, "%-32s  %5d  %9s  %5.1f%%  %7s\n", t.Op, t.Nodes, secondsText(t.Ms/1e3), 100*t.Share, digits(t.GFLOPS))
	}
	return err
}
