package run

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/optim"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/safetensors"
	"github.com/permafrost-ml/permafrost/internal/task"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// rig is a small run: one whole parameter, one partly thawed, one in half precision, one statistic.
type rig struct {
	params []*optim.Slot
	stats  map[string]*tensor.Tensor
	opt    *optim.Optimizer
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{
		params: []*optim.Slot{
			{Name: "fc.weight", Value: vector([]float32{1, 2, 3}), Grad: vector([]float32{1, -1, 1}), LR: 1, Decay: true},
			{Name: "emb", Value: vector([]float32{1, 2, 3}), Grad: vector([]float32{1, 1, 1}), LR: 1, Mask: []bool{false, true, false}},
			{Name: "half", Value: halves(1, 2), Grad: vector([]float32{1, 2}), LR: 0.5},
		},
		stats: map[string]*tensor.Tensor{"bn.running_mean": vector([]float32{0.5})},
		opt:   optim.NewAdamW(optim.AdamW{WeightDecay: 0.1}),
	}
	must(t, r.opt.Add(r.params...))
	return r
}

func (r *rig) step(t *testing.T) {
	t.Helper()
	must(t, r.opt.Step(0.01))
	r.stats["bn.running_mean"].F32()[0] *= 0.9
}

func (r *rig) bytes() []byte {
	var b []byte
	for _, p := range r.params {
		b = append(b, p.Value.Bytes...)
	}
	return append(b, r.stats["bn.running_mean"].Bytes...)
}

func (r *rig) state() RunState {
	return RunState{
		Identity: Identity{"m", "d", "v", "p"}, Config: goodConfig(), Plan: []byte(`{"x":1}`),
		Epoch: 1, EpochStep: 3, Step: 13, Steps: 10, Schedule: optim.LRSchedule{Kind: "cosine", Base: 1, Steps: 20},
		Partial: sampleMetrics(), Best: Best{Seen: 1, Found: true, Score: task.Score{Metric: 0.5, Loss: 1}},
		History: []report.EpochEvent{{TrainLoss: report.Number(math.Inf(1)), Val: sampleMetrics()}},
	}
}

func TestCheckpointResumes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.safetensors")
	whole := newRig(t)
	whole.step(t)
	saved := Capture(whole.state(), whole.params, whole.stats, whole.opt)
	must(t, SaveCheckpoint(path, saved))
	whole.step(t)

	broken := newRig(t)
	c, err := LoadCheckpoint(path)
	must(t, err)
	must(t, c.Restore(broken.params, broken.stats, broken.opt))
	broken.step(t)
	if !bytes.Equal(broken.bytes(), whole.bytes()) {
		t.Error("a resumed run ends in other bits than an unbroken one")
	}
	want := whole.state()
	want.History[0].TrainLoss, c.State.History[0].TrainLoss = 0, 0 // written as null, read as NaN
	if !reflect.DeepEqual(c.State, want) {
		t.Errorf("state reads back as\n%+v\nwant\n%+v", c.State, want)
	}
}

// TestCheckpointHoldsNothingFrozen: of a partly thawed tensor only the thawed elements are written.
func TestCheckpointHoldsNothingFrozen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.safetensors")
	r := newRig(t)
	must(t, SaveCheckpoint(path, Capture(r.state(), r.params, r.stats, r.opt)))
	f, err := safetensors.ReadFile(path)
	must(t, err)
	for name, x := range f.Tensors {
		if strings.HasSuffix(name, "/emb") && x.Len() != 1 {
			t.Errorf("%s has %d elements, want 1", name, x.Len())
		}
	}
	if v := f.Tensors["param/emb"].F32()[0]; v != 2 {
		t.Errorf("param/emb is %g, want 2", v)
	}
	if n := len(f.Tensors); n != 3+1+3*3+1 { // parameters, statistic, step and two moments each, one master copy
		t.Errorf("%d tensors", n)
	}
}

func TestRestoreErrors(t *testing.T) {
	for _, tt := range []struct {
		want   string
		change func(*Checkpoint, *rig)
	}{
		{`lacks "param/emb"`, func(c *Checkpoint, _ *rig) { delete(c.Tensors, "param/emb") }},
		{`lacks "stat/bn.running_mean"`, func(c *Checkpoint, _ *rig) { delete(c.Tensors, "stat/bn.running_mean") }},
		{`holds "param/conv1", which is not thawed`, func(c *Checkpoint, _ *rig) { c.Tensors["param/conv1"] = vector(nil) }},
		{`"half": float32`, func(c *Checkpoint, _ *rig) { c.Tensors["param/half"] = vector([]float32{1, 2}) }},
		{`"bn.running_mean": float32 [2]`, func(c *Checkpoint, _ *rig) { c.Tensors["stat/bn.running_mean"] = vector([]float32{1, 2}) }},
		{`lacks "exp_avg/emb"`, func(c *Checkpoint, _ *rig) { delete(c.Tensors, "optimizer/exp_avg/emb") }},
		{`"momentum_buffer/emb" belongs to no`, func(c *Checkpoint, _ *rig) { c.Tensors["optimizer/momentum_buffer/emb"] = vector(nil) }},
		{`"emb": float32 [1] does not fit float32 [2]`, func(_ *Checkpoint, r *rig) {
			r.params[1] = &optim.Slot{Name: "emb", Value: r.params[1].Value, LR: 1, Mask: []bool{true, true, false}}
		}},
	} {
		from, to := newRig(t), newRig(t)
		from.step(t)
		c := Capture(from.state(), from.params, from.stats, from.opt)
		tt.change(c, to)
		before := to.bytes()
		wantError(t, c.Restore(to.params, to.stats, to.opt), tt.want)
		if !bytes.Equal(before, to.bytes()) {
			t.Errorf("%s: something was changed", tt.want)
		}
	}
}

