package run

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// wantDiverged fits, and wants an error that says so and no model.
func wantDiverged(t *testing.T, c config.Config, says ...string) *DivergedError {
	t.Helper()
	_, err := fit(t, context.Background(), c, false)
	var d *DivergedError
	if !errors.As(err, &d) {
		t.Fatalf("%v, want a DivergedError", err)
	}
	for _, text := range says {
		wantError(t, err, text)
	}
	if _, err := os.Stat(filepath.Join(c.Out, ModelFile)); err == nil {
		t.Error("a diverged run wrote a model")
	}
	return d
}

// TestLMDiverges: a rate that is far too high leaves a loss far above that of equally likely tokens.
func TestLMDiverges(t *testing.T) {
	c := lmConfig(t)
	c.Thaw, c.Epochs, c.LR = []string{"all"}, 2, 100
	if d := wantDiverged(t, c, "training diverged: after 2 epochs", "no epoch was better than guessing"); d.Clip {
		t.Error("with adamw option clip changes little")
	}
}

// TestCTCDiverges: the loss is held against that of equally likely symbols.
func TestCTCDiverges(t *testing.T) {
	dir := t.TempDir()
	rows := "file,text\n"
	for i, text := range []string{"ab", "ba", "aba", "bab"} {
		x := make([]float64, 1200)
		for k := range x {
			x[k] = 0.5 * math.Sin(float64(k)*float64(i+1)/9)
		}
		writeWAV(t, filepath.Join(dir, fmt.Sprintf("%d.wav", i)), x)
		rows += fmt.Sprintf("%d.wav,%s\n", i, text)
	}
	for _, name := range []string{"train.csv", "val.csv"} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(rows), 0o644))
	}
	c := config.DefaultConfig()
	c.Model, c.Data, c.Out, c.Task, c.Epochs, c.Batch, c.LR = waveModel(t), dir, t.TempDir(), "ctc", 4, 4, 1e6
	wantDiverged(t, c, "the loss on the training examples is", "that of guessing")
}

// TestNeverFinite: a loss or metric that is NaN or infinite passes in no task, in the last epoch or in
// the one that is written.
func TestNeverFinite(t *testing.T) {
	lm := func(loss float64) *task.Metrics {
		return &task.Metrics{Task: task.NameLM, Examples: 1, Tokens: 1, LossSum: loss, Sums: map[string]float64{"uniform": math.Log(512)}}
	}
	regress := func(loss float64) *task.Metrics {
		return &task.Metrics{Task: task.NameRegress, Examples: 1, LossSum: loss}
	}
	for _, c := range []struct {
		name  string
		train float64
		val   *task.Metrics
		want  string // "" for a fit that may end
	}{
		{"fine", 2, lm(3), ""},
		{"perplexity overflows", 2, lm(800), "the perplexity on the validation examples is not a number"},
		{"training loss", math.NaN(), regress(1), "training examples is not a number"},
		{"validation loss", 1, regress(math.Inf(1)), "the loss on the validation examples is not a number"},
		{"a bad beginning", 70, lm(3), ""},
		{"above the uniform loss", 70, lm(75), "the loss on the training examples is 70, that of guessing 6.24"},
	} {
		f := &loop{session: &Session{Config: config.DefaultConfig()}}
		f.st.History = []report.EpochEvent{{TrainLoss: report.Number(c.train), Val: c.val}}
		err := f.ended()
		if c.want == "" {
			must(t, err)
			continue
		}
		wantError(t, err, c.want)
	}
	f := &loop{session: &Session{Config: config.DefaultConfig()}}
	f.st.BeforeLoss, f.st.History = 8, []report.EpochEvent{{TrainLoss: 79, Val: lm(90)}}
	must(t, f.ended()) // below ten times the loss before training
	f.st.History[0].TrainLoss = 81
	wantError(t, f.ended(), "that before training 8")
}

// TestDivergedText: option clip is advised where it may help, and a checkpoint is good where it is.
func TestDivergedText(t *testing.T) {
	for _, c := range []struct {
		e    DivergedError
		want string
	}{
		{DivergedError{Where: "x", Ended: true, Clip: true}, "training diverged: x; lower option lr or set option clip 1"},
		{DivergedError{Where: "x", Ended: true, Kept: "best"}, "training diverged: x; lower option lr; the last good checkpoint is best"},
		{DivergedError{Where: "x", Ended: true, Poor: true}, "training diverged: x; lower option lr; no epoch was better than guessing, so there is no good checkpoint"},
	} {
		if got := c.e.Error(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// TestGood: the best epoch is good if its loss is at most that of guessing, ln 2.
func TestGood(t *testing.T) {
	for loss, want := range map[float64]bool{0.5: true, math.Ln2: true, 0.7: false, math.NaN(): false} {
		m := task.NewMetrics(2)
		m.Examples, m.LossSum = 1, loss
		f := &loop{}
		f.st.Best.Found, f.st.History = true, []report.EpochEvent{{Val: m}}
		if f.good() != want {
			t.Errorf("a loss of %g is good: %v", loss, !want)
		}
	}
}

// TestDivergedKeeps: the checkpoint of an epoch that was better than guessing is named.
func TestDivergedKeeps(t *testing.T) {
	cfg := tinyConfig(t)
	cfg.Out, cfg.LR = t.TempDir(), 0.01
	s, err := Prepare(context.Background(), cfg)
	must(t, err)
	dir, err := CreateRunDir(cfg.Out, &s.Config)
	must(t, err)
	_, err = s.fit(context.Background(), dir, false, func(f *loop, _ *report.StepEvent) {
		if f.st.Epoch == 2 {
			f.session.active.Opt.Slots()[0].Value.F32()[0] = float32(math.NaN())
		}
	})
	var d *DivergedError
	if !errors.As(err, &d) || d.Kept != filepath.Join(cfg.Out, BestCheckpoint) || d.Poor || d.Ended {
		t.Fatalf("%v", err)
	}
	_, err = LoadCheckpoint(d.Kept)
	must(t, err)
}
