package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/federate"
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
// named, its blocks and layers: what comes after the last comma, and after ! if there is one.
func selectors(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
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
	begin := word[:strings.LastIndexAny(word, ",!")+1]
	var out []string
	for _, w := range words {
		if w = begin + w; strings.HasPrefix(w, word) {
			out = append(out, w)
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// planSelectors completes the selectors of --plan NAME=SELECTORS.
func planSelectors(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	name, rest, named := strings.Cut(word, "=")
	if !named {
		return nil, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
	words, directive := selectors(cmd, args, rest)
	for i := range words {
		words[i] = name + "=" + words[i]
	}
	return words, directive
}

// flagWords are what flags take that are no options of a fit.
func flagWords() map[string][]string {
	strategies := federate.Strategies()
	for i, s := range strategies {
		s, _, _ = strings.Cut(s, "[")
		strategies[i] = formExamples.Replace(s)
	}
	return map[string][]string{
		"algorithm":     {"tpe", "evolution", "random"},
		"objectives":    {"accuracy", "params", "bytes", "latency_ms", "train_seconds"},
		"strategy":      strategies,
		"compress":      {"none", "fp16", "int8", "topk:0.1"},
		"freeze-rounds": {"apf", "fedpart"},
		"statistics":    {"shared", "local"},
		"partition":     {"iid", "dirichlet:0.5"},
	}
}

// formExamples replaces placeholders by numbers in the forms of strategies, such as fedprox:MU.
var formExamples = strings.NewReplacer(":MU", ":0.01", ":Q", ":1", ":PART", ":0.1", ":LIARS", ":1", ",KEEP", ",5")

// flagFiles are the extensions of the files that flags name.
var flagFiles = map[string][]string{
	"space": {"yaml", "yml"}, "enqueue": {"jsonl"}, "creds": {"creds"}, "tlsca": {"pem", "crt"}, "tlscert": {"pem", "crt"}, "tlskey": {"pem", "key"},
	"tokenizer": {"json"}, "checkpoint": {"pth", "pt", "bin", "safetensors", "npz"}, "errors": {"csv"}, "outcomes": {"csv"},
}

// completeRest completes the flags of a command and of those below it that nothing completes yet.
func completeRest(cmd *cobra.Command) {
	words := flagWords()
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if _, done := cmd.GetFlagCompletionFunc(f.Name); done {
			return
		}
		switch {
		case f.Name == "plan" && f.Value.Type() == "stringArray":
			complete(cmd, f.Name, planSelectors)
		case f.Name == "adapter-targets":
			complete(cmd, f.Name, selectors)
		case words[f.Name] != nil:
			complete(cmd, f.Name, cobra.FixedCompletions(words[f.Name], cobra.ShellCompDirectiveNoFileComp))
		case flagFiles[f.Name] != nil:
			files(cmd, f.Name, flagFiles[f.Name]...)
		case f.Name == "warm-start" || f.Name == "data-set":
			folders(cmd, f.Name)
		}
	})
	for _, c := range cmd.Commands() {
		completeRest(c)
	}
}
