package permafrost_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/fixture/shared"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/safetensors"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// tunedModel fits a model to data and opens what comes out.
func tunedModel(t testing.TB, edit func(dir string, cfg *permafrost.Config) error, opts ...permafrost.Option) *permafrost.Model {
	t.Helper()
	t.Setenv("PERMAFROST_CACHE", "off")
	cfg := permafrost.DefaultConfig()
	dir := t.TempDir()
	cfg.Model, cfg.Data, cfg.Out, cfg.Epochs = filepath.Join(dir, "model.onnx"), filepath.Join(dir, "data"), filepath.Join(dir, "run"), 2
	if err := edit(dir, &cfg); err != nil {
		t.Fatal(err)
	}
	if _, err := permafrost.Fit(context.Background(), cfg, opts...); err != nil {
		t.Fatal(err)
	}
	m, err := permafrost.Open(filepath.Join(cfg.Out, "model.onnx"), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// kinds are models of each kind of data, with examples that they take.
var kinds = []struct {
	name    string
	edit    func(dir string, cfg *permafrost.Config) error
	example func(r *rand.Rand) permafrost.Example
}{
	{"pictures", func(dir string, cfg *permafrost.Config) error {
		return errors.Join(fixture.WriteModel(cfg.Model, 5, 1), fixture.WritePictures(cfg.Data, 12, 3, 1))
	}, func(r *rand.Rand) permafrost.Example { return permafrost.Example{Image: randomPicture(r)} }},
	{"texts", func(dir string, cfg *permafrost.Config) error {
		cfg.Data = dir
		return errors.Join(fixture.WriteTextModel(cfg.Model, false, 1), fixture.WriteTexts(dir, 40, 2))
	}, func(r *rand.Rand) permafrost.Example {
		words := strings.Fields("the cat sat on a red mat and saw two dogs run home")
		var text []string
		for range 1 + r.IntN(12) {
			text = append(text, words[r.IntN(len(words))])
		}
		return permafrost.Example{Text: strings.Join(text, " ")}
	}},
	{"sounds", func(dir string, cfg *permafrost.Config) error {
		return errors.Join(fixture.WriteSoundModel(cfg.Model, 3, 1), fixture.WriteSounds(cfg.Data, 36, 2))
	}, func(r *rand.Rand) permafrost.Example {
		samples := make([]float32, 200+r.IntN(2000))
		for i := range samples {
			samples[i] = float32(r.NormFloat64()) / 8
		}
		return permafrost.Example{Samples: samples, Rate: 8000}
	}},
	{"bytes", func(dir string, cfg *permafrost.Config) error {
		return errors.Join(fixture.WriteBytesModel(cfg.Model, 3, 1), fixture.WriteFiles(cfg.Data, 36, 2))
	}, func(r *rand.Rand) permafrost.Example {
		b := make([]byte, 1+r.IntN(300))
		for i := range b {
			b[i] = byte(r.IntN(256))
		}
		return permafrost.Example{Bytes: b}
	}},
	{"vectors", func(dir string, cfg *permafrost.Config) error {
		return errors.Join(fixture.WriteVectorModel(cfg.Model, 3, 1), fixture.WriteVectors(cfg.Data, 12, 1))
	}, func(r *rand.Rand) permafrost.Example {
		v := make([]float32, fixture.VectorWidth)
		for i := range v {
			v[i] = float32(r.NormFloat64())
		}
		return permafrost.Example{Vector: v}
	}},
	{"tensors", func(dir string, cfg *permafrost.Config) error {
		return errors.Join(writeTwoInputs(cfg.Model, "a", "b"), writeTensors(cfg.Data, 12))
	}, func(r *rand.Rand) permafrost.Example {
		a, b := twoTensors(r, 0)
		return permafrost.Example{Tensors: map[string]permafrost.Tensor{"a": permafrost.NewTensor(a), "b": permafrost.NewTensor(b)}}
	}},
}

func randomPicture(r *rand.Rand) image.Image {
	m := image.NewNRGBA(image.Rect(0, 0, 6+r.IntN(20), 6+r.IntN(20)))
	for i := range m.Pix {
		if m.Pix[i] = uint8(r.IntN(256)); i%4 == 3 {
			m.Pix[i] = 255
		}
	}
	return m
}

// writeTwoInputs writes a classifier of two inputs, four numbers and three.
func writeTwoInputs(path, first, second string) error {
	r := rand.New(rand.NewPCG(1, 2))
	g := ir.New("two")
	a := g.AddInput(first, ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, 4}})
	b := g.AddInput(second, ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, 3}})
	a.Dims, b.Dims = []string{"batch", ""}, []string{"batch", ""}
	node := func(name, op string, attrs ir.Attrs, in ...*ir.Value) *ir.Value {
		return g.AddNode(&ir.Node{Name: name, Op: op, Version: 17, Attrs: attrs, Inputs: in}, []ir.Type{{}}, name+"_out").Outputs[0]
	}
	param := func(name string, shape ...int) *ir.Value {
		t := tensor.New(tensor.Float32, shape...)
		for i := range t.F32() {
			t.F32()[i] = float32(r.NormFloat64())
		}
		return g.NewParam(name, t)
	}
	h := node("cat", "Concat", ir.Attrs{"axis": 1}, a, b)
	h = node("relu", "Relu", nil, node("hidden", "Gemm", nil, h, param("hidden.weight", 7, 16), param("hidden.bias", 16)))
	out := node("head", "Gemm", nil, h, param("head.weight", 16, 2), param("head.bias", 2))
	out.Type, out.Dims = ir.Type{DType: tensor.Float32, Shape: tensor.Shape{-1, 2}}, []string{"batch", ""}
	g.Outputs = []*ir.Value{out}
	file, err := onnx.Build(g, onnx.BuildOptions{})
	if err != nil {
		return err
	}
	return os.WriteFile(path, file, 0o666)
}

