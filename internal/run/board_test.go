package run

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/tensorboard"
)

// boardOf returns the records of a run's event file as Reopen reads them, each as its step and the tag
// of its first value.
func boardOf(t *testing.T, dir string) []string {
	t.Helper()
	names, err := (&RunDir{dir}).boards()
	if err != nil || len(names) != 1 {
		t.Fatalf("event files %v (%v)", names, err)
	}
	var out []string
	w, err := tensorboard.Reopen(filepath.Join(dir, names[0]), func(step int, tag string) bool {
		out = append(out, fmt.Sprint(step, " ", tag))
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	must(t, w.Close())
	return out
}

// TestBoardResumed: the event file of a run that was interrupted, in the middle of an epoch or at its
// end, and went on has what that of an unbroken run has, once.
func TestBoardResumed(t *testing.T) {
	cfg := tinyConfig(t)
	cfg.TensorBoard, cfg.Thaw, cfg.Out = true, []string{"last:1"}, filepath.Join(t.TempDir(), "a [run]")
	mustFit(t, cfg)
	want := boardOf(t, cfg.Out)
	for _, tag := range []string{"0 _hparams_/session_start_info", "0 plan", "1 step/loss", "15 step/loss", "5 epoch/train_loss", "15 epoch/train_loss", "5 updates/layer2.0.conv1.weight", "15 validation/1", "15 mistakes", "15 _hparams_/session_end_info"} {
		if !slices.Contains(want, tag) {
			t.Errorf("%q is not among %q", tag, want)
		}
	}
	for _, after := range []int{3, 5, 7, 10, 15} {
		t.Run(fmt.Sprint(after), func(t *testing.T) {
			cfg := cfg
			cfg.Out = t.TempDir()
			ctx, cancel := context.WithCancel(context.Background())
			if _, err := fit(t, ctx, cfg, false, &stopper{after, cancel}); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			cancel()
			if _, err := fit(t, context.Background(), cfg, true); err != nil {
				t.Fatal(err)
			}
			if got := boardOf(t, cfg.Out); !slices.Equal(got, want) {
				t.Errorf("records\n%q, want\n%q", got, want)
			}
		})
	}
}

// TestBoardChangesNothing: a run has the same model with an event file and without.
func TestBoardChangesNothing(t *testing.T) {
	cfg := tinyConfig(t)
	cfg.Out = t.TempDir()
	mustFit(t, cfg)
	with := cfg
	with.TensorBoard, with.Out = true, t.TempDir()
	mustFit(t, with)
	if !bytes.Equal(read(t, cfg.Out, ModelFile), read(t, with.Out, ModelFile)) {
		t.Error("the model differs")
	}
}

// boardEvent is an event as testdata/read.js of package tensorboard prints it.
type boardEvent struct {
	Step        int
	FileVersion string
	Summary     struct {
		Value []struct {
			Tag         string
			SimpleValue *float64
			Histo       *struct{ Num float64 }
			Image       *struct{ Width, Height int }
			Texts       []string
			HParams     *struct {
				SessionStartInfo *struct {
					HParams map[string]struct {
						NumberValue float64
						StringValue string
					}
				}
				SessionEndInfo *struct{ Status int }
			}
		}
	}
}

// TestBoardIndependent reads an event file with programs that know nothing of Permafrost: the npm
// packages tfrecord and protobufjs, which node finds by NODE_PATH, and TensorBoard itself.
func TestBoardIndependent(t *testing.T) {
	cfg := tinyConfig(t)
	cfg.TensorBoard, cfg.Out, cfg.LR = true, t.TempDir(), 0.03
	mustFit(t, cfg)
	names, err := (&RunDir{cfg.Out}).boards()
	must(t, err)
	file := filepath.Join(cfg.Out, names[0])
	var losses []float64
	must(t, report.ReadEvents(bytes.NewReader(read(t, cfg.Out, EventsFile)), func(r report.Record) bool {
		if e, ok := r.Event.(*report.EpochEvent); ok {
			losses = append(losses, float64(float32(e.Val.Loss())))
		}
		return true
	}))
	t.Run("tfrecord", func(t *testing.T) {
		if err := exec.Command("node", "-e", "require('tfrecord'), require('protobufjs')").Run(); err != nil {
			t.Skip("node does not find the packages tfrecord and protobufjs: npm i tfrecord protobufjs, and set NODE_PATH")
		}
		out, err := exec.Command("node", filepath.Join("..", "tensorboard", "testdata", "read.js"), file).Output()
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]int{}
		var got []float64
		for line := range bytes.Lines(out) {
			var e boardEvent
			must(t, json.Unmarshal(line, &e))
			for _, v := range e.Summary.Value {
				group, _, _ := strings.Cut(v.Tag, "/")
				switch {
				case v.Tag == "epoch/val_loss":
					got = append(got, *v.SimpleValue)
				case v.SimpleValue != nil, v.Histo != nil && v.Histo.Num > 0, v.Image != nil && v.Image.Width > 8 && v.Image.Height > 8, len(v.Texts) == 1:
					seen[group]++
				case v.HParams != nil && v.HParams.SessionStartInfo != nil:
					h := v.HParams.SessionStartInfo.HParams
					if h["lr"].NumberValue != 0.03 || h["model"].StringValue != "tiny.onnx" || h["epochs"].NumberValue != 3 {
						t.Errorf("hyperparameters %v", h)
					}
				case v.HParams != nil && v.HParams.SessionEndInfo.Status == 1:
				default:
					t.Errorf("value %+v", v)
				}
			}
		}
		if !slices.Equal(got, losses) {
			t.Errorf("validation losses %v, events.jsonl has %v", got, losses)
		}
		for _, group := range []string{"step", "epoch", "plan", "weights", "validation"} {
			if seen[group] == 0 {
				t.Errorf("nothing of %s is seen: %v", group, seen)
			}
		}
	})
	t.Run("tensorboard", func(t *testing.T) {
		if err := exec.Command("python3", "-c", "import tensorboard").Run(); err != nil {
			t.Skip("python3 has no package tensorboard")
		}
		out, err := exec.Command("python3", "-c", `
import sys, json
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
a = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0}); a.Reload()
print(json.dumps([e.value for e in a.Scalars("epoch/val_loss")]))`, file).Output()
		if err != nil {
			t.Fatal(err)
		}
		var got []float64
		must(t, json.Unmarshal(out, &got))
		if !slices.Equal(got, losses) {
			t.Errorf("validation losses %v, events.jsonl has %v", got, losses)
		}
	})
}
