package run

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost/internal/fixture/shared"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// spoiler ruins the model's file at the first step.
type spoiler struct {
	spoil func() error
	done  bool
	err   error
}

func (s *spoiler) Emit(_ time.Time, e report.Event) {
	if _, ok := e.(*report.StepEvent); ok && !s.done {
		s.done, s.err = true, s.spoil()
	}
}

// TestModelOnDisk: with the model and the best weights on disk a fit comes to the bits of one that has
// them in memory, whatever happens to the model's file while it trains.
func TestModelOnDisk(t *testing.T) {
	file := read(t, shared.Path(t, "models", "resnet56-cifar10.onnx"))
	c := tinyConfig(t)
	c.Model, c.Data, c.Epochs, c.Batch = filepath.Join(t.TempDir(), "model.onnx"), tinyData(t, 3, 4), 2, 6
	c.Thaw = []string{"depth:70%-100%", "head"}
	fit := func(onDisk bool, spoil func() error) []byte {
		t.Helper()
		if err := os.WriteFile(c.Model, file, 0o600); err != nil {
			t.Fatal(err)
		}
		c.Out = filepath.Join(t.TempDir(), "run")
		s, err := PrepareOn(t.Context(), c, Sets{OnDisk: onDisk})
		if err != nil {
			t.Fatal(err)
		}
		dir, err := CreateRunDir(c.Out, &s.Config)
		if err != nil {
			t.Fatal(err)
		}
		by := &spoiler{spoil: spoil}
		if _, err := s.Fit(t.Context(), dir, false, by); err != nil || by.err != nil || !by.done {
			t.Fatal(err, by.err, by.done)
		}
		return append(read(t, c.Out, ModelFile), read(t, c.Out, DeltaFile)...)
	}
	want := fit(false, func() error { return nil })
	for name, spoil := range map[string]func() error{
		"overwritten": func() error { return os.WriteFile(c.Model, make([]byte, len(file)), 0o600) },
		"truncated":   func() error { return os.Truncate(c.Model, 100) },
		"removed":     func() error { return os.Remove(c.Model) },
	} {
		if !bytes.Equal(fit(true, spoil), want) {
			t.Errorf("%s: other bits", name)
		}
	}
}

// TestBestWeights: what is taken comes back, from disk and from memory, and later changes of the weights
// do not reach it. Damage on the disk is found.
func TestBestWeights(t *testing.T) {
	s, err := Prepare(t.Context(), tinyConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	f := &loop{session: s}
	weights := f.current()
	for _, onDisk := range []bool{false, true} {
		var b best
		large := tensor.New(tensor.Float32, 1<<18+3)
		weights["param/large"] = large
		large.F32()[1<<18] = 7
		b.take(weights, onDisk)
		large.F32()[1<<18] = 8
		if got := b.tensors["param/large"].F32()[1<<18]; got != 7 || len(b.tensors) != len(weights) {
			t.Errorf("on disk %t: %v of %d tensors came back", onDisk, got, len(b.tensors))
		}
		if err := b.check(); err != nil {
			t.Error(err)
		}
		if onDisk && b.file != nil {
			if b.crc++; b.check() == nil {
				t.Error("damage was not found")
			}
		}
		b.drop()
		if b.tensors != nil || b.file != nil {
			t.Error("weights are left")
		}
	}
}
