package simulate

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/fed"
	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/random"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/safetensors"
	"github.com/permafrost-ml/permafrost/internal/tuned"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is a model and data for all tests.
type world struct{ model, data string }

func newWorld(t testing.TB) world {
	t.Helper()
	w := world{filepath.Join(t.TempDir(), "tiny.onnx"), t.TempDir()}
	must(t, fixture.WriteResidualModel(w.model))
	must(t, fixture.WriteStripes(w.data, 4, 24))
	return w
}

// options are those of a small federation.
func (w world) options(t testing.TB, edit func(o *Options, c *config.Config)) Options {
	t.Helper()
	c := config.DefaultConfig()
	c.Model, c.Data, c.Preprocess, c.Epochs, c.Batch, c.Cache, c.Calibrate, c.Thaw, c.Keep = w.model, w.data, "unit", 1, 8, "ram", "off", []string{"last:1", "head"}, "last"
	o := Options{Settings: fed.Defaults(), Clients: 4, Partition: "iid", Lie: "flip", Tell: func(string) {}}
	o.Settings.Rounds = 4
	if edit != nil {
		edit(&o, &c)
	}
	s, err := run.Prepare(context.Background(), c)
	must(t, err)
	o.Session = s
	return o
}

// simulate runs a federation and gives what it came to, with the thawed weights as bytes of a file.
func (w world) simulate(t testing.TB, edit func(o *Options, c *config.Config)) (*fed.Outcome, []byte) {
	t.Helper()
	o := w.options(t, edit)
	return w.goOn(t, o)
}

func (w world) goOn(t testing.TB, o Options) (*fed.Outcome, []byte) {
	t.Helper()
	if o.Dir == nil {
		var err error
		o.Dir, err = run.CreateRunDir(t.TempDir()+"/run", &o.Session.Config)
		must(t, err)
	}
	out, err := Run(context.Background(), o)
	must(t, err)
	v, err := tuned.Verify(w.model, o.Dir.File(run.ModelFile), "")
	must(t, err)
	if !v.Identical {
		t.Fatalf("frozen weights changed: %v", v.Changed)
	}
	b, err := os.ReadFile(o.Dir.File(run.DeltaFile))
	must(t, err)
	return out, b
}

func TestLearns(t *testing.T) {
	w := newWorld(t)
	for name, edit := range map[string]func(o *Options, c *config.Config){
		"iid":       nil,
		"dirichlet": func(o *Options, _ *config.Config) { o.Partition = "dirichlet:0.5" },
		"fedadam":   func(o *Options, _ *config.Config) { o.Settings.Strategy = "fedadam" },
		"fedprox":   func(o *Options, _ *config.Config) { o.Settings.Strategy = "fedprox:0.1" },
		"qfedavg":   func(o *Options, _ *config.Config) { o.Settings.Strategy = "qfedavg:0.5" },
		"int8":      func(o *Options, _ *config.Config) { o.Settings.Compress = "int8" },
		"topk":      func(o *Options, _ *config.Config) { o.Settings.Compress = "topk:0.2" },
		"apf":       func(o *Options, _ *config.Config) { o.Settings.Freeze = "apf" },
		"fedpart":   func(o *Options, _ *config.Config) { o.Settings.Freeze = "fedpart:1,1" },
		"local":     func(o *Options, _ *config.Config) { o.Settings.Statistics = "local" },
		"all":       func(_ *Options, c *config.Config) { c.Thaw = []string{"all"} },
		"lora":      func(_ *Options, c *config.Config) { c.Thaw, c.Adapter = nil, "lora:2" },
		"secure":    func(o *Options, _ *config.Config) { o.Settings.Secure, o.Settings.MinClients = true, 3 },
		"fraction":  func(o *Options, _ *config.Config) { o.Settings.Fraction = 0.5 },
		"one shot": func(o *Options, c *config.Config) {
			o.Settings.Strategy, o.Settings.Rounds, c.Thaw, c.Epochs = "fedpft:2", 1, []string{"head"}, 30
		},
	} {
		t.Run(name, func(t *testing.T) {
			out, _ := w.simulate(t, edit)
			first, last := out.Records[0], out.Records[len(out.Records)-1]
			// With local statistics the server has the pretrained ones, which suit nobody.
			if out.Val.Accuracy() < 0.5 && name != "local" {
				t.Errorf("accuracy %.2f of four classes", out.Val.Accuracy())
			}
			if len(out.Records) > 1 && name != "fedpart" && !(last.Loss < first.Loss) && name != "secure" {
				t.Errorf("the loss goes from %g to %g", first.Loss, last.Loss)
			}
			if last.Up == 0 || len(out.Records) > 1 && last.Down == 0 {
				t.Errorf("%d bytes up, %d down", last.Up, last.Down)
			}
		})
	}
}

