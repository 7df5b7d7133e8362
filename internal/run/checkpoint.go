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

// checkpointFormat is the version of the checkpoint format.
const checkpointFormat = 1

// Checkpoint is the state of a run between two optimiser steps. It holds nothing that is frozen. It
// is one safetensors file with the tensors below, and with State as JSON under the metadata key
// "permafrost".
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
	CRC    uint32   `json:"crc32c"` // of the bytes of all tensors, ordered by name
	State  RunState `json:"state"`
}

// Capture makes a checkpoint that shares the tensors' memory. Save it before the next step. params
// are all parameters that were thawed at any time in the run, including those that a schedule froze
// again. stats are the running statistics of thawed batch-norm layers, by name.
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

// Restore copies the checkpoint back into what Capture was given. If the tensors differ it names
// one in the error and changes nothing.
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

// RestoreWeights copies only parameters and statistics. It returns the names of those that the
// checkpoint lacks because they were thawed later. It leaves these unchanged; the caller restores
// their pretrained values. If a tensor does not fit, it errors and changes nothing.
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

// setWeights copies the tensors that checkWeights accepted, and lists the missing ones.
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

// SaveCheckpoint writes c to path atomically: the file is complete or unchanged.
func SaveCheckpoint(path string, c *Checkpoint) error { return atomicfile.Write(path, c.write) }

// LoadCheckpoint reads the checkpoint at path. It errors, with the path, if the file is damaged or
// is no checkpoint.
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

// Checkpoints of a run, relative to its directory.
const (
	LastCheckpoint = CheckpointsDir + "/last.safetensors"
	BestCheckpoint = CheckpointsDir + "/best.safetensors"
)
