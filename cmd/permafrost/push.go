package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost"
)

func init() { register(groupUse, "push", pushCommand) }

func pushCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "push RUN [--to hf:OWNER/NAME]",
		Short: "Prepare a run for the Hugging Face hub, and upload it",
		Long: `push prepares a finished run for the Hugging Face hub, as a folder: the tuned model, its
preprocessing and labels, plan.json and seal.json, the LoRA adapter for peft if there is
one, and a model card (README.md) with the run's numbers. With --delta it has
delta.safetensors in place of the model. It holds no examples and no local paths.

--to uploads it in one commit, to a repository that is created if it does not exist. That
needs a token with write access, in HF_TOKEN or from hf auth login; without one nothing is
made. --dry-run makes the folder only. Files that the hub already has are not sent again, so
an interrupted push continues when you repeat it. permafrost predict --model
hf:OWNER/NAME then works anywhere.

--license adds a license to the card. The choice is yours; the base model's license may
limit it.`,
		Example: `  permafrost push runs/mobilenet-photos-1
  permafrost push runs/mobilenet-photos-1 --to hf:me/photos --license apache-2.0
  permafrost push runs/mobilenet-photos-1 --to hf:me/photos --delta --private`,
		Args: oneArg("RUN"),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	var o permafrost.PushOptions
	fs.StringVar(&o.To, "to", "", "`hf:OWNER/NAME` repository to upload to")
	fs.StringVar(&o.Out, "out", "", "`DIR` folder to make (default: hub in the run's folder, in place of an earlier one)")
	fs.StringVar(&o.License, "license", "", "`ID` license for the model card, such as apache-2.0")
	fs.BoolVar(&o.Delta, "delta", false, "what changed, delta.safetensors, in place of the model")
	fs.BoolVar(&o.Private, "private", false, "make a new repository private")
	fs.StringVar(&o.Message, "message", "", "`TEXT` message of the commit")
	fs.BoolVar(&o.DryRun, "dry-run", false, "make the folder and upload nothing")
	asJSON := jsonFlag(fs)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		for _, name := range []string{"private", "message"} {
			if cmd.Flags().Changed(name) && o.To == "" {
				return fmt.Errorf("--%s is of an upload: name the repository with --to hf:OWNER/NAME", name)
			}
		}
		p, err := permafrost.Push(cmd.Context(), args[0], o, progress(cmd))
		if err != nil {
			return err
		}
		for i := range p.Notes {
			nameFlags(cmd, &p.Notes[i])
			note(cmd, "%s", p.Notes[i])
		}
		nameFlags(cmd, &p.Why)
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), p)
		}
		return printPushed(cmd.OutOrStdout(), p)
	}
	return cmd
}

func printPushed(w io.Writer, p *permafrost.Pushed) error {
	_, err := fmt.Fprintf(w, "folder      %s: %s, %s\n", p.Out, strings.Join(p.Files, ", "), bytesText(p.Bytes))
	switch {
	case err != nil:
	case !p.Uploaded:
		_, err = fmt.Fprintf(w, "nothing was uploaded: %s\n", p.Why)
	case p.Commit == "" && p.Changed == 0:
		_, err = fmt.Fprintf(w, "%s has all of it already\n", p.URL)
	default:
		_, err = fmt.Fprintf(w, "uploaded    %s to %s, %s sent\n", counted(p.Changed, "changed file"), p.URL, bytesText(p.Sent))
	}
	return err
}
