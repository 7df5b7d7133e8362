package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost"
)

// The command that docs/extending.md adds: TestExtending runs it.

func init() { register(groupTune, "blocks", blocksCommand) }

func blocksCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "blocks MODEL",
		Short:   "List the blocks of a model",
		Long:    `blocks lists what the selectors first:N and last:N count, from the input to the head.`,
		Example: `  permafrost blocks mobilenet.onnx`,
		Args:    oneArg("MODEL"),
	}
	asJSON := jsonFlag(cmd.Flags())
	completeModel(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg := permafrost.DefaultConfig()
		cfg.Model = args[0]
		in, err := permafrost.Inspect(cmd.Context(), cfg, permafrost.InspectOptions{})
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), map[string]any{"blocks": in.Blocks})
		}
		for _, b := range in.Blocks {
			fmt.Fprintln(cmd.OutOrStdout(), b.Name)
		}
		return nil
	}
	return cmd
}