func twoTensors(r *rand.Rand, class int) (a, b []float32) {
	a, b = make([]float32, 4), make([]float32, 3)
	for i := range a {
		a[i] = float32(r.NormFloat64()) + float32(class)
	}
	for i := range b {
		b[i] = float32(r.NormFloat64())
	}
	return a, b
}

// writeTensors writes class folders of files of tensors.
func writeTensors(dir string, n int) error {
	r := rand.New(rand.NewPCG(3, 4))
	for class, name := range []string{"high", "low"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o777); err != nil {
			return err
		}
		for i := range n {
			a, b := twoTensors(r, class)
			var file bytes.Buffer
			if err := safetensors.Write(&file, safetensors.File{Tensors: map[string]*tensor.Tensor{"a": tensor.Of(a), "b": tensor.Of(b)}}); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, name, fmt.Sprint(i, ".safetensors")), file.Bytes(), 0o666); err != nil {
				return err
			}
		}
	}
	return nil
}

// TestPredictConcurrently asks every kind of model from 1 to 64 goroutines, one example and several
// at a time. Every answer is that of a caller alone, to the bit.
func TestPredictConcurrently(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			m := tunedModel(t, kind.edit)
			r := rand.New(rand.NewPCG(5, 6))
			var examples []permafrost.Example
			for i := range 24 {
				e := kind.example(r)
				e.Name = fmt.Sprint(i)
				examples = append(examples, e)
			}
			ask := func(from, n int) []permafrost.Prediction {
				found, skipped, err := m.Predict(context.Background(), permafrost.ExampleList(examples[from:from+n]...))
				if err != nil || len(skipped) > 0 || len(found) != n {
					t.Errorf("examples %d to %d: %d answers, skipped %v, error %v", from, from+n, len(found), skipped, err)
				}
				return found
			}
			sizes := []int{1, 3}
			want := map[[2]int][]permafrost.Prediction{}
			for _, n := range sizes {
				for from := range len(examples) - n + 1 {
					want[[2]int{from, n}] = ask(from, n)
				}
			}
			for _, goroutines := range []int{1, 2, 8, 64} {
				var wg sync.WaitGroup
				for g := range goroutines {
					wg.Go(func() {
						r := rand.New(rand.NewPCG(uint64(g), 7))
						for range 12 {
							n := sizes[r.IntN(len(sizes))]
							from := r.IntN(len(examples) - n + 1)
							for i, p := range ask(from, n) {
								if w := want[[2]int{from, n}][i]; !slices.Equal(p.Logits, w.Logits) || p.Label != w.Label {
									t.Errorf("%d goroutines: example %d of %d from %d: %v, alone %v", goroutines, i, n, from, p.Logits, w.Logits)
									return
								}
							}
						}
					})
				}
				wg.Wait()
			}
		})
	}
}

func languageModel(t testing.TB, opts ...permafrost.Option) *permafrost.Model {
	return tunedModel(t, func(dir string, cfg *permafrost.Config) error {
		cfg.Data = dir
		cfg.Thaw = []string{"last:1"}
		return errors.Join(fixture.WriteLanguageModel(cfg.Model, 1), fixture.WriteProse(dir, 30, 2))
	}, opts...)
}

func generated(m *permafrost.Model, text string, c permafrost.Continuation) (string, error) {
	var b strings.Builder
	for piece, err := range m.Generate(context.Background(), text, c) {
		if err != nil {
			return "", err
		}
		b.WriteString(piece)
	}
	return b.String(), nil
}

