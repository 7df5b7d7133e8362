package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost"
)

func init() { register(groupStart, demoCommand) }

func demoCommand() *cobra.Command {
	o := permafrost.DemoOptions{}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See the whole story on a built-in model, in under a minute",
		Long: `demo fine-tunes a small model that lies in the program, without network or files.

The model knows Latin letters. It learns Greek and Cyrillic ones from ten drawn
pictures of each: with a new head alone, with its last block thawed, and as a
whole. demo shows what each plan freezes, compares accuracy, time and memory, proves
that frozen weights are untouched, and leaves model, pictures and runs in a folder
to go on with.`,
		Example: `  permafrost demo
  permafrost demo --seed 2 --out letters
  permafrost demo --json`,
		Args: noArgs(),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&o.Out, "out", "", "`DIR` new folder to write (default: permafrost-demo, with a number where it is taken)")
	fs.Uint64Var(&o.Seed, "seed", 1, "`N` seed of the pictures and the training")
	fs.IntVar(&o.Threads, "threads", 0, "`N` threads to use (0: one a core); results do not depend on it")
	fs.BoolVar(&o.JSON, "json", false, "print one JSON object on stdout")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.Threads < 0 {
			return fmt.Errorf("--threads %d: at least 0", o.Threads)
		}
		o.Stdout, o.Stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
		return permafrost.Demo(cmd.Context(), o)
	}
	return cmd
}