// The result depends neither on the number of threads nor on the order in which answers come.
func TestSameBits(t *testing.T) {
	w := newWorld(t)
	edit := func(o *Options, _ *config.Config) {
		o.Settings.Compress, o.Settings.Freeze, o.Drop = "int8", "apf", 0.25
	}
	var want []byte
	for _, threads := range []int{1, 3, 3} {
		release := kernel.Use(threads)
		_, got := w.simulate(t, edit)
		release()
		if want == nil {
			want = got
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%d threads: other weights", threads)
		}
	}
}

// A server that is stopped after a round, or in the middle of one, goes on to the same bits.
func TestResume(t *testing.T) {
	w := newWorld(t)
	for name, edit := range map[string]func(o *Options, c *config.Config){
		"fedavg":  func(o *Options, _ *config.Config) {},
		"fedadam": func(o *Options, _ *config.Config) { o.Settings.Strategy = "fedadam" },
		"apf":     func(o *Options, _ *config.Config) { o.Settings.Freeze, o.Settings.Strategy = "apf", "fedavgm" },
		"fedpart": func(o *Options, _ *config.Config) { o.Settings.Freeze = "fedpart:1,1" },
		"best":    func(o *Options, c *config.Config) { c.Keep = "best" },
		"dp": func(o *Options, c *config.Config) {
			o.Settings.Epsilon, o.Settings.Seeded, c.BatchNorm = 1000, true, "frozen"
		},
	} {
		t.Run(name, func(t *testing.T) {
			edit := func(o *Options, c *config.Config) { edit(o, c); o.Settings.Rounds = 6 }
			_, want := w.simulate(t, edit)
			o := w.options(t, edit)
			var err error
			o.Dir, err = run.CreateRunDir(t.TempDir()+"/run", &o.Session.Config)
			must(t, err)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			o.tamper = func(_ string, k *fed.Task, answer []byte) []byte {
				if k.Round == 3 && k.Kind == fed.Train {
					cancel()
				}
				return answer
			}
			if _, err := Run(ctx, o); !errors.Is(err, context.Canceled) {
				t.Fatalf("%v, want that it was cancelled", err)
			}
			again := w.options(t, edit)
			again.Dir, again.Resume, again.Settings.MinClients = o.Dir, true, 1 // others would not come
			out, got := w.goOn(t, again)
			if len(out.Records) != 6 {
				t.Errorf("%d rounds", len(out.Records))
			}
			if !bytes.Equal(got, want) {
				t.Error("other weights than without the stop")
			}
			other := w.options(t, func(o *Options, c *config.Config) { edit(o, c); o.Settings.Statistics = "local" })
			other.Dir, other.Resume = o.Dir, true
			if _, err := Run(context.Background(), other); err == nil || !strings.Contains(err.Error(), "option statistics shared") {
				t.Errorf("resumed with other options: %v", err)
			}
			fewer := w.options(t, func(o *Options, c *config.Config) { edit(o, c); o.Settings.Rounds = 5 })
			fewer.Dir, fewer.Resume = o.Dir, true
			if _, err := Run(context.Background(), fewer); err == nil || name != "dp" && !strings.Contains(err.Error(), "has made 6") {
				t.Errorf("resumed with fewer rounds than were made: %v", err)
			}
		})
	}
}

