package run

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/atomicfile"
	"github.com/permafrost-ml/permafrost/internal/optim"
	"github.com/permafrost-ml/permafrost/internal/safetensors"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// checkpointFormat is the version of the checkpoint's form.
const checkpointFormat = 1

// Checkpoint is the whole state of a run between two optimiser steps, and nothing frozen. It is one
// safetensors file: the tensors below and, under the metadata key "permafrost", State as JSON.
//
//	param/NAME           a thawed parameter, or the vector of its thawed elements
//	stat/NAME            a running statistic of a thawed batch-norm layer
//	optimizer/KIND/NAME  optimiser state of a thawed parameter
//	average/NAME         the mean of a thawed parameter's elements, or of a statistic, in runs that average
//	schedule/NAME        what a schedule measures against, see meter
type Checkpoint struct {
	State   RunState
	Tensors map[string]*tensor.Tensor
}

// checkpointHeader is the JSON in the file's metadata.
type checkpointHeader struct {
	Format int      `json:"format"`
	CRC    uint32   `json:"crc32c"` // of all tensors' bytes in order of name
	State  RunState `json:"state"`
}

// Capture makes a checkpoint that shares the tensors' memory, so it has to be saved before the next
// step. params are all parameters that were ever thawed in the run (those in training, and those
// that a schedule froze again); stats are the running statistics of thawed batch-norm layers by
// name.
func Capture(st RunState, params []*optim.Slot, stats map[string]*tensor.Tensor, opt *optim.Optimizer) *Checkpoint {
	c := &Checkpoint{State: st, Tensors: map[string]*tensor.Tensor{}}
	for _, p := range params {
		c.Tensors["param/"+p.Name] = p.Thawed()
	}
	for name, t := range stats {
		c.Tensors["stat/"+name] = t
	}
	for name, t := range opt.State() {
		c.Tensors["optimizer/"+name] = t
	}
	return c
}

// Restore copies the checkpoint back into what Capture was given. It errors, naming the tensor,
// when the two hold different ones; nothing is changed then.
func (c *Checkpoint) Restore(params []*optim.Slot, stats map[string]*tensor.Tensor, opt *optim.Optimizer) error {
	want := map[string]bool{}
	for _, p := range params {
		want["param/"+p.Name] = true
	}
	for name := range stats {
		want["stat/"+name] = true
	}
	state := map[string]*tensor.Tensor{}
	for name, t := range c.Tensors {
		if key, ok := strings.CutPrefix(name, "optimizer/"); ok {
			state[key] = t
		} else if !want[name] {
			return fmt.Errorf("run: checkpoint holds %q, which is not thawed", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if c.Tensors[name] == nil {
			return fmt.Errorf("run: checkpoint lacks %q", name)
		}
	}
	if err := c.checkWeights(params, stats); err != nil {
		return err
	}
	if err := opt.SetState(state); err != nil {
		return err
	}
	c.setWeights(params, stats)
	return nil
}

// RestoreWeights copies parameters and statistics alone. Those of the given ones that the
// checkpoint does not hold, because they were thawed after it was made, are left as they are and
// named: the caller puts the pretrained values back. It errors, and changes nothing, when one does
// not fit.
func (c *Checkpoint) RestoreWeights(params []*optim.Slot, stats map[string]*tensor.Tensor) (missing []string, err error) {
	if err := c.checkWeights(params, stats); err != nil {
		return nil, err
	}
	return c.setWeights(params, stats), nil
}

func (c *Checkpoint) checkWeights(params []*optim.Slot, stats map[string]*tensor.Tensor) error {
	for _, p := range params {
		if t := c.Tensors["param/"+p.Name]; t != nil {
			if err := p.CheckThawed(t); err != nil {
				return err
			}
		}
	}
	for name, s := range stats {
		if t := c.Tensors["stat/"+name]; t != nil && (t.DType != s.DType || !t.Shape.Equal(s.Shape)) {
			return fmt.Errorf("run: statistic %q: %v %v does not fit %v %v", name, t.DType, t.Shape, s.DType, s.Shape)
		}
	}
	return nil
}

// setWeights copies what checkWeights has passed and lists what is not there.
func (c *Checkpoint) setWeights(params []*optim.Slot, stats map[string]*tensor.Tensor) (missing []string) {
	for _, p := range params {
		if t := c.Tensors["param/"+p.Name]; t == nil {
			missing = append(missing, p.Name)
		} else if err := p.SetThawed(t); err != nil {
			panic(err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(stats)) {
		if t := c.Tensors["stat/"+name]; t == nil {
			missing = append(missing, name)
		} else {
			copy(stats[name].Bytes, t.Bytes)
		}
	}
	return missing
}

// write writes the checkpoint's file.
func (c *Checkpoint) write(w io.Writer) error {
	js, err := json.Marshal(checkpointHeader{checkpointFormat, c.crc(), c.State})
	if err != nil {
		return fmt.Errorf("run: checkpoint: %w", err)
	}
	return safetensors.Write(w, safetensors.File{Tensors: c.Tensors, Metadata: map[string]string{"permafrost": string(js)}})
}

func (c *Checkpoint) crc() uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	var sum uint32
	for _, name := range slices.Sorted(maps.Keys(c.Tensors)) {
		sum = crc32.Update(sum, table, c.Tensors[name].Bytes)
	}
	return sum
}

// SaveCheckpoint writes c to path, whole or not at all.
func SaveCheckpoint(path string, c *Checkpoint) error { return atomicfile.Write(path, c.write) }

// LoadCheckpoint reads the checkpoint at path. It errors, with the path, on a file that is damaged
// or not a checkpoint.
func LoadCheckpoint(path string) (*Checkpoint, error) {
	f, err := safetensors.ReadFile(path)
	if err != nil {
		return nil, err
	}
	js, ok := f.Metadata["permafrost"]
	if !ok {
		return nil, fmt.Errorf("%s: not a checkpoint: its metadata lacks \"permafrost\"", path)
	}
	var h checkpointHeader
	if err := json.Unmarshal([]byte(js), &h); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if h.Format != checkpointFormat {
		return nil, fmt.Errorf("%s: checkpoint of format %d, this version reads %d", path, h.Format, checkpointFormat)
	}
	c := &Checkpoint{State: h.State, Tensors: f.Tensors}
	if c.crc() != h.CRC {
		return nil, fmt.Errorf("%s: damaged: checksum %08x, want %08x", path, c.crc(), h.CRC)
	}
	return c, nil
}

// The checkpoints that a run keeps, relative to its directory.
const (
	LastCheckpoint = CheckpointsDir + "/last.safetensors"
	BestCheckpoint = CheckpointsDir + "/best.safetensors"
)
