package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost"
)

func init() { register(groupStart, "demo", demoCommand) }

func demoCommand() *cobra.Command {
	o := permafrost.DemoOptions{}
	cmd := &cobra.Command{
		Use:   "demo [pictures|texts|sounds]",
		Short: "See the whole story on a built-in model, in under a minute",
		Long: `demo fine-tunes a small built-in model, without network or files.

The model knows Latin letters. It learns Greek and Cyrillic ones from ten drawn
pictures of each: with a new head alone, with the last block thawed, and with
everything thawed. demo shows what each plan freezes, compares accuracy, time and memory, proves
that frozen weights are untouched, and leaves the model, pictures and runs in a folder
for you to continue with.

demo pictures, demo texts and demo sounds instead write a pretrained model and data to
practise on. All of it is made up. The models of texts and sounds are trained first,
which takes a few seconds.

  pictures  letters.onnx knows Latin letters; greek and cyrillic are class folders
  texts     topics.onnx knows what words are about; messages has tables of messages to a hotel
  sounds    sounds.onnx knows how sounds go; birds has class folders of calls`,
		Example: `  permafrost demo
  permafrost demo --seed 2 --out letters
  permafrost demo sounds --out practice
  permafrost demo --json`,
		Args: func(cmd *cobra.Command, given []string) error {
			if len(given) > 0 && !slices.Contains(kinds, given[0]) {
				return fmt.Errorf("%q: to practise on there are %s", given[0], strings.Join(kinds, ", "))
			}
			return cobra.MaximumNArgs(1)(cmd, given)
		},
		ValidArgs: kinds,
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&o.Out, "out", "", "`DIR` new folder to write (default: permafrost-demo, with a number if it exists)")
	fs.Uint64Var(&o.Seed, "seed", 1, "`N` seed of the pictures and the training")
	fs.IntVar(&o.Threads, "threads", 0, "`N` threads to use (0: one per core); results do not depend on it")
	fs.BoolVar(&o.JSON, "json", false, "print one JSON object on stdout")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if o.Threads < 0 {
			return fmt.Errorf("--threads %d: at least 0", o.Threads)
		}
		if len(args) == 1 {
			return practise(cmd, args[0], o)
		}
		o.Stdout, o.Stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
		return permafrost.Demo(cmd.Context(), o)
	}
	return cmd
}

// practise writes a model and data to practise on.
func practise(cmd *cobra.Command, kind string, o permafrost.DemoOptions) error {
	if cmd.Flags().Changed("threads") {
		return fmt.Errorf("--threads: only the whole demo has it; leave it out")
	}
	if o.Out == "" {
		o.Out = freeName("permafrost-" + kind)
	}
	if err := permafrost.Practice(cmd.Context(), kind, o.Out, o.Seed); err != nil {
		return err
	}
	wrote := practice[kind]
	model, data := filepath.Join(o.Out, wrote.model), filepath.Join(o.Out, wrote.data)
	if o.JSON {
		return printJSON(cmd.OutOrStdout(), map[string]string{"out": o.Out, "model": model, "data": data})
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "model       %s\ndata        %s\nnext        permafrost fit --model %s --data %s\n", model, data, model, data)
	return err
}

// kinds are what permafrost.Practice has.
var kinds = []string{"pictures", "texts", "sounds"}

// practice is what permafrost.Practice writes, by kind.
var practice = map[string]struct{ model, data string }{
	"pictures": {"letters.onnx", "greek"},
	"texts":    {"topics.onnx", "messages"},
	"sounds":   {"sounds.onnx", "birds"},
}
