package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost/internal/atomicfile"
	"github.com/permafrost-ml/permafrost/internal/checkpoint"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/safetensors"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// exported is what export --json prints.
type exported struct {
	Out string `json:"out"`
	*checkpoint.StateDict
	Exact   int `json:"exact"`
	Rounded int `json:"rounded"`
}

func exportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export TUNED --out FILE.safetensors",
		Short: "Write a model's tensors as a PyTorch state dict",
		Long: `export writes all tensors of a tuned model, or of any ONNX file, as safetensors under the names
that they have in PyTorch, for load_state_dict. Where the exporter renamed a tensor, the path
of the node that reads it gives the name, and transposed matrices are turned back.

With --checkpoint, the state dict that the model was made from, the file has exactly its
names, shapes and order: batch norm that was folded into convolutions comes out again, and
a new classifier takes the place of the old one. What training left as it was comes back
to the bit.

The file's metadata says of every tensor whether it is exact or rounded.`,
		Example: `  permafrost export runs/resnet18-photos-1/model.onnx --out tuned.safetensors --head fc
  permafrost export runs/resnet18-photos-1/model.onnx --out tuned.safetensors --checkpoint resnet18.pth`,
		Args: oneArg("TUNED"),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	out := fs.String("out", "", "`FILE` to write")
	original := fs.String("checkpoint", "", "`FILE` state dict that the model was made from: gives names, undoes folding")
	entry := entryFlag(cmd)
	var o checkpoint.Options
	epsFlag(cmd, &o)
	head := fs.String("head", "", "`NAME` of the layer that a new linear head replaces, as fc; found with --checkpoint")
	asJSON := jsonFlag(fs)
	required(cmd, "out")
	files(cmd, "out", "safetensors")
	files(cmd, "checkpoint", "safetensors", "pt", "pth", "npz")
	completeModel(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case *original == "" && *entry != "":
			return fmt.Errorf("--entry %s is of a checkpoint: give --checkpoint too", *entry)
		case *original != "" && *head != "":
			return fmt.Errorf("--head %s: with --checkpoint the layer that the head replaces is found", *head)
		}
		if err := checkEps(cmd, o); err != nil {
			return err
		}
		if err := apart(*out, args[0], *original); err != nil {
			return err
		}
		m, err := onnx.Open(args[0])
		if err != nil {
			return err
		}
		d, err := stateDict(m, *original, *entry, *head, o)
		if err != nil {
			return err
		}
		f, err := d.File()
		if err != nil {
			return err
		}
		if err := atomicfile.Write(*out, func(w io.Writer) error { return safetensors.Write(w, *f) }); err != nil {
			return err
		}
		if *asJSON {
			e := exported{Out: *out, StateDict: d}
			e.Exact, e.Rounded = count(d)
			return printJSON(cmd.OutOrStdout(), e)
		}
		return printStateDict(cmd.OutOrStdout(), *out, d)
	}
	return cmd
}

func stateDict(m *onnx.Model, original, entry, head string, o checkpoint.Options) (*checkpoint.StateDict, error) {
	if original == "" {
		return checkpoint.Export(m, head)
	}
	c, err := checkpoint.Open(original, entry)
	if err != nil {
		return nil, err
	}
	d, err := checkpoint.ExportAs(m, c, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", original, err)
	}
	return d, nil
}

func count(d *checkpoint.StateDict) (exact, rounded int) {
	for _, t := range d.Tensors {
		if t.Exact == checkpoint.Exact {
			exact++
		} else {
			rounded++
		}
	}
	return exact, rounded
}

func printStateDict(w io.Writer, out string, d *checkpoint.StateDict) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "name\tshape\tmodel\thow\tnumbers")
	for _, t := range d.Tensors {
		from := t.From
		if from == "" {
			from = "-"
		}
		fmt.Fprintf(tw, "%s\t%v\t%s\t%s\t%s\n", t.Name, tensor.Shape(t.Shape), from, t.How, t.Exact)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, n := range d.Notes {
		fmt.Fprintf(w, "note: %s\n", n)
	}
	exact, rounded := count(d)
	_, err := fmt.Fprintf(w, "%s: %d tensors, %d exact, %d rounded, %s\n", out, len(d.Tensors), exact, rounded, bytesText(size(out)))
	return err
}
