package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/permafrost-ml/permafrost"
)

func init() { register(groupTune, "import", importCommand) }

func importCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import CHECKPOINT --model ARCHITECTURE.onnx --out MODEL.onnx",
		Short: "Load a PyTorch, safetensors or NumPy checkpoint, or a LoRA adapter, into an ONNX file",
		Long: `import takes a checkpoint (safetensors, PyTorch .pt and .pth, NumPy .npz) and an ONNX file of
the same architecture with any weights. It writes an ONNX file with the checkpoint's weights.

Tensors are matched by name. If the exporter renamed a tensor, the path of the node that reads
it tells the name (/layer1/layer1.0/conv1/Conv reads layer1.0.conv1.weight). Where the exporter
did so, linear layers are transposed, batch norm is folded into the convolution before it, and
table rows are gathered by an index of the checkpoint.

CHECKPOINT may also be the folder of a LoRA adapter of the Python package peft, which is merged
into the model's weights. To continue training an adapter, give it to fit: --adapter
peft:FOLDER.

A table shows what went where. If a tensor of either side has no match, nothing is written;
--keep and --ignore name what may be missing.

Reading a .pt file runs no code from it.`,
		Example: `  permafrost import resnet18.pth --model resnet18.onnx --out pretrained.onnx
  permafrost import best.pt --entry ema.state_dict --model net.onnx --out net-best.onnx
  permafrost import adapters/mine --model bert.onnx --out bert-mine.onnx
  permafrost import trunk.safetensors --model net.onnx --out net2.onnx --keep 'fc.*'`,
		Args: oneArg("CHECKPOINT"),
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	model := fs.String("model", "", "`FILE` ONNX file of the same architecture")
	out := fs.String("out", "", "`FILE` ONNX file to write")
	var o permafrost.ImportOptions
	entryFlag(cmd, &o.Entry)
	epsFlag(cmd, &o.Eps)
	fs.BoolVar(&o.Convert, "convert", false, "round numbers where the model's type holds less, as float16 for float32")
	fs.StringArrayVar(&o.Keep, "keep", nil, "`GLOB` tensors of the model that keep their values where the checkpoint has none; may be given again")
	fs.StringArrayVar(&o.Ignore, "ignore", nil, "`GLOB` tensors of the checkpoint that the model need not have; may be given again")
	asJSON := jsonFlag(fs)
	required(cmd, "model", "out")
	files(cmd, "model", "onnx")
	completeCheckpoint(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkEps(cmd, o.Eps); err != nil {
			return err
		}
		if err := fetch(cmd, &args[0], model); err != nil {
			return err
		}
		r, err := permafrost.Import(args[0], *model, *out, o)
		if r != nil {
			nameFlags(cmd, &r.EpsSource)
			for _, lacks := range [][]permafrost.Lack{r.Missing, r.Unused, r.Kept, r.Ignored} {
				for i := range lacks {
					nameFlags(cmd, &lacks[i].Why)
				}
			}
		}
		if err != nil {
			if r != nil { // what matched and what did not
				if e := printMatches(cmd.ErrOrStderr(), args[0], r); e != nil {
					return e
				}
			}
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), r)
		}
		if err := printMatches(cmd.OutOrStdout(), args[0], r); err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", r.Out, bytesText(size(r.Out)))
		return err
	}
	return cmd
}

// entryFlag defines --entry of the commands that read a checkpoint.
func entryFlag(cmd *cobra.Command, entry *string) {
	cmd.Flags().StringVar(entry, "entry", "", "`KEY` where the state dict is in a PyTorch file that holds more, such as ema.state_dict (default: found)")
}

func epsFlag(cmd *cobra.Command, eps *float64) {
	cmd.Flags().Float64Var(eps, "eps", 0, "`X` epsilon of folded batch norm (default: the model's, else PyTorch's 1e-5)")
}

func checkEps(cmd *cobra.Command, eps float64) error {
	if cmd.Flags().Changed("eps") && !(eps > 0 && eps < 1) {
		return fmt.Errorf("--eps %g: want a number between 0 and 1, as 1e-5", eps)
	}
	return nil
}

// completeCheckpoint completes arguments with checkpoints.
func completeCheckpoint(cmd *cobra.Command) {
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"safetensors", "pt", "pth", "npz"}, cobra.ShellCompDirectiveFilterFileExt
	}
}

// printMatches prints what of a checkpoint went where in a model, and what did not.
func printMatches(w io.Writer, path string, r *permafrost.Imported) error {
	fmt.Fprintf(w, "checkpoint  %s: %s, %d tensors", path, r.Format, r.Tensors)
	if r.Entry != "" {
		fmt.Fprintf(w, ", of entry %q", r.Entry)
	}
	if len(r.Beside) > 0 {
		fmt.Fprintf(w, " (beside it: %s)", list(r.Beside, 6))
	}
	fmt.Fprintln(w)
	if r.Stripped != "" {
		fmt.Fprintf(w, "prefix      %q taken from the checkpoint's names\n", r.Stripped)
	}
	if r.Added != "" {
		fmt.Fprintf(w, "prefix      %q taken from the model's names\n", r.Added)
	}
	if r.Eps != 0 {
		fmt.Fprintf(w, "folded      batch norm with eps %g (%s)\n", r.Eps, r.EpsSource)
	}
	fmt.Fprintln(w)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(r.Matched) > 0 {
		fmt.Fprintln(tw, "model\tshape\tcheckpoint\thow")
		for _, m := range r.Matched {
			fmt.Fprintf(tw, "%s\t%v\t%s\t%s\n", m.Tensor, shapeText(m.Shape), origin(m.From), m.How)
		}
	}
	rows := func(title string, ls []permafrost.Lack) {
		if len(ls) > 0 {
			fmt.Fprintf(tw, "\n%s\tshape\n", title)
		}
		for _, l := range ls {
			fmt.Fprintf(tw, "%s\t%v\t%s\n", l.Name, shapeText(l.Shape), l.Why)
		}
	}
	rows("the checkpoint lacks", r.Missing)
	rows("the model lacks", r.Unused)
	rows("kept from the model", r.Kept)
	rows("left out", r.Ignored)
	if err := tw.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nmatched %d, missing %d, without a place %d, kept %d, left out %d, integer buffers left out %d\n",
		len(r.Matched), len(r.Missing), len(r.Unused), len(r.Kept), len(r.Ignored), r.Integers)
	return err
}

// origin names the tensors from which a tensor is made; for several of one layer, it names the
// layer.
func origin(from []string) string {
	layer := func(name string) string { return name[:strings.LastIndexByte(name, '.')+1] }
	count := map[string]int{}
	for _, name := range from {
		count[layer(name)]++
	}
	var parts []string
	for _, name := range from {
		if l := layer(name); count[l] > 1 {
			name = l + "*"
		}
		if !slices.Contains(parts, name) {
			parts = append(parts, name)
		}
	}
	return strings.Join(parts, " + ")
}
