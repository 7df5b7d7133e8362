package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// otherNames are what other tools call flags of this one.
var otherNames = map[string][]string{
	"model":           {"model-path", "model-name", "model-name-or-path", "pretrained", "arch", "architecture", "weights", "net", "network"},
	"data":            {"dataset", "datasets", "dataset-name", "data-dir", "data-path", "train", "train-dir", "train-data", "train-file", "input-dir"},
	"val":             {"val-dir", "val-data", "valid", "validation", "validation-data", "validation-file", "eval-data", "test", "test-data", "test-dir"},
	"out":             {"output", "output-dir", "outdir", "save-dir", "save", "project", "logging-dir", "o"},
	"epochs":          {"epoch", "num-epochs", "n-epochs", "max-epochs", "num-train-epochs", "nb-epochs"},
	"batch":           {"batch-size", "bs", "train-batch-size", "per-device-train-batch-size"},
	"accumulate":      {"accumulation", "accumulation-steps", "gradient-accumulation", "gradient-accumulation-steps", "grad-accum"},
	"lr":              {"learning-rate", "lr0", "base-lr", "eta"},
	"lr-schedule":     {"lr-scheduler", "lr-scheduler-type", "scheduler", "lr-policy", "sched", "decay"},
	"warmup":          {"warmup-steps", "warmup-epochs", "warmup-ratio"},
	"optimizer":       {"optim", "opt", "optimiser"},
	"weight-decay":    {"wd", "l2", "decay-rate"},
	"label-smoothing": {"smoothing", "label-smoothing-factor"},
	"class-weights":   {"class-weight", "weighted", "balanced"},
	"clip":            {"grad-clip", "clip-grad", "gradient-clip", "gradient-clip-val", "max-grad-norm", "clip-norm"},
	"patience":        {"early-stopping", "early-stopping-patience", "early-stop"},
	"keep":            {"save-best", "load-best-model-at-end", "checkpoint-best"},
	"seed":            {"random-seed", "random-state"},
	"threads":         {"workers", "num-workers", "jobs", "num-threads", "cpus", "dataloader-num-workers"},
	"thaw":            {"unfreeze", "trainable", "train-layers", "layers", "finetune-layers", "unfreeze-layers"},
	"freeze":          {"frozen", "freeze-layers"},
	"head":            {"classifier", "top"},
	"adapter":         {"lora", "lora-r", "lora-rank", "peft"},
	"adapter-alpha":   {"lora-alpha"},
	"adapter-targets": {"lora-targets", "target-modules"},
	"size":            {"image-size", "img-size", "imgsz", "input-size", "resolution"},
	"augment":         {"augmentation", "augmentations", "aug", "transforms", "auto-augment"},
	"preprocess":      {"preprocessor", "preprocessing", "normalize", "processor", "feature-extractor"},
	"max-length":      {"max-seq-length", "max-seq-len", "max-len", "sequence-length", "model-max-length", "block-size"},
	"text-column":     {"text-field", "text-key"},
	"label-column":    {"label-field", "label-key", "target-column", "labels"},
	"group":           {"groups", "group-column", "group-by", "groupby"},
	"resume":          {"resume-from", "resume-from-checkpoint", "continue"},
	"config":          {"recipe", "yaml", "cfg"},
	"average":         {"ema", "swa", "model-ema"},
	"text":            {"prompt", "sentence"},
	"max-tokens":      {"max-new-tokens", "max-length"},
	"json":            {"format", "output-format"},
	"steps":           {"iterations", "repeat", "runs", "max-steps"},
	"checkpoint":      {"state-dict", "original"},
	"with-softmax":    {"softmax", "probabilities", "probs"},
}

// unknownFlag adds to the error of a flag that the command does not have the flag that was probably
// meant, and to that of a wrong value what is wanted.
func unknownFlag(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "" {
		if meant := meantFlag(cmd, unknown.GetSpecifiedName()); meant != "" {
			err = fmt.Errorf("%w: is --%s meant?", err, meant)
		}
	}
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		if want := wanted[invalid.GetFlag().Value.Type()]; want != "" {
			err = fmt.Errorf("invalid argument %q for \"--%s\": want %s", invalid.GetValue(), invalid.GetFlag().Name, want)
		}
	}
	return fmt.Errorf("%w; %s --help lists the flags", err, cmd.CommandPath())
}

// wanted is what flags of a type take. Those of other types say it themselves.
var wanted = map[string]string{
	"bool":     "true or false",
	"float64":  "a number, as 0.01",
	"int":      "a whole number",
	"int64":    "a whole number",
	"uint64":   "a whole number from 0 on",
	"duration": "a duration, as 90s, 10m or 2h",
}

// meantFlag is the flag of a command that another tool calls name, or whose name differs by a
// letter or two, "" for none.
func meantFlag(cmd *cobra.Command, name string) string {
	name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	if cmd.Flags().Lookup(name) != nil {
		return name
	}
	for flag, others := range otherNames {
		if slices.Contains(others, name) && cmd.Flags().Lookup(flag) != nil {
			return flag
		}
	}
	best, least := "", min(3, (len(name)+1)/2)
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if d := editDistance(name, f.Name); d < least {
			best, least = f.Name, d
		}
	})
	return best
}

// editDistance is Levenshtein's: how many letters are put in, left out or replaced.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := before
			if a[i] != b[j] {
				replaced++
			}
			before = row[j+1]
			row[j+1] = min(replaced, row[j]+1, before+1)
		}
	}
	return row[len(b)]
}
