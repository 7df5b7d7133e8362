package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost"
)

func init() { register(groupUse, "delta", deltaCommand) }

func deltaCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "delta",
		Short: "Extract and apply what changed, to ship only that",
		Long: `A delta is what a tuned model has and its base lacks, in one safetensors file. It is small
if little was thawed: of a tensor with few changed numbers it stores only these. Applied
to the base, it gives the tuned file back bit for bit. Every run folder has one:
delta.safetensors.`,
		Example: `  permafrost delta extract mobilenet.onnx runs/mobilenet-photos-1/model.onnx photos.safetensors
  permafrost delta apply mobilenet.onnx photos.safetensors tuned.onnx
  permafrost delta apply mobilenet.onnx runs/mobilenet-photos-1/delta.safetensors tuned.onnx`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	extract := &cobra.Command{
		Use:     "extract BASE TUNED DELTA",
		Short:   "Write what TUNED has and BASE lacks to DELTA",
		Example: `  permafrost delta extract mobilenet.onnx runs/mobilenet-photos-1/model.onnx photos.safetensors`,
		Args:    args("BASE", "TUNED", "DELTA"),
	}
	extractJSON := jsonFlag(extract.Flags())
	extract.RunE = func(cmd *cobra.Command, args []string) error {
		if err := fetch(cmd, &args[0], &args[1]); err != nil {
			return err
		}
		tensors, err := permafrost.ExtractDelta(args[0], args[1], args[2])
		if err != nil {
			return err
		}
		whole, part := size(args[1]), size(args[2])
		if *extractJSON {
			return printJSON(cmd.OutOrStdout(), map[string]any{"out": args[2], "tensors": tensors, "bytes": part, "tuned_bytes": whole})
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %d tensors, %s instead of %s\n", args[2], tensors, bytesText(part), bytesText(whole))
		return err
	}
	apply := &cobra.Command{
		Use:     "apply BASE DELTA TUNED",
		Short:   "Rebuild the tuned model from BASE and DELTA, and write it to TUNED",
		Example: `  permafrost delta apply mobilenet.onnx photos.safetensors tuned.onnx`,
		Args:    args("BASE", "DELTA", "TUNED"),
	}
	applyJSON := jsonFlag(apply.Flags())
	apply.RunE = func(cmd *cobra.Command, args []string) error {
		if err := fetch(cmd, &args[0], &args[1]); err != nil {
			return err
		}
		if err := permafrost.ApplyDelta(args[0], args[1], args[2]); err != nil {
			return err
		}
		if *applyJSON {
			return printJSON(cmd.OutOrStdout(), map[string]any{"out": args[2], "bytes": size(args[2])})
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", args[2], bytesText(size(args[2])))
		return err
	}
	cmd.AddCommand(extract, apply)
	return cmd
}

func size(path string) int64 {
	st, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return st.Size()
}