// weights are the tensors of a delta.
func weights(t testing.TB, delta []byte) map[string][]float32 {
	t.Helper()
	path := filepath.Join(t.TempDir(), "delta")
	must(t, os.WriteFile(path, delta, 0o600))
	f, err := safetensors.ReadFile(path)
	must(t, err)
	out := map[string][]float32{}
	for name, x := range f.Tensors {
		if x.DType.IsFloat() {
			out[name] = x.F32()
		}
	}
	return out
}

// What is summed in secret is what is summed openly, to rounding, also where clients drop out.
func TestSecure(t *testing.T) {
	w := newWorld(t)
	edit := func(secure bool) func(o *Options, c *config.Config) {
		return func(o *Options, _ *config.Config) {
			o.Clients, o.Drop, o.Settings.Rounds, o.Settings.MinClients, o.Settings.Secure = 10, 0.3, 3, 3, secure
		}
	}
	plain, a := w.simulate(t, edit(false))
	secret, b := w.simulate(t, edit(true))
	lost := 0
	for i, r := range plain.Records {
		lost += len(r.Lost)
		if len(r.Clients) != len(secret.Records[i].Clients) {
			t.Fatalf("round %d: %d clients, in secret %d", i+1, len(r.Clients), len(secret.Records[i].Clients))
		}
		for _, c := range secret.Records[i].Clients {
			if c.Norm != 0 || !math.IsNaN(float64(c.Loss)) {
				t.Errorf("the server knows of client %s: %+v", c.Client, c)
			}
		}
	}
	if lost == 0 {
		t.Error("nobody dropped out")
	}
	x, y := weights(t, a), weights(t, b)
	for name := range x {
		for i := range x[name] {
			if d := math.Abs(float64(x[name][i] - y[name][i])); d > 1e-4 {
				t.Fatalf("%s, number %d: %g openly, %g in secret", name, i, x[name][i], y[name][i])
			}
		}
	}
}

// With lying clients the mean fails, and the rules that bear them do not.
func TestLiars(t *testing.T) {
	w := newWorld(t)
	accuracy := func(strategy, lie string, share float64) float64 {
		out, _ := w.simulate(t, func(o *Options, _ *config.Config) {
			o.Clients, o.Settings.Rounds, o.Settings.Strategy, o.Lie, o.Malicious = 8, 6, strategy, lie, share
		})
		return out.Val.Accuracy()
	}
	clean := accuracy("fedavg", "flip", 0)
	if mean := accuracy("fedavg", "scale", 0.25); mean > clean-0.2 {
		t.Errorf("the mean bears liars: %.2f, without %.2f", mean, clean)
	}
	for _, strategy := range []string{"median", "trimmed:0.3", "multikrum:2"} {
		for _, lie := range Lies {
			if got := accuracy(strategy, lie, 0.25); got < clean-0.15 {
				t.Errorf("%s, %s: %.2f, without liars %.2f", strategy, lie, got, clean)
			}
		}
	}
}

