package feed

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/data/sound"
	"github.com/permafrost-ml/permafrost/internal/fixture/shared"
	"github.com/permafrost-ml/permafrost/internal/onnx"
)

// TestSpeechFrontEnd prepares a spoken digit as the preprocessor file of the speech embedding says.
func TestSpeechFrontEnd(t *testing.T) {
	m, err := onnx.Open(shared.Path(t, "models", "speech-mel.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(shared.Path(t, "models", "speech-embedding.preprocessor.json"))
	if err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(shared.Path(t, "data", "spoken-digits", "val", "7"), "*.wav"))
	if len(files) == 0 {
		t.Fatal("no recordings of a seven")
	}
	f, err := NewFrontEnd(m)
	if err != nil {
		t.Fatal(err)
	}
	if f.Bins() != 32 || f.size != 512 || f.hop != 160 {
		t.Fatalf("%d bins, frames of %d every %d", f.Bins(), f.size, f.hop)
	}
	c, err := sound.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := json.Marshal(c); !sound.IsConfig(b) {
		t.Errorf("%s", b)
	}
	p, err := c.For(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files[:3] {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		x, err := p.Load(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		r, err := p.Prepare(x, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		frames := 1 + (16000+len(x)-512)/160
		if want := 1 + (frames-76)/8; r.Count != want || !slices.Equal(r.Shape, []int{76, 32}) || len(r.Row(r.Count-1)) != 76*32 {
			t.Errorf("%s: %d windows of %v, want %d", file, r.Count, r.Shape, want)
		}
		for _, v := range r.Values {
			if v-v != 0 || math.Abs(float64(v)) > 20 {
				t.Fatalf("%s: %v", file, v)
			}
		}
	}
	// Silence that the front end adds for itself changes no bit.
	x := make([]float32, 20011)
	for i := range x[:15000] {
		x[i] = float32(3000 * math.Sin(float64(i*i%7919)))
	}
	got, frames, err := f.Features(x)
	if err != nil {
		t.Fatal(err)
	}
	want, n, err := f.run(x, len(x))
	if err != nil || n != frames || !slices.Equal(got, want) {
		t.Errorf("%d frames and %d differ, %v", frames, n, err)
	}
	if len(f.programs) > 8 {
		t.Errorf("%d programs", len(f.programs))
	}
}
