package main

import (
	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost"
)

// modelFlag defines --model of the commands that use a tuned file.
func modelFlag(cmd *cobra.Command) *string {
	model := cmd.Flags().String("model", "", "`FILE` tuned model, as fit writes it, or any model with a classifier")
	required(cmd, "model")
	files(cmd, "model", "onnx")
	return model
}

// required makes cobra require a flag.
func required(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // a flag that does not exist
		}
	}
}

// preparation are the options of a fit that say how the inputs of a model are prepared.
var preparation = []string{"preprocess", "layout", "size", "tokenizer", "max-length", "input", "shape"}

// preparationFlags defines these options for a model that was not tuned.
func preparationFlags(cmd *cobra.Command, more ...string) *configFlags {
	names := append(more, preparation...)
	given := bindConfig(cmd.Flags(), names...)
	group(cmd.Flags(), "A model that was not tuned", names...)
	return given
}

// openModel opens a model. Only of one that was not tuned options say how its inputs are prepared.
func openModel(cmd *cobra.Command, path string, given *configFlags, opts ...permafrost.Option) (*permafrost.Model, error) {
	cfg, err := given.config()
	if err != nil {
		return nil, err
	}
	if err := fetch(cmd, &path); err != nil {
		return nil, err
	}
	return permafrost.Open(path, append(opts, permafrost.WithPreparation(cfg))...)
}
