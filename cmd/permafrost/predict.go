package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost/internal/tuned"
)

func predictCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "predict --model TUNED FILE...",
		Short: "Classify files with a tuned model",
		Long: `predict says what a tuned model takes images or sounds for. Labels and preparation come from
the tuned file, which needs nothing else. A damaged file is named and skipped. The file - is
what comes on stdin.`,
		Example: `  permafrost predict --model runs/mobilenet-photos-1/model.onnx a.jpg b.png
  permafrost predict --model model.onnx --json --top 3 *.jpg
  arecord -d 2 -f S16_LE -r 16000 | permafrost predict --model digits.onnx -`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fmt.Errorf("FILE is missing: %s", cmd.UseLine())
			}
			return nil
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	model := modelFlag(cmd)
	top := fs.Int("top", 5, "`N` most probable labels to list")
	text := fs.String("text", "", "`TEXT` to classify (not available in this version)")
	threads := threadsFlag(fs)
	asJSON := jsonFlag(fs)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *text != "" {
			return fmt.Errorf("--text is not available in this version: it classifies image files")
		}
		if *top < 1 {
			return fmt.Errorf("--top %d: at least 1", *top)
		}
		threads.apply()
		p, err := tuned.Open(*model)
		if err != nil {
			return err
		}
		files, stdin, done, err := stdinFile(cmd.InOrStdin(), args)
		if err != nil {
			return err
		}
		defer done()
		found, skipped, err := p.Predict(cmd.Context(), files, *top)
		if err != nil && stdin != "" {
			err = errors.New(strings.ReplaceAll(err.Error(), stdin, "-"))
		}
		if err != nil {
			return err
		}
		for i := range skipped {
			if skipped[i].Path == stdin {
				skipped[i].Path = "-"
			}
		}
		for i := range found {
			if found[i].Input == stdin {
				found[i].Input = "-"
			}
		}
		for _, s := range skipped {
			note(cmd, "skipped %s: %v", s.Path, s.Err)
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), struct {
				Predictions []tuned.Prediction `json:"predictions"`
			}{found})
		}
		for _, f := range found {
			if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\t%s\n", f.Input, f.Answer); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}
