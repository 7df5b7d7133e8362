package run

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/data/sound"
	"github.com/permafrost-ml/permafrost/internal/fixture/shared"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// digitStrings joins spoken digits to strings of three to seven, one speaker each, without a gap: n
// sounds and a table of what they say. Equal seeds give equal files.
func digitStrings(t testing.TB, from, dir, name string, n int, seed uint64) {
	t.Helper()
	bySpeaker := map[string][10][]string{}
	var speakers []string
	files, _ := filepath.Glob(filepath.Join(from, "?", "*.wav")) // in sorted order
	for _, f := range files {
		part := strings.Split(filepath.Base(f), "_") // DIGIT_SPEAKER_TAKE.wav
		of, ok := bySpeaker[part[1]]
		if !ok {
			speakers = append(speakers, part[1])
		}
		digit := part[0][0] - '0'
		of[digit] = append(of[digit], f)
		bySpeaker[part[1]] = of
	}
	r := rand.New(rand.NewPCG(seed, 11))
	var table bytes.Buffer
	w := csv.NewWriter(&table)
	w.Write([]string{"file", "text"})
	for i := range n {
		of := bySpeaker[speakers[r.IntN(len(speakers))]]
		var text string
		var x []float64
		for range 3 + r.IntN(5) {
			digit := r.IntN(10)
			b, err := os.ReadFile(of[digit][r.IntN(len(of[digit]))])
			if err != nil {
				t.Fatal(err)
			}
			c, err := sound.Decode(bytes.NewReader(b), 0)
			if err != nil || c.Rate != 8000 {
				t.Fatal(c.Rate, err)
			}
			for _, v := range c.Samples {
				x = append(x, float64(v))
			}
			text += fmt.Sprint(digit)
		}
		file := filepath.Join(name, fmt.Sprintf("%04d.wav", i))
		writeWAV(t, filepath.Join(dir, file), x)
		w.Write([]string{file, text})
	}
	w.Flush()
	if err := os.WriteFile(filepath.Join(dir, name+".csv"), table.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestDigitStrings learns to read strings of digits from the frozen speech embedding, whose windows
// stand every 80 ms, and is measured on speakers that it never heard. PERMAFROST_SPEECH=all takes
// enough strings to measure the error rate: that is what docs/accuracy.md reports.
func TestDigitStrings(t *testing.T) {
	digits := shared.Path(t, "data", "spoken-digits")
	model := shared.Path(t, "models", "speech-embedding.onnx")
	plans := []struct {
		name   string
		thaw   []string
		epochs int
		most   float64
	}{{"head", []string{"head"}, 40, 0.6}}
	train, val := 32, 8
	if os.Getenv("PERMAFROST_SPEECH") == "all" {
		train, val = 800, 200
		plans[0].epochs, plans[0].most = 0, 1
		plans = append(plans, plans[0])
		plans[1].name, plans[1].thaw, plans[1].most = "last four blocks", []string{"head", "last:4"}, 0.15
	}
	dir := t.TempDir()
	digitStrings(t, filepath.Join(digits, "train"), dir, "train", train, 1)
	digitStrings(t, filepath.Join(digits, "val"), dir, "val", val, 2)
	for _, p := range plans {
		cfg := config.DefaultConfig()
		cfg.Model, cfg.Data, cfg.Out, cfg.Thaw, cfg.Epochs, cfg.Cache = model, dir, t.TempDir(), p.thaw, p.epochs, "ram"
		r := mustFit(t, cfg)
		if r.ValMetric == nil || r.ValMetric.Name != "error_rate" || r.ValMetric.Value == nil {
			t.Fatalf("%s: the fit reports %+v", p.name, r.ValMetric)
		}
		rate := *r.ValMetric.Value
		t.Logf("%s: digit error rate %.1f%% after %d epochs, %.0f s", p.name, 100*rate, r.Epochs, r.Seconds)
		if rate > p.most {
			t.Errorf("%s: digit error rate %.3f, want %.2f", p.name, rate, p.most)
		}
		reader, err := tuned.Open(filepath.Join(cfg.Out, ModelFile))
		if err != nil {
			t.Fatal(err)
		}
		found, _, err := reader.Predict(context.Background(), []string{filepath.Join(dir, "val", "0000.wav")})
		if err != nil || found[0].Text == nil {
			t.Fatalf("%s: %+v, %v", p.name, found, err)
		}
		e, err := reader.Eval(context.Background(), filepath.Join(dir, "val.csv"))
		if err != nil {
			t.Fatalf("%s: %v", p.name, err)
		}
		if e.Metric == nil || *e.Metric.Value != rate {
			t.Errorf("%s: the tuned file's error rate is %+v, the fit said %v", p.name, e.Metric, rate)
		}
	}
}