func TestRestoreWeights(t *testing.T) {
	from, to := newRig(t), newRig(t)
	from.step(t)
	c := Capture(from.state(), from.params[:2], from.stats, from.opt)
	missing, err := c.RestoreWeights(to.params, to.stats)
	must(t, err)
	if !slices.Equal(missing, []string{"half"}) {
		t.Errorf("missing %v, want [half]", missing)
	}
	for i := range 2 {
		if !bytes.Equal(to.params[i].Value.Bytes, from.params[i].Value.Bytes) {
			t.Errorf("%s was not restored", to.params[i].Name)
		}
	}
	if got := to.params[2].Value.Float64s(); got[0] != 1 {
		t.Errorf("half is %g", got)
	}
}

func TestMatch(t *testing.T) {
	st := newRig(t).state()
	id := st.Identity
	c := goodConfig()
	c.Threads, c.Out, c.Cache, c.Model, c.Freeze = 7, "elsewhere", "off", "moved.onnx", nil
	must(t, st.Match(id, &c))
	for _, tt := range []struct {
		want   string
		change func(*Identity, *config.Config)
	}{
		{"another model (digest m, here sixteenbytes", func(id *Identity, _ *config.Config) { id.Model = "sha256:sixteenbytesmore" }},
		{"another training data", func(id *Identity, _ *config.Config) { id.Data = "x" }},
		{"another validation data", func(id *Identity, _ *config.Config) { id.Val = "x" }},
		{"another plan", func(id *Identity, _ *config.Config) { id.Plan = "x" }},
		{`lr was 0, is 0.1; seed was 1, is 2`, func(_ *Identity, c *config.Config) { c.LR, c.Seed = 0.1, 2 }},
		{`thaw was [], is ["all"]`, func(id *Identity, c *config.Config) { id.Plan, c.Thaw = "x", []string{"all"} }},
	} {
		id, c := id, goodConfig()
		tt.change(&id, &c)
		wantError(t, st.Match(id, &c), tt.want[:len(tt.want)-1])
	}
}

func TestLoadCheckpointErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.safetensors")
	r := newRig(t)
	must(t, SaveCheckpoint(path, Capture(r.state(), r.params, r.stats, r.opt)))
	good, err := os.ReadFile(path)
	must(t, err)
	plain := func(meta map[string]string) []byte {
		var b bytes.Buffer
		must(t, safetensors.Write(&b, safetensors.File{Metadata: meta}))
		return b.Bytes()
	}
	flipped := bytes.Clone(good)
	flipped[len(flipped)-1] ^= 1
	for want, b := range map[string][]byte{
		"damaged":          flipped,
		"tensors end":      good[:len(good)-1],
		"not a checkpoint": plain(nil),
		"unexpected end":   plain(map[string]string{"permafrost": "{"}),
		"format 99":        plain(map[string]string{"permafrost": `{"format":99}`}),
	} {
		must(t, os.WriteFile(path, b, 0o666))
		_, err := LoadCheckpoint(path)
		wantError(t, err, want)
		wantError(t, err, path)
	}
}

func TestKeptCheckpoints(t *testing.T) {
	c := goodConfig()
	d, err := CreateRunDir(filepath.Join(t.TempDir(), "run"), &c)
	must(t, err)
	_, err = d.LoadCheckpoint(LastCheckpoint)
	wantError(t, err, "has no checkpoint")
	r := newRig(t)
	for epoch := range 5 {
		st := r.state()
		st.Epoch = epoch
		r.step(t)
		e, err := d.SaveCheckpoint(Capture(st, r.params, r.stats, r.opt))
		must(t, err)
		if e.Epoch != epoch+1 || e.Bytes == 0 {
			t.Errorf("%+v", e)
		}
	}
	ck, err := d.LoadCheckpoint(LastCheckpoint)
	must(t, err)
	if ck.State.Epoch != 4 {
		t.Errorf("the last checkpoint is of epoch %d, want 4", ck.State.Epoch)
	}
	files, err := os.ReadDir(d.File(CheckpointsDir))
	must(t, err)
	if len(files) != 1 {
		t.Errorf("%s holds %v", CheckpointsDir, fmt.Sprint(files))
	}
}

// sampleMetrics: labels 0 0 1, guesses 0 1 1.
func sampleMetrics() *task.Metrics {
	m := task.NewMetrics(2)
	m.Add([]float32{9, 1, 1, 9, 0, 1}, []int{0, 0, 1}, []float32{0.1, 1.85, 0.3})
	return m
}
