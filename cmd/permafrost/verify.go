package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost"
)

func init() { register(groupUse, verifyCommand) }

func verifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify BASE TUNED",
		Short: "Prove that a tuned model's frozen weights are those of its base",
		Long: `verify compares every tensor that the plan calls frozen, byte by byte, in the pretrained
model and in the tuned one. The plan is the one in the tuned file, or --plan.

The exit status is 0 when all are the same and 1 when one changed, which is named.`,
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
			return exitError{exitFailed, fmt.Sprintf("%d frozen tensors changed: %s", len(v.Changed), list(v.Changed, 5))}
		}
		return err
	}
	return cmd
}

func printVerification(w io.Writer, v *permafrost.Verification) error {
	switch {
	case v.Identical && v.Frozen == 0:
		fmt.Fprintln(w, "nothing     the plan freezes no tensor of the base: there was nothing to compare")
	case v.Identical:
		partly := ""
		if v.Partly > 0 {
			partly = fmt.Sprintf(", %d of them where they are frozen", v.Partly)
		}
		fmt.Fprintf(w, "identical   all %s have their bytes unchanged%s\n", counted(v.Frozen, "frozen tensor"), partly)
	default:
		fmt.Fprintf(w, "changed     %d of %d frozen tensors\n", len(v.Changed), v.Frozen)
		for _, name := range v.Changed {
			fmt.Fprintf(w, "            %s\n", name)
		}
	}
	for _, l := range []struct {
		what  string
		names []string
	}{{"trained", v.Thawed}, {"added", v.Added}, {"replaced", v.Removed}} {
		if len(l.names) > 0 {
			fmt.Fprintf(w, "%-11s %d tensors: %s\n", l.what, len(l.names), list(l.names, 6))
		}
	}
	return nil
}
