package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/atomicfile"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/optim"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/safetensors"
	"github.com/permafrost-ml/permafrost/internal/task"
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

// RunState is where a run stands, besides its tensors. Randomness has no state of its own: it is
// drawn anew from (seed, epoch, example).
type RunState struct {
	Identity Identity        `json:"identity"`
	Config   Config          `json:"config"`
	Plan     json.RawMessage `json:"plan,omitempty"` // plan.json

	Epoch     int                 `json:"epoch"`             // epochs finished: the one, from 0, to go on with
	EpochStep int                 `json:"epoch_step"`        // optimiser steps done in that epoch
	Step      int                 `json:"step"`              // optimiser steps done in the run: the schedule's position
	Stage     int                 `json:"stage"`             // how often the schedule changed what trains
	Steps     int                 `json:"steps_in_epoch"`    // optimiser steps of an epoch
	Schedule  optim.LRSchedule    `json:"lr_schedule"`       // of the learning rate
	Partial   *Metrics            `json:"partial,omitempty"` // training metrics of the epoch to go on with
	Best      Best                `json:"best"`              // the best epoch, and when to give up
	History   []report.EpochEvent `json:"history,omitempty"` // of the epochs finished
	Seconds   float64             `json:"seconds"`           // spent so far
	Before    *task.Named         `json:"before,omitempty"`  // of lm: the metric of the model as it came
	Version   string              `json:"version,omitempty"` // of permafrost

	Rates    map[string]float64 `json:"rates,omitempty"`    // of auto-rgn, by weight
	Averaged int                `json:"averaged,omitempty"` // how often weights were taken into their average

	Asked          int             `json:"asked,omitempty"`           // 1 + the step at which the schedule was last asked
	Now            *freeze.Plan    `json:"plan_now,omitempty"`        // with a schedule: what trains at present; Plan is what has trained so far
	FreezeSchedule json.RawMessage `json:"freeze_schedule,omitempty"` // the schedule's state
}

// Identity holds digests of what a run depends on.
type Identity struct {
	Model string `json:"model"` // the pretrained model's file
	Data  string `json:"data"`  // training examples and their preparation
	Val   string `json:"val"`   // validation examples
	Plan  string `json:"plan"`  // what is frozen, in all stages
}

// checkpointHeader is the JSON in the file's metadata.
type checkpointHeader struct {
	Format int      `json:"format"`
	CRC    uint32   `json:"crc32c"` // of all tensors' bytes in order of name
	State  RunState `json:"state"`
}

// Capture makes a checkpoint that shares the tensors' memory, so it has to be saved before the next
// step. params are all parameters that were ever thawed in the run (those in training, and those that
// a schedule froze again); stats are the running statistics of thawed batch-norm layers by name.
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

// Restore copies the checkpoint back into what Capture was given. It errors, naming the tensor, when
// the two hold different ones; nothing is changed then.
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

// RestoreWeights copies parameters and statistics alone. Those of the given ones that the checkpoint
// does not hold, because they were thawed after it was made, are left as they are and named: the
// caller puts the pretrained values back. It errors, and changes nothing, when one does not fit.
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

// Match errors unless a run with these options, model, data and plan is the one that the checkpoint
// belongs to. The error says what differs. Threads, cache and paths may change: results do not
// depend on them.
func (s *RunState) Match(id Identity, c *Config) error {
	for _, d := range []struct{ what, then, now string }{
		{"model", s.Identity.Model, id.Model},
		{"training data", s.Identity.Data, id.Data},
		{"validation data", s.Identity.Val, id.Val},
	} {
		if d.then != d.now {
			return fmt.Errorf("the checkpoint belongs to another %s (digest %s, here %s)", d.what, shortDigest(d.then), shortDigest(d.now))
		}
	}
	if diff := s.Config.differences(c); len(diff) > 0 {
		return fmt.Errorf("the checkpoint was made with other options: %s", strings.Join(diff, "; "))
	}
	if s.Identity.Plan != id.Plan {
		return fmt.Errorf("the checkpoint belongs to another plan (digest %s, here %s)", shortDigest(s.Identity.Plan), shortDigest(id.Plan))
	}
	return nil
}

// shortDigest is the start of a digest, enough to tell two apart.
func shortDigest(digest string) string {
	if _, hex, ok := strings.Cut(digest, ":"); ok {
		digest = hex
	}
	return digest[:min(12, len(digest))]
}

// resumable lists the options that a resumed run may change.
var resumable = []string{"model", "data", "val", "out", "tokenizer", "threads", "cache", "cache_budget", "memory"}

// differences names the options on which two runs that should give the same bits differ.
func (c *Config) differences(now *Config) []string {
	var out []string
	then, here := reflect.ValueOf(*c), reflect.ValueOf(*now)
	for i, key := range configKeys() {
		a, b := then.Field(i), here.Field(i)
		bothEmpty := a.Kind() == reflect.Slice && a.Len() == 0 && b.Len() == 0
		if slices.Contains(resumable, key) || bothEmpty || reflect.DeepEqual(a.Interface(), b.Interface()) {
			continue
		}
		out = append(out, fmt.Sprintf("%s was %s, is %s", key, optionText(a), optionText(b)))
	}
	return out
}

func optionText(v reflect.Value) string {
	b, err := json.Marshal(v.Interface())
	if err != nil {
		return fmt.Sprint(v.Interface())
	}
	return string(b)
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

// SaveCheckpoint makes c the run's last checkpoint. It returns what the event stream has to know.
func (d *RunDir) SaveCheckpoint(c *Checkpoint) (*report.CheckpointEvent, error) {
	last := d.File(LastCheckpoint)
	if err := SaveCheckpoint(last, c); err != nil {
		return nil, err
	}
	st, err := os.Stat(last)
	if err != nil {
		return nil, err
	}
	return &report.CheckpointEvent{Epoch: c.State.Epoch, Step: c.State.Step, Path: LastCheckpoint, Bytes: st.Size()}, nil
}

// LoadCheckpoint reads LastCheckpoint or BestCheckpoint. It errors when there is none yet.
func (d *RunDir) LoadCheckpoint(name string) (*Checkpoint, error) {
	c, err := LoadCheckpoint(d.File(name))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s has no checkpoint %s", d.Path, name)
	}
	return c, err
}
