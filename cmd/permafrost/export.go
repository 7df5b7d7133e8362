package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost"
)

func init() { register(groupUse, "export", exportCommand) }

func exportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export TUNED --out FILE",
		Short: "Write a model as a PyTorch state dict, or with probabilities as its output",
		Long: `export writes all tensors of a tuned model, or of any ONNX file, under their PyTorch names,
for load_state_dict. If the exporter renamed a tensor, the path of the node that reads it
gives the name. Transposed matrices are transposed back.

The ending of --out sets the format: .safetensors; .pth, .pt or .bin for torch.load, also
with weights_only=True; .npz for NumPy.

--checkpoint names the state dict that the model was made from. The file then has exactly its
names, shapes and order: folded batch norm is unfolded, and a new classifier takes the place
of the old one. Weights that did not train come back to the bit.

--trained writes only what the fit trained, such as the head. The metadata of a safetensors
file name the base by its SHA-256, the labels, and what was thawed.

--with-softmax writes an ONNX file instead: the tuned model with probabilities as its output.

The printed table says of every tensor whether it is exact or rounded; so do the metadata of
a safetensors file.`,
		Example: `  permafrost export runs/resnet18-photos-1/model.onnx --out tuned.safetensors --head fc
  permafrost export runs/resnet18-photos-1/model.onnx --out tuned.pth --checkpoint resnet18.pth
  permafrost export runs/resnet18-photos-1/model.onnx --out probabilities.onnx --with-softmax`,
		Args: oneArg("TUNED"),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	out := fs.String("out", "", "`FILE` file to write: .safetensors, .pth, .pt, .bin or .npz")
	var o permafrost.ExportOptions
	fs.StringVar(&o.Checkpoint, "checkpoint", "", "`FILE` state dict that the model was made from: gives names, undoes folding")
	entryFlag(cmd, &o.Entry)
	epsFlag(cmd, &o.Eps)
	fs.StringVar(&o.Head, "head", "", "`NAME` layer that a new linear head replaces, such as fc (default: found with --checkpoint)")
	fs.BoolVar(&o.Trained, "trained", false, "write only what the fit trained: the head, thawed weights, adapters")
	softmax := fs.Bool("with-softmax", false, "write an ONNX file with probabilities as its output instead (sigmoid where an example has several labels)")
	asJSON := jsonFlag(fs)
	required(cmd, "out")
	files(cmd, "out", "safetensors", "pth", "pt", "bin", "npz", "onnx")
	files(cmd, "checkpoint", "safetensors", "pt", "pth", "npz")
	completeModel(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := fetch(cmd, &args[0], &o.Checkpoint); err != nil {
			return err
		}
		if *softmax {
			return exportProbabilities(cmd, args[0], *out, *asJSON)
		}
		if err := checkEps(cmd, o.Eps); err != nil {
			return err
		}
		e, err := permafrost.Export(args[0], *out, o)
		if err != nil {
			return err
		}
		for i := range e.Notes {
			nameFlags(cmd, &e.Notes[i])
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), e)
		}
		return printStateDict(cmd.OutOrStdout(), e)
	}
	return cmd
}

func exportProbabilities(cmd *cobra.Command, model, out string, asJSON bool) error {
	for _, name := range []string{"checkpoint", "entry", "eps", "head", "trained"} {
		if cmd.Flags().Changed(name) {
			return fmt.Errorf("--%s is of a state dict, and --with-softmax writes an ONNX file: leave one out", name)
		}
	}
	p, err := permafrost.ExportProbabilities(model, out)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(cmd.OutOrStdout(), p)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: output %q, %s of %q, one for each of %d labels\n", p.Out, p.Output, p.Operator, p.Scores, len(p.Labels))
	return err
}

func printStateDict(w io.Writer, e *permafrost.Exported) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "name\tshape\tmodel\thow\tnumbers")
	for _, t := range e.Tensors {
		from := t.From
		if from == "" {
			from = "-"
		}
		fmt.Fprintf(tw, "%s\t%v\t%s\t%s\t%s\n", t.Name, shapeText(t.Shape), from, t.How, t.Exact)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, n := range e.Notes {
		fmt.Fprintf(w, "note: %s\n", n)
	}
	_, err := fmt.Fprintf(w, "%s: %d tensors, %d exact, %d rounded, %s\n", e.Out, len(e.Tensors), e.Exact, e.Rounded, bytesText(size(e.Out)))
	return err
}
