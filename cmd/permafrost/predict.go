package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost"
	"github.com/spf13/cobra"
)

func init() { register(groupUse, "predict", predictCommand) }

func predictCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "predict --model MODEL FILE|FOLDER...",
		Short: "Predict for files, texts or numbers",
		Long: `predict prints a tuned model's predictions for images, sounds, texts or numbers. Labels and
preprocessing come from the tuned file. A folder stands for all its files of the right kind, those in
folders below it too; a glob in quotes is expanded; - reads a file from stdin. A damaged file is named
and skipped, and the exit status is then 1.

--out writes a CSV table with the columns input and label in place of the printed answers. The label is
a class, with its probability in a third column; or several labels, joined by |; a number; a
transcript; or the generated text.

A model of vectors takes tables of numbers and predicts for every row; a table without column names
has the numbers in the model's order. A model of texts takes tables with a text column, files with one
text a line, lines on stdin if no file is named, or --text. A tab separates the texts of a pair. A
language model continues each text.

A model that was not tuned predicts with its own classifier; permafrost help eval says where its class
names come from.`,
		Example: `  permafrost predict --model runs/mobilenet-photos-1/model.onnx a.jpg b.png
  permafrost predict --model model.onnx --json --top 3 *.jpg
  permafrost predict --model model.onnx photos/new --out answers.csv
  permafrost predict --model gestures.onnx hands.csv
  permafrost predict --model trec.onnx --text "Who wrote Hamlet ?"
  permafrost predict --model trec.onnx < questions.txt
  permafrost predict --model stories.onnx --text "Once upon a time" --temperature 0.8 --top-p 0.9
  arecord -d 2 -f S16_LE -r 16000 | permafrost predict --model digits.onnx -`,
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	model := modelFlag(cmd)
	top := fs.Int("top", 5, "`N` how many of the most probable labels to list")
	text := fs.StringArray("text", nil, "`TEXT` text to classify or continue; may be given again")
	var c permafrost.Continuation
	fs.IntVar(&c.MaxTokens, "max-tokens", 128, "`N` most tokens that a language model generates for a text")
	fs.Float64Var(&c.Temperature, "temperature", 0, "`X` temperature of sampling; 0 takes the best token")
	fs.IntVar(&c.TopK, "top-k", 0, "`K` sample from the best K tokens (0: from all)")
	fs.Float64Var(&c.TopP, "top-p", 0, "`X` sample from the most probable tokens that together reach the probability X (0: from all)")
	fs.Uint64Var(&c.Seed, "seed", 1, "`N` seed of sampling: the same seed gives the same text")
	beam := fs.Int("beam", 1, "`N` beam width for transcripts; 1 decodes greedily")
	out := fs.String("out", "", "`FILE` CSV file to write, in place of printed answers")
	threads := fs.Int("threads", 0, threadsHelp)
	asJSON := jsonFlag(fs)
	given := preparationFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *top < 1 {
			return fmt.Errorf("--top %d: at least 1", *top)
		}
		m, err := openModel(cmd, *model, given, permafrost.WithThreads(*threads), permafrost.WithBeam(*beam))
		if err != nil {
			return err
		}
		defer m.Close()
		if fs.Changed("beam") && m.Task() != "ctc" {
			return fmt.Errorf("--beam: only a model of transcripts (task ctc) has one, this one is for task %s", m.Task())
		}
		for _, name := range []string{"max-tokens", "temperature", "top-k", "top-p", "seed"} {
			if fs.Changed(name) && !m.Continues() {
				return fmt.Errorf("--%s: only a language model continues texts, this one is for task %s", name, m.Task())
			}
		}
		if m.Continues() {
			if c.MaxTokens < 1 || c.Temperature < 0 || c.TopK < 0 || c.TopP < 0 || c.TopP > 1 {
				return fmt.Errorf("--max-tokens is at least 1, --temperature and --top-k at least 0, --top-p from 0 to 1")
			}
		}
		if err := checkOutput("out", *out, append(args, *model)...); err != nil {
			return err
		}
		for _, name := range []string{"top-k", "top-p", "seed"} {
			if fs.Changed(name) && c.Temperature == 0 {
				note(cmd, "--%s does nothing: without --temperature the best token is always taken", name)
			}
		}
		switch {
		case !fs.Changed("top"):
		case *out != "" && !*asJSON:
			note(cmd, "--top does nothing: the table of --out has one answer for each input")
		case m.Task() != "classify" && m.Task() != "multilabel":
			note(cmd, "--top does nothing: a model for task %s lists no labels", m.Task())
		}
		a := &answerWriter{cmd: cmd, notes: m.Notes(), top: *top, json: *asJSON, out: *out}
		files, err := m.FindFiles(args...)
		if err != nil {
			return err
		}
		notTable := func(name string) bool { return !isTable(name) }
		switch {
		case m.Continues():
			return predictTexts(a, m, files, *text, &c)
		case m.Kind() == "text" && (len(files) == 0 || len(*text) > 0 || slices.ContainsFunc(files, notTable)):
			return predictTexts(a, m, files, *text, nil)
		}
		switch {
		case len(*text) > 0:
			return fmt.Errorf("--text: the model takes %ss, not texts", m.Kind())
		case len(args) == 0 && m.Kind() == "vector":
			files = []string{"-"}
		case len(args) == 0:
			return fmt.Errorf("FILE is missing: %s", cmd.UseLine())
		}
		files, stdin, done, err := stdinFile(cmd.InOrStdin(), files)
		if err != nil {
			return err
		}
		defer done()
		found, skipped, err := m.Predict(cmd.Context(), permafrost.Files(files...))
		if err != nil && stdin != "" {
			err = errors.New(strings.ReplaceAll(err.Error(), stdin, "-"))
		}
		if err != nil {
			return err
		}
		for i := range skipped {
			skipped[i].Path = unnamed(skipped[i].Path, stdin)
		}
		for i := range found {
			found[i].Input = unnamed(found[i].Input, stdin)
		}
		if err := a.add(found, skipped); err != nil {
			return err
		}
		return a.finish()
	}
	return cmd
}

// unnamed writes the file of stdin as -, also where a line of it follows.
func unnamed(input, stdin string) string {
	if line, ok := strings.CutPrefix(input, stdin); ok && stdin != "" {
		return "-" + line
	}
	return input
}
