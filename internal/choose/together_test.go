package choose

import (
	"context"
	"fmt"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/demo"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// writeFrames draws letters in class folders: objects of each, and frames of each object that
// differ in noise.
func writeFrames(t *testing.T, dir string, seed uint64, objects, frames int) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	for _, l := range demo.Greek.Letters[:6] {
		if err := os.MkdirAll(filepath.Join(dir, l.Name), 0o777); err != nil {
			t.Fatal(err)
		}
		for o := range objects {
			m, err := demo.Draw(r, l.Rune)
			if err != nil {
				t.Fatal(err)
			}
			for f := range frames {
				for i, v := range m.Pix {
					m.Pix[i] = uint8(min(max(float64(v)+2*r.NormFloat64(), 0), 255))
				}
				file, err := os.Create(filepath.Join(dir, l.Name, fmt.Sprintf("%02d-%d.png", o, f)))
				if err != nil {
					t.Fatal(err)
				}
				if err := png.Encode(file, m); err != nil {
					t.Fatal(err)
				}
				if err := file.Close(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func framesSession(t *testing.T, objects, frames int, change func(*config.Config)) *run.Session {
	t.Helper()
	dir := t.TempDir()
	cfg := config.DefaultConfig()
	cfg.Model, cfg.Data, cfg.Cache = filepath.Join(dir, "letters.onnx"), filepath.Join(dir, "train"), "ram"
	if err := os.WriteFile(cfg.Model, demo.Model, 0o666); err != nil {
		t.Fatal(err)
	}
	writeFrames(t, cfg.Data, 1, objects, frames)
	if change != nil {
		change(&cfg)
	}
	s, err := run.Prepare(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestNear: frames of one object are in one part, and the user is told so, and that validation
// examples, held out as usual, are frames of the same objects.
func TestNear(t *testing.T) {
	s := framesSession(t, 10, 5, nil)
	near, notes, err := Near(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(notes, "\n"); len(notes) != 2 || !strings.Contains(text, "training examples are nearly equal to others, such as ") || !strings.Contains(text, "validation examples are nearly equal to training examples, such as ") {
		t.Errorf("notes: %s", text)
	}
	parts, err := s.Train.Folds(5, 1, near)
	if err != nil {
		t.Fatal(err)
	}
	object := func(i int) string { name, _, _ := strings.Cut(s.Train.Examples[i].Path, "-"); return name }
	apart := 0
	for _, p := range parts {
		for _, i := range p {
			for j := range s.Train.Len() {
				if object(j) == object(i) && !slices.Contains(p, j) {
					apart++
					break
				}
			}
		}
	}
	if apart*10 > s.Train.Len() {
		t.Errorf("%d of %d examples are in another part than frames of the same object", apart, s.Train.Len())
	}
}

// TestNearNone: different examples are not grouped, and groups that the user names need no search.
func TestNearNone(t *testing.T) {
	for name, change := range map[string]func(*config.Config){
		"different": nil,
		"named":     func(c *config.Config) { c.Group = `^(.*)-` },
	} {
		frames := 1
		if change != nil {
			frames = 4
		}
		near, notes, err := Near(context.Background(), framesSession(t, 20, frames, change))
		if err != nil || near != nil || len(notes) > 0 {
			t.Errorf("%s: %v, %q (%v)", name, near, notes, err)
		}
	}
}

// TestProbeTogether: rows that belong together are held out together.
func TestProbeTogether(t *testing.T) {
	s := &Sample{Y: make([]int, 60), Classes: 2, Together: make([]int, 60)}
	for i := range s.Y {
		s.Y[i], s.Together[i] = i%2, i/6
	}
	folds := stratified(s, 5, 1)
	for k, f := range folds {
		for _, i := range f {
			for j := range s.Y {
				if s.Together[i] == s.Together[j] && !slices.Contains(f, j) {
					t.Fatalf("fold %d has row %d without %d", k, i, j)
				}
			}
		}
	}
	if len(folds) != 5 {
		t.Errorf("%d folds", len(folds))
	}
}
