package run

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/report"
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
