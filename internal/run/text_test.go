package run

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

// textConfig is a fit of the tiny text model to sentences.
func textConfig(t testing.TB, all bool) config.Config {
	t.Helper()
	dir := t.TempDir()
	c := config.DefaultConfig()
	c.Model, c.Data = filepath.Join(dir, "text.onnx"), dir
	c.Epochs, c.Batch, c.Cache, c.LR = 3, 16, "ram", 0.01
	if err := errors.Join(fixture.WriteTextModel(c.Model, all, 1), fixture.WriteTexts(dir, 40, 2)); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTextLearns(t *testing.T) {
	for _, c := range []struct {
		name string
		all  bool
		edit func(*config.Config)
		want float64
	}{
		{"head", false, func(c *config.Config) { c.Epochs = 60 }, 0.6},
		{"types and positions", true, func(c *config.Config) { c.Epochs = 60 }, 0.55},
		{"max", false, func(c *config.Config) { c.Pool, c.Epochs = "max", 60 }, 0.8},
		{"last", false, func(c *config.Config) { c.Pool, c.Thaw, c.Epochs = "last", []string{"all"}, 12 }, 0.5},
		{"cls", false, func(c *config.Config) { c.Pool, c.Thaw, c.Epochs = "cls", []string{"all"}, 12 }, 0.5},
		{"several layers", false, func(c *config.Config) {
			c.Attach, c.Epochs = []string{"/blocks.0/Add_1", "last_hidden_state"}, 40
		}, 0.65},
		{"last block", false, func(c *config.Config) { c.Thaw, c.Epochs = []string{"last:1"}, 12 }, 0.9},
		{"everything", true, func(c *config.Config) { c.Thaw, c.Epochs = []string{"all"}, 12 }, 0.9},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := textConfig(t, c.all)
			cfg.Out = t.TempDir()
			c.edit(&cfg)
			r := mustFit(t, cfg)
			if r.ValAccuracy < c.want {
				t.Errorf("validation accuracy %.3f, want %.2f", r.ValAccuracy, c.want)
			}
			v, err := tuned.Verify(cfg.Model, filepath.Join(cfg.Out, ModelFile), "")
			if err != nil || !v.Identical {
				t.Fatalf("verify: %+v (%v)", v, err)
			}
			p, err := tuned.Open(filepath.Join(cfg.Out, ModelFile)) // no tokenizer is beside it
			if err != nil {
				t.Fatal(err)
			}
			e, err := p.Eval(context.Background(), cfg.Data)
			if err != nil {
				t.Fatal(err)
			}
			if e.Accuracy != r.ValAccuracy || math.Abs(e.Loss-r.ValLoss) > 1e-4*(1+r.ValLoss) {
				t.Errorf("the tuned file has accuracy %g and loss %g, the fit said %g and %g", e.Accuracy, e.Loss, r.ValAccuracy, r.ValLoss)
			}
		})
	}
}

// Neither threads nor where values are kept change a bit, nor an interruption.
func TestTextDeterminism(t *testing.T) {
	defer kernel.SetThreads(kernel.Threads())
	t.Setenv("PERMAFROST_CACHE", t.TempDir())
	for _, thaw := range []string{"head", "last:1", "all"} {
		base := textConfig(t, true)
		base.Thaw = []string{thaw}
		var want []byte
		for _, c := range []struct {
			threads int
			cache   string
		}{{1, "ram"}, {2, "off"}, {2, "disk"}, {3, "disk"}} {
			cfg := base
			cfg.Out, cfg.Threads, cfg.Cache = t.TempDir(), c.threads, c.cache
			mustFit(t, cfg)
			got := read(t, cfg.Out, ModelFile)
			if want == nil {
				want = got
			} else if !bytes.Equal(got, want) {
				t.Errorf("thaw %s: %d threads and cache %s give other bits", thaw, c.threads, c.cache)
			}
		}
		cfg := base
		cfg.Out = t.TempDir()
		ctx, cancel := context.WithCancel(context.Background())
		if _, err := fit(t, ctx, cfg, false, &stopper{11, cancel}); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		cancel()
		if _, err := fit(t, context.Background(), cfg, true); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(read(t, cfg.Out, ModelFile), want) {
			t.Errorf("thaw %s: resumed to other bits", thaw)
		}
	}
}