// An answer that cannot be one is rejected and named, and the round goes on.
func TestRejected(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		payload func(p []byte) []byte
		want    string
	}{
		"not a number": {func(p []byte) []byte {
			binary.LittleEndian.PutUint32(p, math.Float32bits(float32(math.NaN())))
			return p
		}, "NaN"},
		"infinite": {func(p []byte) []byte {
			binary.LittleEndian.PutUint32(p, math.Float32bits(float32(math.Inf(1))))
			return p
		}, "Inf"},
		"too short": {func(p []byte) []byte { return p[4:] }, "bytes for"},
		"nothing":   {func(p []byte) []byte { return nil }, "bytes for"},
		"absurd": {func(p []byte) []byte {
			binary.LittleEndian.PutUint32(p, math.Float32bits(1e20))
			return p
		}, "length"},
	} {
		t.Run(name, func(t *testing.T) {
			out, _ := w.simulate(t, func(o *Options, _ *config.Config) {
				o.tamper = func(client string, k *fed.Task, answer []byte) []byte {
					if client != "c1" || k.Kind != fed.Train {
						return answer
					}
					n, size := binary.Uvarint(answer)
					head := answer[:size+int(n)]
					return append(bytes.Clone(head), c.payload(bytes.Clone(answer[len(head):]))...)
				}
			})
			for _, r := range out.Records {
				if len(r.Clients) != 3 || len(r.Rejected) != 1 || r.Rejected[0].Client != "c1" || !strings.Contains(r.Rejected[0].Why, c.want) {
					t.Fatalf("%+v", r)
				}
			}
			if out.Val.Accuracy() < 0.5 {
				t.Errorf("accuracy %.2f", out.Val.Accuracy())
			}
		})
	}
	// Bytes that are no answer at all.
	out, _ := w.simulate(t, func(o *Options, _ *config.Config) {
		o.tamper = func(client string, k *fed.Task, answer []byte) []byte {
			if client == "c1" && k.Kind == fed.Train {
				return []byte("?")
			}
			return answer
		}
	})
	if r := out.Records[0]; len(r.Rejected) != 1 {
		t.Errorf("%+v", r)
	}
}

// What needs more clients than there are ends at once, with the reason.
func TestTooFew(t *testing.T) {
	w := newWorld(t)
	for want, edit := range map[string]func(o *Options){
		"bulyan:1 needs 7 clients or more, and there are 4":         func(o *Options) { o.Settings.Strategy = "bulyan:1" },
		"0 of the 4 clients can take part, and a round needs 2 (c0": func(o *Options) { o.Memory = []int64{1} },
		`there is no lie "white"`:                                   func(o *Options) { o.Lie = "white" },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if _, err := Run(ctx, w.options(t, func(o *Options, _ *config.Config) { edit(o) })); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		cancel()
	}
}

// Clients with little memory train the last units, and have no say in the others.
func TestWeakClients(t *testing.T) {
	w := newWorld(t)
	o := w.options(t, func(_ *Options, c *config.Config) { c.Thaw = []string{"all"} })
	l, err := o.Session.Local(nil)
	must(t, err)
	whole, err := l.TrainBytes(0)
	must(t, err)
	last, err := l.TrainBytes(len(l.Units()) - 1)
	must(t, err)
	if last >= whole {
		t.Fatalf("the last unit takes %d bytes, all %d", last, whole)
	}
	var events events
	out, _ := w.simulate(t, func(o *Options, c *config.Config) {
		c.Thaw = []string{"all"}
		o.Memory, o.Events = []int64{0, last}, report.NewEvents(&events)
	})
	weak := 0
	for _, m := range out.Members {
		if m.From > 0 {
			weak++
		}
	}
	if weak != 2 || events.weak != 2 {
		t.Errorf("%d weak clients, %d told", weak, events.weak)
	}
	parts := out.Records[0].Clients
	if !(parts[1].Up < parts[0].Up/2) {
		t.Errorf("a weak client sends %d bytes, another %d", parts[1].Up, parts[0].Up)
	}
	if out.Val.Accuracy() < 0.5 {
		t.Errorf("accuracy %.2f", out.Val.Accuracy())
	}
	o = w.options(t, nil)
	o.Memory = []int64{1000}
	o.Settings.Wait = fed.Span(1e8)
	if _, err := Run(context.Background(), o); err == nil {
		t.Error("clients without memory take part")
	}
}

type events struct{ weak int }

func (e *events) Emit(_ time.Time, v report.Event) {
	if c, ok := v.(*report.ClientEvent); ok && c.From > 0 {
		e.weak++
	}
}

