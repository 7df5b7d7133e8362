package main

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

func runCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run MODEL --data-set DIR",
		Short: "Run a model on recorded inputs and compare with recorded outputs",
		Long: `run takes the inputs of a data set in the ONNX test format, DIR/input_0.pb and so on, runs
the model on them, and compares what comes out with DIR/output_0.pb and so on. A number
agrees when it differs by at most atol + rtol * |expected|. Where DIR holds folders
test_data_set_*, all of them are run.

The exit status is 0 when everything agrees and 1 when something differs.`,
		Example: `  permafrost run model.onnx --data-set test_data_set_0
  permafrost run model.onnx --data-set . --rtol 1e-4 --json`,
		Args: oneArg("MODEL"),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	dir := fs.String("data-set", "", "`DIR` with input_*.pb and output_*.pb")
	tol := tensor.Tolerance{Name: "--rtol, --atol"}
	fs.Float64Var(&tol.Rel, "rtol", 1e-3, "`X` relative difference allowed")
	fs.Float64Var(&tol.Abs, "atol", 1e-7, "`X` absolute difference allowed")
	threads := threadsFlag(fs)
	asJSON := jsonFlag(fs)
	required(cmd, "data-set")
	folders(cmd, "data-set")
	completeModel(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !(tol.Rel >= 0) || !(tol.Abs >= 0) {
			return fmt.Errorf("--rtol %g --atol %g: want numbers from 0", tol.Rel, tol.Abs)
		}
		threads.apply()
		sets, err := dataSets(*dir)
		if err != nil {
			return err
		}
		total := comparison{Pass: true, Outputs: []output{}}
		for _, set := range sets {
			if err := total.dataSet(cmd.Context(), args[0], set, tol); err != nil {
				return err
			}
		}
		if *asJSON {
			err = printJSON(cmd.OutOrStdout(), total)
		} else {
			err = total.print(cmd.OutOrStdout())
		}
		if err == nil && !total.Pass {
			return exitError{exitFailed, total.why}
		}
		return err
	}
	return cmd
}

// dataSets lists the data sets in dir: dir itself, or the folders test_data_set_* in it.
func dataSets(dir string) ([]string, error) {
	for _, pattern := range []string{"input_*.pb", "output_*.pb"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		if len(found) > 0 {
			return []string{dir}, nil
		}
	}
	sets, err := filepath.Glob(filepath.Join(dir, "test_data_set_*"))
	if err != nil {
		return nil, err
	}
	if len(sets) == 0 {
		return nil, fmt.Errorf("--data-set %s: holds no input_*.pb or output_*.pb", dir)
	}
	return sets, nil
}

func (c *comparison) print(w io.Writer) error {
	verdict := "pass"
	if !c.Pass {
		verdict = "differs"
	}
	fmt.Fprintf(w, "%-11s largest error %.3g absolute, %.3g relative\n", verdict, c.MaxAbs, c.MaxRel)
	for _, o := range c.Outputs {
		if _, err := fmt.Fprintf(w, "output      %s %s%v\n", o.Name, o.DType, tensor.Shape(o.Shape)); err != nil {
			return err
		}
	}
	return nil
}