var paddingTolerance = tensor.Tolerance{Name: "padding", Rel: 1e-5, Abs: 1e-5}

// An example has the same features whatever length it is padded to, from the frozen region through
// to the head, and for every pooling.
func TestPaddingDoesNotMatter(t *testing.T) {
	for _, pool := range []string{"mean", "max", "last", "cls"} {
		cfg := textConfig(t, true)
		cfg.Pool, cfg.Thaw = pool, []string{"last:1"}
		s, err := Prepare(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		e, err := keep.NewEncoder(s.Net, s.Train, nil)
		if err != nil {
			t.Fatal(err)
		}
		short := -1
		for i := range s.Train.Len() {
			if s.Train.Length(i) < 8 {
				short = i
			}
		}
		var want *tensor.Tensor
		for _, length := range []int{8, 12, 48} {
			for b, err := range e.Batches(context.Background(), []data.Group{{Indices: []int{short}, Length: length}}, data.Plain) {
				if err != nil {
					t.Fatal(err)
				}
				p, err := s.Net.At(length).Features(1)
				if err != nil {
					t.Fatal(err)
				}
				out, err := p.Run(context.Background(), b.Values...)
				if err != nil {
					t.Fatal(err)
				}
				if want == nil {
					want = out[0].Clone()
				} else if err := tensor.Close(out[0], want, paddingTolerance); err != nil {
					t.Errorf("%s, padded to %d: %v", pool, length, err)
				}
			}
		}
	}
}

func TestTextInput(t *testing.T) {
	for _, c := range []struct {
		name, table string
		edit        func(*config.Config)
		want        string
	}{
		{"no column", "sentence,label\na cat,x\n", nil, "no column text: it has sentence, label; name one with option text_column"},
		{"no label", "text,kind\na cat,x\n", func(c *config.Config) { c.LabelColumn = "answer" }, "option label_column"},
		{"one label", "text,label\na cat,x\na dog,x\n", nil, "one label only"},
		{"empty", "text,label\n,x\n ,y\n", nil, "more than a tenth"},
		{"cells", "text,label\na cat,x,y\n", nil, "line 2"},
		{"no tokenizer", "text,label\na,x\nb,y\n", func(c *config.Config) { os.Remove(strings.TrimSuffix(c.Model, ".onnx") + ".tokenizer.json") }, "option tokenizer"},
		{"pictures", "text,label\na,x\nb,y\n", func(c *config.Config) { c.Data = filepath.Dir(filepath.Dir(c.Model)) }, "takes texts"},
		{"another tokenizer", "text,label\na,x\nb,y\n", func(c *config.Config) {
			c.Tokenizer = filepath.Join("..", "tokenize", "testdata", "wordpiece.tokenizer.json")
		}, "belongs to another model"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := textConfig(t, false)
			cfg.Data = filepath.Join(t.TempDir(), "table.csv")
			if err := os.WriteFile(cfg.Data, []byte(c.table), 0o644); err != nil {
				t.Fatal(err)
			}
			if c.edit != nil {
				c.edit(&cfg)
			}
			if _, err := Prepare(context.Background(), cfg); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// Long texts are cut and counted, empty ones left out and counted; pairs are told apart.
func TestTextNotes(t *testing.T) {
	cfg := textConfig(t, true)
	cfg.MaxLength = 12
	table := "text_a,text_b,label\n" + strings.Repeat("the cat,a dog sleeps,x\nred stone,the sky is blue,y\n", 10) + ",the,x\n" +
		strings.Repeat("the ", 30) + ",a,y\n"
	cfg.Data = filepath.Join(t.TempDir(), "pairs.csv")
	if err := os.WriteFile(cfg.Data, []byte(table), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := Prepare(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	notes := strings.Join(s.Notes, "\n")
	for _, want := range []string{"1 empty texts left out of", "1 of 21 texts are longer than the 12 tokens"} {
		if !strings.Contains(notes, want) {
			t.Errorf("notes %q do not say %q", notes, want)
		}
	}
	types, err := s.Train.Tokens(0, "token_type_ids")
	if err != nil || types[0] != 0 || types[len(types)-1] != 1 {
		t.Errorf("types of a pair: %v (%v)", types, err)
	}
}
