package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost"
)

func init() { register(groupEngine, "run", runCommand) }

func runCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run MODEL --data-set DIR",
		Short: "Run a model on stored inputs and compare with stored outputs",
		Long: `run reads inputs in the ONNX test format, DIR/input_0.pb and so on, runs the model on them, and
compares its outputs with DIR/output_0.pb and so on. A number agrees if it differs by at most
atol + rtol * |expected|. If DIR holds folders test_data_set_*, all of them are run.

The exit status is 0 if everything agrees and 1 if something differs.`,
		Example: `  permafrost run model.onnx --data-set test_data_set_0
  permafrost run model.onnx --data-set . --rtol 1e-4 --json`,
		Args: oneArg("MODEL"),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	dir := fs.String("data-set", "", "`DIR` folder with input_*.pb and output_*.pb")
	var o permafrost.CaseOptions
	fs.Float64Var(&o.RelTol, "rtol", 1e-3, "`X` relative difference allowed")
	fs.Float64Var(&o.AbsTol, "atol", 1e-7, "`X` absolute difference allowed")
	fs.IntVar(&o.Threads, "threads", 0, threadsHelp)
	asJSON := jsonFlag(fs)
	required(cmd, "data-set")
	folders(cmd, "data-set")
	completeModel(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !(o.RelTol >= 0) || !(o.AbsTol >= 0) {
			return fmt.Errorf("--rtol %g --atol %g: want numbers from 0", o.RelTol, o.AbsTol)
		}
		if err := fetch(cmd, &args[0]); err != nil {
			return err
		}
		r, err := permafrost.RunCase(cmd.Context(), args[0], *dir, o)
		if err != nil {
			return err
		}
		if *asJSON {
			err = printJSON(cmd.OutOrStdout(), r)
		} else {
			err = printCase(cmd.OutOrStdout(), r)
		}
		if err == nil && !r.Pass {
			return exitError{exitFailed, flagNames(cmd, r.Why)}
		}
		return err
	}
	return cmd
}

func printCase(w io.Writer, r *permafrost.CaseResult) error {
	verdict := "pass"
	if !r.Pass {
		verdict = "differs"
	}
	fmt.Fprintf(w, "%-11s largest error %.3g absolute, %.3g relative\n", verdict, r.MaxAbs, r.MaxRel)
	for _, o := range r.Outputs {
		if _, err := fmt.Fprintf(w, "output      %s %s%s\n", o.Name, o.DType, shapeText(o.Shape)); err != nil {
			return err
		}
	}
	return nil
}
