package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/permafrost-ml/permafrost"
)

// examples replaces placeholders by numbers in words such as mlp:N.
var examples = strings.NewReplacer(":N", ":128", ":D", ":0.999", ":K", ":2", ":R", ":8")

// completeConfig completes the flags of a permafrost.Config that the command has.
func completeConfig(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		words := permafrost.OptionValues(strings.ReplaceAll(f.Name, "-", "_"))
		if words == nil {
			return
		}
		for i := range words {
			words[i] = examples.Replace(words[i])
		}
		complete(cmd, f.Name, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return words, cobra.ShellCompDirectiveNoFileComp
		})
	})
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

// complete registers a completion for a flag if the command has it.
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
	path := ""
	if f := cmd.Flags().Lookup("model"); f != nil {
		path = f.Value.String()
	} else if len(args) > 0 {
		path = args[0]
	}
	words, err := permafrost.Selectors(path)
	if err != nil { // the model is not written yet
		words, _ = permafrost.Selectors("")
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}
