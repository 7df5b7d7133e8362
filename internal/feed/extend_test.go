package feed_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// A toy kind of data, as docs/extending.md describes it: files .num of three numbers, for models
// with an input numbers [N,3].

func init() {
	if err := feed.Register(feed.Kind{Name: "numbers", Takes: takesNumbers, New: newNumbers}); err != nil {
		panic(err)
	}
}

func takesNumbers(m *onnx.Model, _ feed.Options) (bool, error) {
	return len(m.Graph.Inputs) == 1 && m.Graph.Inputs[0].Name == "numbers", nil
}

func newNumbers(*onnx.Model, feed.Options) (feed.Feed, error) {
	n := &numbers{}
	n.Files = feed.NewFiles("numbers", func(augment string) (*data.Media, error) {
		return &data.Media{One: "number file", Many: "number files", Formats: "num", Extensions: []string{".num"},
			Source: func(s data.Setting) data.Source { return &numberFiles{n, s.Files} }}, nil
	})
	return n, nil
}

// numbers is the Feed.
type numbers struct{ feed.Files }

func (*numbers) Form() data.Form {
	return data.Form{Rows: true, Most: 1, Inputs: []data.Input{{Name: "numbers", DType: tensor.Float32, Shape: tensor.Shape{3}}}}
}
func (*numbers) Digest() [sha256.Size]byte          { return sha256.Sum256([]byte("numbers/1")) }
func (*numbers) Keeps() (what, form string)         { return "", "" }
func (*numbers) Settings() (json.RawMessage, error) { return json.RawMessage("{}"), nil }
func (*numbers) Notes() []string                    { return nil }

// numberFiles is the Source.
type numberFiles struct {
	*numbers
	files *data.Files
}

func (*numberFiles) Length(int) int { return 1 }

func (s *numberFiles) Digest(i int) ([sha256.Size]byte, error) {
	b, _, err := s.files.Read(i, 1<<10)
	return sha256.Sum256(b), err
}

func (s *numberFiles) Read(i int, _ *data.Draw, dst []*tensor.Tensor) error {
	b, _, err := s.files.Read(i, 1<<10)
	if err != nil {
		return err
	}
	for k, word := range strings.Fields(string(b))[:3] {
		v, err := strconv.ParseFloat(word, 32)
		if err != nil {
			return err
		}
		dst[0].F32()[k] = float32(v)
	}
	return nil
}

// TestToyKind reads class folders of the toy kind.
func TestToyKind(t *testing.T) {
	dir := t.TempDir()
	for class, text := range map[string]string{"big": "10 20 30", "small": "1 2 3"} {
		for _, name := range []string{"a.num", "b.num", "ignored.txt"} {
			path := filepath.Join(dir, class, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	g := ir.New("toy")
	g.AddInput("numbers", ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, 3}})
	f, err := feed.Of(&onnx.Model{Graph: g}, feed.Options{})
	if err != nil || f.Kind() != "numbers" {
		t.Fatalf("%v (%v)", f, err)
	}
	train, val, err := f.Open(context.Background(), data.Place{Path: dir}, data.Options{Seed: 1})
	if err != nil || train.Len() != 2 || val.Len() != 2 {
		t.Fatalf("%v and %v (%v)", train, val, err)
	}
	for b, err := range train.Loader(2).Batches(context.Background(), []int{0, 1}, data.Plain) {
		if err != nil {
			t.Fatal(err)
		}
		if got := b.Inputs[0]; !got.Shape.Equal(tensor.Shape{2, 3}) || got.F32()[0] != 10 || got.F32()[5] != 3 {
			t.Errorf("%v %v", got.Shape, got.F32())
		}
	}
}