// What is given away stays within what was asked for.
func TestPrivacy(t *testing.T) {
	w := newWorld(t)
	for _, fraction := range []float64{1, 0.5} {
		for _, epsilon := range []float64{1, 8} {
			out, _ := w.simulate(t, func(o *Options, c *config.Config) {
				o.Settings.Epsilon, o.Settings.Fraction, o.Settings.Seeded, c.BatchNorm = epsilon, fraction, true, "frozen"
				o.Settings.Secure, o.Settings.MinClients = false, 1
			})
			last := out.Records[len(out.Records)-1].Epsilon
			if last > epsilon || last < epsilon*0.9 {
				t.Errorf("fraction %g: %g was given away, %g allowed", fraction, last, epsilon)
			}
		}
	}
	o := w.options(t, func(o *Options, _ *config.Config) { o.Settings.Epsilon = 1 })
	if _, err := Run(context.Background(), o); err == nil || !strings.Contains(err.Error(), "running statistics") {
		t.Errorf("%v", err)
	}
}

// Random settings keep the promises: frozen bytes, counted bytes, bounded privacy, one record a round,
// and the same bits again.
func TestRandomSettings(t *testing.T) {
	w := newWorld(t)
	rng := random.For(5, random.Clients, 0)
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	ran, enough := 0, 12
	if testing.Short() {
		enough = 4
	}
	for i := 0; ran < enough; i++ {
		if i > 200 {
			t.Fatal("too few settings are possible")
		}
		s := fed.Defaults()
		s.Rounds, s.MinClients = 2, 3
		s.Strategy, s.Compress = pick(fed.Forms()...), pick("none", "fp16", "int8", "topk:0.3")
		s.Strategy = strings.NewReplacer("MU", "0.1", "Q", "0.5", "PART", "0.2", "LIARS", "1", "[:BETA]", "", "[:RATE,TAU]", "", "[:NORM]", "", ",KEEP", "", "[:COMPONENTS]", ":2").Replace(s.Strategy)
		s.Freeze, s.Statistics = pick("", "", "apf", "fedpart:0,1"), pick("shared", "local")
		s.Secure = rng.IntN(3) == 0
		if rng.IntN(4) == 0 {
			s.Epsilon, s.Seeded = 4, true
		}
		thaw, bn := pick("head", "last:1,head", "all", "kind:bias"), pick("auto", "frozen")
		if s.Check() != nil {
			continue
		}
		edit := func(o *Options, c *config.Config) {
			o.Settings, o.Clients, c.Thaw, c.BatchNorm = s, 7, strings.Split(thaw, ","), bn
			if s.OneShot() {
				o.Settings.Rounds = 1
			}
		}
		o := w.options(t, edit)
		o.Dir, _ = run.CreateRunDir(t.TempDir()+"/run", &o.Session.Config)
		out, err := Run(context.Background(), o)
		if err != nil {
			if !strings.Contains(err.Error(), "batchnorm") && !strings.Contains(err.Error(), "fedpart") && !strings.Contains(err.Error(), "thaw the head") {
				t.Errorf("%+v, thaw %s: %v", s, thaw, err)
			}
			continue
		}
		ran++
		if len(out.Records) != o.Settings.Rounds {
			t.Errorf("%+v: %d rounds", s, len(out.Records))
		}
		for _, r := range out.Records {
			if len(r.Rejected)+len(r.Lost) > 0 || len(r.Clients) != 7 || r.Up <= 0 || r.Up > 7*(4*int64(r.Numbers)+64) && !o.Settings.OneShot() || r.Epsilon > s.Epsilon {
				t.Errorf("%+v, thaw %s: %+v", s, thaw, r)
			}
		}
		a, err := os.ReadFile(o.Dir.File(run.DeltaFile))
		must(t, err)
		if _, b := w.simulate(t, edit); !bytes.Equal(a, b) {
			t.Errorf("%+v, thaw %s: other weights the second time", s, thaw)
		}
	}
}