// TestGenerateConcurrently continues texts from 1 to 64 goroutines, with a model that sees the
// whole text for every token and with one that keeps keys and values.
func TestGenerateConcurrently(t *testing.T) {
	t.Run("whole", func(t *testing.T) { generateConcurrently(t, languageModel(t), []string{"the cat", "one red dog"}) })
	t.Run("cached", func(t *testing.T) {
		stories := shared.Path(t, "models", "stories260k.onnx")
		m := tunedModel(t, func(dir string, cfg *permafrost.Config) error {
			cfg.Model, cfg.Data, cfg.Thaw, cfg.MaxLength = stories, dir, []string{"last:1"}, 32
			return fixture.WriteProse(dir, 30, 2)
		})
		generateConcurrently(t, m, []string{"the cat", "a", "Once upon a time", "two dogs", ""})
	})
}

func generateConcurrently(t *testing.T, m *permafrost.Model, prompts []string) {
	want := map[string]string{}
	for i, p := range prompts {
		c := permafrost.Continuation{MaxTokens: 10, Temperature: float64(i % 2), Seed: uint64(i)}
		text, err := generated(m, p, c)
		if err != nil || text == "" {
			t.Fatalf("%q is continued by %q: %v", p, text, err)
		}
		want[p] = text
		whole, _, err := m.Continue(context.Background(), []string{p}, c)
		if err != nil || !strings.HasSuffix(*whole[0].Text, text) {
			t.Errorf("the whole text %q does not end in %q (%v)", *whole[0].Text, text, err)
		}
	}
	for _, goroutines := range []int{1, 2, 8, 64} {
		var wg sync.WaitGroup
		for range goroutines {
			wg.Go(func() {
				for i, p := range prompts {
					text, err := generated(m, p, permafrost.Continuation{MaxTokens: 10, Temperature: float64(i % 2), Seed: uint64(i)})
					if err != nil || text != want[p] {
						t.Errorf("%d goroutines: %q is continued by %q, alone by %q (%v)", goroutines, p, text, want[p], err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
}

// TestModelWaits: who finds no place waits, gives up when its context ends, and is turned away when
// the model is closed, which waits for those that run.
func TestModelWaits(t *testing.T) {
	m := languageModel(t, permafrost.WithThreads(1))
	closed := make(chan struct{})
	for _, err := range m.Generate(context.Background(), "the", permafrost.Continuation{MaxTokens: 5}) {
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		if _, _, err := m.Continue(ctx, []string{"a"}, permafrost.Continuation{}); !errors.Is(err, permafrost.ErrInterrupted) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting past the deadline: %v", err)
		}
		cancel()
		go func() {
			m.Close()
			close(closed)
		}()
		for { // until Close has begun
			if _, _, err := m.Predict(context.Background(), permafrost.Texts("a")); errors.Is(err, permafrost.ErrClosed) {
				break
			}
			runtime.Gosched()
		}
		select {
		case <-closed:
			t.Error("Close does not wait for the text under way")
		default:
		}
		break
	}
	<-closed
	if _, _, err := m.Continue(context.Background(), []string{"a"}, permafrost.Continuation{}); !errors.Is(err, permafrost.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	m.Close() // once more is nothing
}

// TestExampleIsAFile: an example in memory gets the answer of the file that it would be.
func TestExampleIsAFile(t *testing.T) {
	m := tunedModel(t, kinds[0].edit)
	r := rand.New(rand.NewPCG(8, 9))
	grey := image.NewGray(image.Rect(0, 0, 9, 11))
	for i := range grey.Pix {
		grey.Pix[i] = uint8(r.IntN(256))
	}
	clear := image.NewRGBA(image.Rect(0, 0, 8, 8)) // colours multiplied by their opacity
	clear.Set(1, 1, color.NRGBA{200, 100, 50, 128})
	for name, picture := range map[string]image.Image{"colours": randomPicture(r), "grey": grey, "half clear": clear} {
		file := filepath.Join(t.TempDir(), "a.png")
		writePNG(t, file, picture)
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, _, err := m.Predict(context.Background(), permafrost.Files(file))
		if err != nil {
			t.Fatal(err)
		}
		for form, e := range map[string]permafrost.Example{"image": {Image: picture}, "bytes": {Bytes: b}} {
			got, err := m.PredictOne(context.Background(), e)
			if err != nil || !slices.Equal(got.Logits, want[0].Logits) {
				t.Errorf("%s as %s: %v (%v), want %v", name, form, got.Logits, err, want[0].Logits)
			}
		}
	}
	for _, e := range []permafrost.Example{{}, {Text: "a"}, {Bytes: []byte("no picture")}, {Bytes: []byte("x"), Text: "y"}, {Samples: []float32{1}}} {
		if _, err := m.PredictOne(context.Background(), e); !errors.Is(err, permafrost.ErrBadInput) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: %v, want bad input in one line", e, err)
		}
	}
}

func writePNG(t *testing.T, path string, m image.Image) {
	t.Helper()
	f, err := os.Create(path)
	if err == nil {
		err = errors.Join(png.Encode(f, m), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}
