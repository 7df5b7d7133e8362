package main

import (
	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost"
)

// choices are the words that an option takes, for shell completion.
var choices = map[string][]string{
	"batchnorm":     {"auto", "frozen"},
	"head":          {"linear", "mlp:128", "keep"},
	"start":         {"none", "probe"},
	"pool":          {"auto", "mean", "cls", "last", "max"},
	"optimizer":     {"adamw", "sgd"},
	"lr-schedule":   {"cosine", "constant", "step"},
	"class-weights": {"none", "balanced"},
	"keep":          {"best", "last"},
	"cache":         {"auto", "off", "ram", "disk"},
	"augment":       {"none"},
	"rates":         {"auto-rgn"},
	"average":       {"ema:0.999", "swa"},
}

// completeConfig completes the flags of a permafrost.Config that the command has.
func completeConfig(cmd *cobra.Command) {
	for name, words := range choices {
		complete(cmd, name, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return words, cobra.ShellCompDirectiveNoFileComp
		})
	}
	complete(cmd, "thaw", selectors)
	complete(cmd, "freeze", selectors)
	complete(cmd, "preprocess", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return permafrost.Presets(), cobra.ShellCompDirectiveDefault
	})
	files(cmd, "model", "onnx")
	for _, name := range []string{"data", "val", "out"} {
		folders(cmd, name)
	}
}

// complete registers a completion for a flag, where the command has it.
func complete(cmd *cobra.Command, name string, f cobra.CompletionFunc) {
	if cmd.Flags().Lookup(name) == nil {
		return
	}
	if err := cmd.RegisterFlagCompletionFunc(name, f); err != nil {
		panic(err) // registered twice
	}
}

// files completes a flag with files of the given extensions.
func files(cmd *cobra.Command, name string, extensions ...string) {
	complete(cmd, name, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return extensions, cobra.ShellCompDirectiveFilterFileExt
	})
}

// folders completes a flag with folders.
func folders(cmd *cobra.Command, name string) {
	complete(cmd, name, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveFilterDirs
	})
}

// completeModel completes arguments with model files.
func completeModel(cmd *cobra.Command) {
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"onnx"}, cobra.ShellCompDirectiveFilterFileExt
	}
}

// selectors completes --thaw and --freeze with the kinds of selectors and, once a model has been
// named, its blocks and layers.
func selectors(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	words := []string{"head", "all", "none", "last:1", "last:2", "first:1", "kind:bias", "kind:norm", "kind:shift", "kind:weight", "kind:embedding", "depth:60%-100%", "fisher:0.5%", "magnitude:0.5%", "rows:", "channels:", "re:"}
	path := ""
	if f := cmd.Flags().Lookup("model"); f != nil {
		path = f.Value.String()
	} else if len(args) > 0 {
		path = args[0]
	}
	if names, err := permafrost.Selectors(path); err == nil {
		words = append(words, names...)
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}
