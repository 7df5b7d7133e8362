package run

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// warnings gathers those about transcripts.
type warnings []string

func (w *warnings) Emit(_ time.Time, e report.Event) {
	if m, ok := e.(*report.Warning); ok && strings.Contains(m.Message, "transcripts") {
		*w = append(*w, m.Message)
	}
}

// TestTranscriptsTooLong: a transcript that needs more frames than the model makes of its sound is
// told before training, in the log and among the warnings, with how many there are; where all are,
// the fit is refused.
func TestTranscriptsTooLong(t *testing.T) {
	dir := t.TempDir()
	table := func(texts ...string) {
		rows := "file,text\n"
		for i, text := range texts {
			rows += fmt.Sprintf("%d.wav,%s\n", i, text)
		}
		for _, name := range []string{"train.csv", "val.csv"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(rows), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range 4 {
		x := make([]float64, 8000*(256+64*(1+i))/4000) // 2+i windows of 256 samples, and silence adds two
		for k := range x {
			x[k] = 0.5 * math.Sin(float64(k)*float64(i+1)/9)
		}
		writeWAV(t, filepath.Join(dir, fmt.Sprintf("%d.wav", i)), x)
	}
	for _, c := range []struct {
		texts    []string
		warn, no string
	}{
		{[]string{"ab", "ba", "aba", "babab"}, "", ""},
		{[]string{"ababa", "ba", "bbbb", "babab"}, "2 of 4 transcripts are longer than the frames of their sounds (the first: " + filepath.Join(dir, "0.wav") + " needs 5 frames, of which the model makes 4)", ""},
		{[]string{"ababab", "bababab", "babababa", "ababababa"}, "", "4 of 4 transcripts are longer"},
	} {
		table(c.texts...)
		cfg := config.DefaultConfig()
		cfg.Model, cfg.Data, cfg.Out, cfg.Task, cfg.Epochs, cfg.Batch = waveModel(t), dir, t.TempDir(), "ctc", 1, 4
		s, err := Prepare(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		err = s.Check()
		if (err == nil) != (c.no == "") || err != nil && !strings.Contains(err.Error(), c.no) {
			t.Errorf("%v: error %v, want %q", c.texts, err, c.no)
		}
		if c.no != "" {
			continue
		}
		var warned warnings
		r, err := s.Fit(context.Background(), nil, false, &warned)
		if err != nil || math.IsInf(r.TrainLoss, 0) || math.IsNaN(r.ValLoss) {
			t.Fatalf("%v: %v, %v", c.texts, r, err)
		}
		if want := c.warn; len(warned) != 2*min(1, len(want)) || !strings.Contains(strings.Join(warned, "\n"), want) {
			t.Errorf("%v: warnings %q, want %q", c.texts, warned, want)
		}
	}
}

// TestTranscriptsWithoutMetadata: a tuned file without its record answers with the same transcripts,
// from the files beside it.
func TestTranscriptsWithoutMetadata(t *testing.T) {
	dir := t.TempDir()
	rows, files := "file,text\n", []string{}
	for i, text := range []string{"a b", "b a", "b", "ab"} {
		x := make([]float64, 8000)
		for k := range x {
			x[k] = 0.5 * math.Sin(float64(k)*float64(i+1)/9)
		}
		files = append(files, filepath.Join(dir, fmt.Sprintf("%d.wav", i)))
		writeWAV(t, files[i], x)
		rows += fmt.Sprintf("%d.wav,%s\n", i, text)
	}
	for _, name := range []string{"train.csv", "val.csv"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(rows), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cfg := config.DefaultConfig()
	cfg.Model, cfg.Data, cfg.Out, cfg.Task, cfg.Epochs, cfg.Batch, cfg.LR = waveModel(t), dir, t.TempDir(), "ctc", 60, 4, 0.03
	mustFit(t, cfg)
	if labels := string(read(t, cfg.Out, LabelsFile)); labels != "<blank>\n<space>\na\nb\n" {
		t.Errorf("labels %q", labels)
	}
	predictions := func(strip bool) []tuned.Prediction {
		path := filepath.Join(cfg.Out, ModelFile)
		m, err := onnx.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if strip {
			m.Metadata = nil
		}
		p, err := tuned.New(m, path, 0, feed.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		found, _, err := p.Predict(context.Background(), files)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	want, got := predictions(false), predictions(true)
	if !reflect.DeepEqual(got, want) || *want[0].Text == "" {
		t.Errorf("predictions %+v, want %+v", got, want)
	}
}
