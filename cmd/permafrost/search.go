package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/search"
)

func init() { register(groupTune, "search", searchCommand) }

func searchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "search --model MODEL --data PATH [--space FILE] --out DIR",
		Short: "Search over what to thaw, rates, heads and other options",
		Long: `search fits trials, each with other options, and then fits the best one on all training
examples. A trial is measured on training examples that are held out from it. The
validation examples (--val, DATA/val) choose nothing: they measure the best trial once.

All trials share the frozen activations, which are kept for later runs. The result does
not depend on the speed of the machine, unless you set --budget or an objective of time.

A space is a YAML file whose parameters are options of fit, each with its values:

  thaw: [head, "last:1", "last:2", all]
  lr: {log: [1e-4, 1e-2]}
  head: [linear, "mlp:64"]
  max_params: 500000

Without --space one is made from the model and the data. docs/search.md describes the
format. Options on the command line hold for all trials, except --calibrate, which is for
the last fit only: trials are compared at their own learning rates.

The folder of --out gets search.jsonl, a line for each result; search.html, a page that
shows the search; and best, a run like any other: permafrost fit --config
DIR/best/run.yaml --out NEW repeats it. search show prints what is in such a folder.

--dry-run prints the plan instead: trials, rungs, what is computed once at each frontier,
and the predicted work and time.`,
		Example: `  permafrost search --model resnet.onnx --data photos --out found
  permafrost search --model resnet.onnx --data photos --space space.yaml --trials 60 \
    --objectives accuracy,params --out found`,
		Args: noArgs(),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	given, grouped := bindAllBut(fs, "tensorboard", "auto", "budget", "schedule", "keep", "patience") // of a search, or of a single fit
	var o search.Options
	file := fs.String("space", "", "`FILE` search space: parameters and their values, in YAML (default: made from the model and the data)")
	fs.IntVar(&o.Trials, "trials", 0, "`N` most trials (0: 40, or all of a smaller space)")
	fs.DurationVar(&o.Budget, "budget", 0, "`TIME` start no trial after this long, such as 90s or 10m (0: no limit)")
	fs.StringVar(&o.Algorithm, "algorithm", "tpe", "`KIND` how the next trial is chosen: tpe, evolution or random")
	fs.BoolVar(&o.Prior, "prior", false, "order the first trials by what features, gradients and cost promise")
	fs.StringSliceVar(&o.Objectives, "objectives", []string{"accuracy"}, "`NAMES` what to optimise: accuracy, params, bytes, latency_ms, train_seconds")
	enqueue := fs.String("enqueue", "", "`FILE` trials to start with: one JSON object of parameters a line")
	fs.StringVar(&o.WarmStart, "warm-start", "", "`DIR` earlier search whose results count from the start")
	fs.BoolVar(&o.Resume, "resume", false, "continue the search in --out")
	count := fs.Int("workers", 0, "`N` worker processes on this machine (0: none, trials run in this process)")
	var w search.Workers
	bindNATS(fs, &w.NATS, "`URL` NATS server with JetStream: permafrost worker processes there run the trials, also on other machines")
	fs.StringVar(&w.Listen, "listen", "", "`ADDRESS` listen here for workers of other machines; no NATS server is needed; such as 0.0.0.0:4222")
	fs.IntVar(&w.Replicas, "replicas", 0, "`N` copies of each message in a NATS cluster (0: 1)")
	fs.IntVar(&o.Lag, "lag", 0, "`N` how many running trials a proposal does not wait for, so that as many workers stay busy; results depend on it (0: 8)")
	fs.BoolVar(&o.Async, "async", false, "let each result count at once: no worker waits, but the search cannot be repeated")
	dry := fs.Bool("dry-run", false, "print the plan and what it costs, and write nothing")
	asJSON := jsonFlag(fs)
	group(fs, "The search", "space", "trials", "budget", "algorithm", "prior", "objectives", "enqueue", "warm-start", "resume", "dry-run", "out")
	grouped()
	group(fs, "Workers", "workers", "nats", "listen", "lag", "async", "creds", "tlsca", "tlscert", "tlskey", "replicas")
	group(fs, other, "json")
	completeConfig(cmd)
	cmd.AddCommand(searchListCommand(), searchShowCommand())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := given.config()
		if err != nil {
			return err
		}
		switch {
		case cfg.Out == "" && !*dry:
			return fmt.Errorf("--out is missing: name a folder for the search")
		case o.Trials < 0:
			return fmt.Errorf("--trials %d: want 0 or more", o.Trials)
		case o.Budget < 0:
			return fmt.Errorf("--budget %v: want 0 or more", o.Budget)
		case *count < 0 || *count > 1000:
			return fmt.Errorf("--workers %d: want 0 to 1000", *count)
		}
		if *file != "" {
			if o.Space, err = os.ReadFile(*file); err != nil {
				return fmt.Errorf("--space: %w", err)
			}
		}
		if *enqueue != "" {
			b, err := os.ReadFile(*enqueue)
			if err != nil {
				return fmt.Errorf("--enqueue: %w", err)
			}
			for line := range bytes.Lines(b) {
				if len(bytes.TrimSpace(line)) > 0 {
					o.First = append(o.First, line)
				}
			}
		}
		o.OnNote = func(text string) { note(cmd, "%s", text) }
		if *dry {
			f, err := search.DryRun(cmd.Context(), cfg, o)
			if err != nil {
				return inFile(err, "space", *file)
			}
			if *asJSON {
				return printJSON(cmd.OutOrStdout(), f)
			}
			return printForecast(cmd.OutOrStdout(), f)
		}
		o.Progress = flagWriter{cmd.ErrOrStderr(), cmd}
		r, err := searchWith(cmd, cfg, o, w, *count)
		if err != nil {
			return interrupted(inFile(err, "space", *file), cfg.Out, search.LogFile)
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), r)
		}
		return printSearch(cmd.OutOrStdout(), r)
	}
	return cmd
}

// inFile names the file that gave an option which is to blame for err. No path is none.
func inFile(err error, option, path string) error {
	var o *permafrost.OptionError
	if path == "" || !errors.As(err, &o) || o.Option != option {
		return err
	}
	return &permafrost.OptionError{Option: option, Err: fmt.Errorf("%s: %w", path, o.Err)}
}
