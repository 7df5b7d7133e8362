package config

import (
	"strings"

	"github.com/permafrost-ml/permafrost/internal/schedule"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// Values returns the words that an option accepts, by its key in run.yaml. A capital after a colon
// stands for a number, as in mlp:N. It is nil if the option does not take words.
func Values(key string) []string {
	switch key {
	case "task":
		return task.Names()
	case "schedule":
		return schedule.Forms()
	case "head":
		return split.Heads
	case "head_activation":
		return split.Activations
	case "pool":
		return split.Pools
	}
	return words[key]
}

// words are those of the options that have no package of their own.
var words = map[string][]string{
	"adapter":         {"lora:R", "ia3", "peft:FOLDER"},
	"augment":         {"none"},
	"average":         {"ema:D", "swa"},
	"batchnorm":       {"auto", "frozen"},
	"cache":           {"auto", "off", "ram", "disk"},
	"cache_precision": {"float32", "float16"},
	"calibrate":       {"auto", "on", "off"},
	"class_weights":   {"none", "balanced"},
	"keep":            {"best", "last"},
	"layout":          {"nchw", "nhwc"},
	"lr_schedule":     {"cosine", "constant", "step"},
	"optimizer":       {"adamw", "sgd"},
	"rates":           {AutoRGN},
	"start":           {"none", "probe"},
}

// inWords is the help text of an option, with {} replaced by the words that it accepts.
func inWords(key, help string) string {
	words := Values(key)
	if n := len(words); n > 1 {
		help = strings.Replace(help, "{}", strings.Join(words[:n-1], ", ")+" or "+words[n-1], 1)
	}
	return help
}
