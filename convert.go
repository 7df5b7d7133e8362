package permafrost

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/atomicfile"
	"github.com/permafrost-ml/permafrost/internal/checkpoint"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/peft"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// ImportOptions say how a checkpoint is matched to a model.
type ImportOptions struct {
	// key of the state dict in a PyTorch file with other content, such as ema.state_dict; empty:
	// found
	Entry   string
	Eps     float64  // of batch norm that is folded; 0: the model's, else PyTorch's 1e-5
	Convert bool     // allow rounding to a less precise type, such as float32 to float16
	Keep    []string // globs of model tensors that keep their values if the checkpoint lacks them
	Ignore  []string // globs of checkpoint tensors that the model may lack
}

// Imported says which checkpoint tensors went where in a model. Its JSON form is what import --json
// prints.
type Imported struct {
	Format string `json:"format"` // of the checkpoint: peft, safetensors, PyTorch, PyTorch before 1.6, npz or npy
	// where in a PyTorch file the state dict was; empty for the whole file
	Entry   string  `json:"entry"`
	Out     string  `json:"out"`     // the file written
	Matched []Match `json:"matched"` // model tensors with values from the checkpoint
	Missing []Lack  `json:"missing"` // in the model, not in the checkpoint
	Unused  []Lack  `json:"unused"`  // in the checkpoint, not in the model
	Kept    []Lack  `json:"kept"`    // in the model only, with their values kept
	// in the checkpoint, excluded by ImportOptions.Ignore
	Ignored   []Lack   `json:"ignored"`
	Integers  int      `json:"ignored_integers"` // integer buffers of the checkpoint, such as num_batches_tracked
	Stripped  string   `json:"stripped"`         // prefix that only the checkpoint's names have
	Added     string   `json:"added"`            // prefix that only the model's names have
	Eps       float64  `json:"eps,omitempty"`    // of folded batch norm, 0 where none is
	EpsSource string   `json:"eps_source,omitempty"`
	Tensors   int      `json:"-"` // in the checkpoint
	Beside    []string `json:"-"` // other entries of a PyTorch file
}

// Match is one tensor of a model and its origin.
type Match struct {
	Tensor string   `json:"tensor"`
	Shape  []int    `json:"shape"`
	From   []string `json:"from"` // in the checkpoint: one, or a weight and the batch norm folded into it
	// how the name was found and the values changed: transposed, reshaped, folded, converted
	How string `json:"how"`
}

// Lack is a tensor that only one side has.
type Lack struct {
	Name  string `json:"name"`
	Shape []int  `json:"shape"`
	Why   string `json:"why,omitempty"`
}

// Import puts the weights of a checkpoint (safetensors, PyTorch, NumPy) into the ONNX model of the
// same architecture and writes it to out. Reading a PyTorch file runs no code from it. If any
// tensor on either side has no counterpart, nothing is written, and the result says, together with
// the error, what did not match.
func Import(checkpointFile, model, out string, o ImportOptions) (*Imported, error) {
	if err := writable(out, ".onnx", "an ONNX file", model, checkpointFile); err != nil {
		return nil, err
	}
	if err := fetched(context.Background(), nil, &checkpointFile, &model); err != nil {
		return nil, err
	}
	m, err := onnx.Open(model)
	if err != nil {
		return nil, badInput(err)
	}
	if peft.Is(checkpointFile) {
		return importAdapter(m, checkpointFile, out, o)
	}
	c, err := checkpoint.Open(checkpointFile, o.Entry)
	if err != nil {
		return nil, badInput(err)
	}
	r, err := checkpoint.Find(m, c, checkpoint.Options{Eps: o.Eps, Convert: o.Convert, Keep: o.Keep, Ignore: o.Ignore})
	if err != nil {
		return nil, badInput(err)
	}
	lacks := func(ls []checkpoint.Lack) []Lack { return each(ls, func(l checkpoint.Lack) Lack { return Lack(l) }) }
	found := &Imported{
		Format: c.Format, Entry: c.Entry, Out: out,
		Matched: each(r.Matched, func(m *checkpoint.Match) Match { return Match{m.Tensor, m.Shape, m.From, m.How} }),
		Missing: lacks(r.Missing), Unused: lacks(r.Unused), Kept: lacks(r.Kept), Ignored: lacks(r.Ignored),
		Integers: r.Integers, Stripped: r.Stripped, Added: r.Added, Eps: r.Eps, EpsSource: r.EpsSource, Tensors: len(c.Tensors), Beside: c.Ignored,
	}
	if err := r.Check(); err != nil {
		return found, badInput(err)
	}
	return found, failed(m.WriteFile(out, r.Patch()))
}

