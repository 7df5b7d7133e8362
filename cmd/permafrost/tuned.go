package main

import (
	"github.com/spf13/cobra"
)

// modelFlag defines --model of the commands that use a tuned file.
func modelFlag(cmd *cobra.Command) *string {
	model := cmd.Flags().String("model", "", "`FILE` tuned model, as fit writes it")
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
