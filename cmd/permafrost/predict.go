package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

func predictCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "predict --model TUNED FILE...",
		Short: "Classify files or texts with a tuned model",
		Long: `predict says what a tuned model takes images, sounds or texts for. Labels and preparation come
from the tuned file, which needs nothing else. A damaged file is named and skipped. The file -
is what comes on stdin. A model of texts takes one text a line, from files, from stdin where no
file is named, or from --text; the texts of a pair are divided by a tab.`,
		Example: `  permafrost predict --model runs/mobilenet-photos-1/model.onnx a.jpg b.png
  permafrost predict --model model.onnx --json --top 3 *.jpg
  permafrost predict --model trec.onnx --text "Who wrote Hamlet ?"
  permafrost predict --model trec.onnx < questions.txt
  arecord -d 2 -f S16_LE -r 16000 | permafrost predict --model digits.onnx -`,
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	model := modelFlag(cmd)
	top := fs.Int("top", 5, "`N` most probable labels to list")
	text := fs.StringArray("text", nil, "`TEXT` to classify, for a model of texts; may be given again")
	threads := threadsFlag(fs)
	asJSON := jsonFlag(fs)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *top < 1 {
			return fmt.Errorf("--top %d: at least 1", *top)
		}
		threads.apply()
		p, err := tuned.Open(*model)
		if err != nil {
			return err
		}
		if p.Feed.Kind() == tuned.KindText {
			return predictTexts(cmd, p, args, *text, *top, *asJSON)
		}
		switch {
		case len(*text) > 0:
			return fmt.Errorf("--text: the model takes %ss, not texts", p.Feed.Kind())
		case len(args) == 0:
			return fmt.Errorf("FILE is missing: %s", cmd.UseLine())
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
		noteSkipped(cmd, skipped)
		if *asJSON {
			return printPredictions(cmd, found)
		}
		return printAnswers(cmd, found)
	}
	return cmd
}

func noteSkipped(cmd *cobra.Command, skipped []data.Skipped) {
	for _, s := range skipped {
		note(cmd, "skipped %s: %v", s.Path, s.Err)
	}
}

func printPredictions(cmd *cobra.Command, found []tuned.Prediction) error {
	return printJSON(cmd.OutOrStdout(), struct {
		Predictions []tuned.Prediction `json:"predictions"`
	}{found})
}

func printAnswers(cmd *cobra.Command, found []tuned.Prediction) error {
	for _, f := range found {
		if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\t%s\n", f.Input, f.Answer); err != nil {
			return err
		}
	}
	return nil
}