// importAdapter adds a LoRA adapter of the Python package peft to a model's weights.
func importAdapter(m *onnx.Model, folder, out string, o ImportOptions) (*Imported, error) {
	if o.Entry != "" || o.Eps != 0 || o.Convert || len(o.Keep)+len(o.Ignore) > 0 {
		return nil, badInput(fmt.Errorf("%s is an adapter of peft, to which no options of a checkpoint apply: leave them out", folder))
	}
	a, err := peft.Read(folder)
	if err != nil {
		return nil, badInput(err)
	}
	weights, from, err := a.Merged(m.Graph)
	if err != nil {
		return nil, badInput(fmt.Errorf("%s: %w", folder, err))
	}
	r := &Imported{Format: "peft", Out: out, Tensors: 2*len(a.Pairs) + len(a.Full), Missing: []Lack{}, Unused: []Lack{}, Kept: []Lack{}, Ignored: []Lack{}}
	for _, name := range slices.Sorted(maps.Keys(weights)) {
		how := "pair added"
		if len(from[name]) == 1 {
			how = "replaced"
		}
		r.Matched = append(r.Matched, Match{name, weights[name].Shape, from[name], how})
	}
	return r, failed(m.WriteFile(out, &onnx.Patch{Tensors: weights}))
}

// ExportOptions determine the names and shapes of an exported state dict.
type ExportOptions struct {
	// file of the state dict from which the model was made: gives names, undoes folding; empty:
	// none
	Checkpoint string
	Entry      string  // of Checkpoint, see ImportOptions
	Eps        float64 // of batch norm that was folded; 0: the model's, else PyTorch's 1e-5
	// name of the layer that a new linear head replaces, such as fc; found with Checkpoint
	Head string
	// Trained leaves out what the last fit of a tuned model did not train: a head alone, or what was
	// thawed, with adapters.
	Trained bool
}

// Exported describes an exported state dict. Its JSON form is what export --json prints.
type Exported struct {
	Out     string           `json:"out"` // the file written
	Tensors []ExportedTensor `json:"tensors"`
	Notes   []string         `json:"notes"` // what a user of the file should know
	// tensors that equal the model's, or the checkpoint's, to the bit
	Exact   int `json:"exact"`
	Rounded int `json:"rounded"`
}

// ExportedTensor is one tensor of an exported state dict.
type ExportedTensor struct {
	Name  string `json:"name"`
	Shape []int  `json:"shape"`
	From  string `json:"from"`  // in the model; empty if only the checkpoint has it
	How   string `json:"how"`   // how the name was found and what was undone
	Exact string `json:"exact"` // exact or rounded
}

// Export writes all tensors of a tuned model, or of any ONNX file, under their PyTorch names. The
// ending of out says the format: .safetensors, .pth, .pt or .bin (the zip file of torch.save), or
// .npz.
func Export(model, out string, o ExportOptions) (*Exported, error) {
	switch {
	case o.Checkpoint == "" && o.Entry != "":
		return nil, badInput(fmt.Errorf("option entry %s is of a checkpoint: give option checkpoint too", o.Entry))
	case o.Checkpoint == "" && o.Eps != 0:
		return nil, badInput(fmt.Errorf("option eps %g is of a checkpoint's batch norm: give option checkpoint too", o.Eps))
	case o.Checkpoint != "" && o.Head != "":
		return nil, badInput(fmt.Errorf("option head %s: with option checkpoint the layer that the head replaces is found", o.Head))
	}
	if strings.EqualFold(filepath.Ext(out), ".onnx") {
		return nil, badOption("out", "%s: a state dict is no ONNX file; option with_softmax writes one, with probabilities as its output", out)
	}
	if err := checkpoint.CheckName(out); err != nil {
		return nil, badOption("out", "%w", err)
	}
	if err := apart(out, model, o.Checkpoint); err != nil {
		return nil, err
	}
	if err := fetched(context.Background(), nil, &model, &o.Checkpoint); err != nil {
		return nil, err
	}
	m, err := onnx.Open(model)
	if err != nil {
		return nil, badInput(err)
	}
	d, err := stateDict(m, o)
	if err != nil {
		return nil, badInput(err)
	}
	if o.Trained && !tuned.Tuned(m.Metadata) {
		return nil, badOption("trained", "%s has no record of a fit, so nothing says what was trained", model)
	}
	if tuned.Tuned(m.Metadata) {
		r, err := tuned.ReadRecord(m.Metadata)
		if err != nil {
			return nil, badInput(err)
		}
		if d.Metadata, err = tuned.About(m.Metadata); err != nil {
			return nil, badInput(err)
		}
		if o.Trained {
			d.Only(func(name string) bool { return r.Plan.Of(name).State != freeze.Frozen })
		}
		if r.Temperature != 1 {
			d.Notes = append(d.Notes, fmt.Sprintf("the scores have the temperature %.6g, which is in the metadata of %s and not in the state dict: divide the scores by it before a softmax", r.Temperature, model))
		}
	}
	if err := atomicfile.Write(out, func(w io.Writer) error { return d.Save(w, out) }); err != nil {
		return nil, failed(err)
	}
	e := &Exported{Out: out, Notes: d.Notes}
	for _, t := range d.Tensors {
		e.Tensors = append(e.Tensors, ExportedTensor{t.Name, t.Shape, t.From, t.How, t.Exact})
		if t.Exact == checkpoint.Exact {
			e.Exact++
		} else {
			e.Rounded++
		}
	}
	return e, nil
}

// Probabilities describes an ONNX file that gives probabilities. Its JSON form is what export
// --with-softmax --json prints.
type Probabilities struct {
	Out      string   `json:"out"`      // the file written
	Output   string   `json:"output"`   // its output: probabilities, one for each of Labels
	Scores   string   `json:"scores"`   // the output of the tuned file, which they are computed from
	Operator string   `json:"operator"` // Softmax, or Sigmoid for several labels an example
	Labels   []string `json:"labels"`
}

// ExportProbabilities writes a tuned classifier to the ONNX file out with probabilities as its output
// in place of scores, for runtimes that add no softmax of their own. Every weight has its bytes
// unchanged, and a Model opened from out gives the same answers. It errors for tasks other than
// classify and multilabel.
func ExportProbabilities(tunedFile, out string) (*Probabilities, error) {
	if err := writable(out, ".onnx", "an ONNX file", tunedFile); err != nil {
		return nil, err
	}
	if err := fetched(context.Background(), nil, &tunedFile); err != nil {
		return nil, err
	}
	p, err := tuned.WriteProbabilities(tunedFile, out)
	if err != nil {
		return nil, badInput(err)
	}
	return &Probabilities{Out: out, Output: p.Output, Scores: p.Scores, Operator: p.Operator, Labels: p.Labels}, nil
}

func stateDict(m *onnx.Model, o ExportOptions) (*checkpoint.StateDict, error) {
	if o.Checkpoint == "" {
		return checkpoint.Export(m, o.Head)
	}
	c, err := checkpoint.Open(o.Checkpoint, o.Entry)
	if err != nil {
		return nil, err
	}
	d, err := checkpoint.ExportAs(m, c, checkpoint.Options{Eps: o.Eps})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Checkpoint, err)
	}
	return d, nil
}

// writable errors if the ending of out is not that of what is written to it, if out is one of the files
// that are read, or if no file can be written there.
func writable(out, ending, what string, inputs ...string) error {
	if err := apart(out, inputs...); err != nil {
		return err
	}
	if !strings.EqualFold(filepath.Ext(out), ending) {
		return badInput(fmt.Errorf("%s: %s is written there: name it %s", out, what, ending))
	}
	return nil
}

// apart errors if out is one of the files that are read, or if no file can be written there.
func apart(out string, inputs ...string) error {
	if o, err := os.Stat(out); err == nil {
		for _, in := range inputs {
			if i, err := os.Stat(in); err == nil && os.SameFile(o, i) {
				return badInput(fmt.Errorf("%s is an input and would be overwritten: name another file to write", out))
			}
		}
	}
	return CheckFile(out)
}

// CheckFile errors if no file can be written at path: its folder is missing or may not be written to, or
// path is a folder. It writes nothing. Programs that write a file after long work ask it before.
func CheckFile(path string) error { return badInput(atomicfile.CheckFile(path)) }
