package fed

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/fed/aggregate"
	"github.com/permafrost-ml/permafrost/internal/fed/compress"
	"github.com/permafrost-ml/permafrost/internal/fed/freezing"
	"github.com/permafrost-ml/permafrost/internal/fed/mixture"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// What excludes each other is refused, by the name of the option and with the reason.
func TestExclusions(t *testing.T) {
	for _, c := range []struct {
		name, option, want string
		edit               func(s *Settings)
	}{
		{"defaults", "", "", func(*Settings) {}},
		{"no rounds", "rounds", "1 or more", func(s *Settings) { s.Rounds = 0 }},
		{"no fraction", "fraction", "share", func(s *Settings) { s.Fraction = 0 }},
		{"no strategy", "strategy", "fedpft", func(s *Settings) { s.Strategy = "best" }},
		{"no components", "strategy", "whole number", func(s *Settings) { s.Strategy = "fedpft:x" }},
		{"no compression", "compress", "int8", func(s *Settings) { s.Compress = "zip" }},
		{"no schedule", "freeze_rounds", "apf", func(s *Settings) { s.Freeze = "fedpark" }},
		{"half a schedule", "freeze_rounds", "WHOLE,EACH", func(s *Settings) { s.Freeze = "fedpart:1" }},
		{"schedule with more", "freeze_rounds", "WHOLE,EACH", func(s *Settings) { s.Freeze = "fedpart:1,2,3" }},
		{"statistics", "statistics", "shared or local", func(s *Settings) { s.Statistics = "mine" }},
		{"median in secret", "secure", "sum alone", func(s *Settings) { s.Secure, s.MinClients, s.Strategy = true, 3, "median" }},
		{"krum in secret", "secure", "sum alone", func(s *Settings) { s.Secure, s.MinClients, s.Strategy = true, 3, "krum:1" }},
		{"clipped in secret", "secure", "sum alone", func(s *Settings) { s.Secure, s.MinClients, s.Strategy = true, 3, "clip:1" }},
		{"norms in secret", "secure", "length", func(s *Settings) { s.Secure, s.MinClients, s.MaxNorm = true, 3, 5 }},
		{"sparse in secret", "secure", "other numbers", func(s *Settings) { s.Secure, s.MinClients, s.Compress = true, 3, "topk:0.1" }},
		{"two in secret", "min_clients", "3 or more", func(s *Settings) { s.Secure = true }},
		{"apf in secret", "", "", func(s *Settings) { s.Secure, s.MinClients, s.Freeze = true, 3, "apf" }},
		{"fedpart in secret", "", "", func(s *Settings) { s.Secure, s.MinClients, s.Freeze = true, 3, "fedpart" }},
		{"private in secret", "", "", func(s *Settings) { s.Secure, s.MinClients, s.Epsilon = true, 3, 1 }},
		{"local noise in secret", "secure", "hidden already", func(s *Settings) { s.Secure, s.MinClients, s.Epsilon, s.LocalDP = true, 3, 1, true }},
		{"local noise alone", "dp_local", "dp_epsilon", func(s *Settings) { s.LocalDP = true }},
		{"private median", "dp_epsilon", "mean", func(s *Settings) { s.Epsilon, s.Strategy = 1, "median" }},
		{"private int8", "dp_epsilon", "comes back", func(s *Settings) { s.Epsilon, s.Compress = 1, "int8" }},
		{"private apf", "dp_epsilon", "not counted", func(s *Settings) { s.Epsilon, s.Freeze = 1, "apf" }},
		{"delta", "dp_delta", "between", func(s *Settings) { s.Epsilon, s.Delta = 1, 1 }},
		{"delta alone", "dp_delta", "between", func(s *Settings) { s.Delta = math.NaN() }},
		{"no epsilon", "dp_epsilon", "above 0", func(s *Settings) { s.Epsilon = math.Inf(1) }},
		{"no clip", "dp_clip", "above 0", func(s *Settings) { s.ClipNorm = math.NaN() }},
		{"no limit", "secure_limit", "above 0", func(s *Settings) { s.Limit = math.NaN() }},
		{"endless limit", "secure_limit", "above 0", func(s *Settings) { s.Limit = math.Inf(1) }},
		{"no norm", "max_norm", "0 or more", func(s *Settings) { s.MaxNorm = math.NaN() }},
		{"no deadline", "deadline", "above 0", func(s *Settings) { s.Deadline = -1 }},
		{"no wait", "wait", "above 0", func(s *Settings) { s.Wait = -1 }},
		{"one shot int8", "strategy", "once", func(s *Settings) { s.Strategy, s.Compress = "fedpft", "int8" }},
		{"one shot in secret", "strategy", "once", func(s *Settings) { s.Strategy, s.Secure, s.MinClients = "fedpft", true, 3 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := Defaults()
			c.edit(&s)
			err := s.Check()
			var o *option.Error
			if c.option == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.As(err, &o) || o.Name != c.option || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want option %s and %q", err, c.option, c.want)
			}
		})
	}
}

// Settings whose owner is off are told.
func TestIdle(t *testing.T) {
	s := Defaults()
	if notes := s.Idle(); len(notes) > 0 {
		t.Error(notes)
	}
	s.Delta, s.ClipNorm, s.Limit = 0.1, 3, 2
	want := []string{"option dp_delta 0.1 does nothing without option dp_epsilon", "option dp_clip 3 does nothing without option dp_epsilon", "option secure_limit 2 does nothing without option secure"}
	if notes := s.Idle(); !slices.Equal(notes, want) {
		t.Error(notes)
	}
	s.Epsilon, s.Secure = 1, true
	if notes := s.Idle(); len(notes) > 0 {
		t.Error(notes)
	}
}

// A federation that goes on with other settings is told of the first that differs.
func TestDiffering(t *testing.T) {
	for want, edit := range map[string]func(s *Settings){
		"with option strategy fedavg":  func(s *Settings) { s.Strategy = "median" },
		"without option secure":        func(s *Settings) { s.Secure = true },
		"without option freeze_rounds": func(s *Settings) { s.Freeze = "apf" },
		"without option max_norm":      func(s *Settings) { s.MaxNorm = 2 },
		"option secret_noise":          func(s *Settings) { s.Seeded = true },
	} {
		s := Defaults()
		edit(&s)
		if text := differing(Defaults(), s); !strings.Contains(text, want) {
			t.Errorf("%q, want %q", text, want)
		}
	}
	private := Defaults()
	private.Secure = true
	if text := differing(private, Defaults()); text != "with option secure" {
		t.Error(text)
	}
}

func FuzzUnpack(f *testing.F) {
	b, _ := (&Answer{Examples: 3, Loss: 0.5, Payload: []byte{1, 2}}).pack()
	f.Add(b)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := unpack(b)
		if err != nil {
			return
		}
		again, err := a.pack()
		if err != nil {
			t.Fatal(err)
		}
		if c, err := unpack(again); err != nil || !reflect.DeepEqual(a.Examples, c.Examples) || !bytes.Equal(a.Payload, c.Payload) {
			t.Errorf("%+v, again %+v, %v", a, c, err)
		}
	})
}

func FuzzDescribed(f *testing.F) {
	m, err := mixture.Fit([][]float32{{1, 2}, {3, 4}, {2, 3}, {0, 1}}, 1, rand.New(rand.NewPCG(1, 2)))
	if err != nil {
		f.Fatal(err)
	}
	b := m.Marshal()
	good := append(binary.AppendUvarint(binary.AppendUvarint(nil, 1), uint64(len(b))), b...)
	f.Add(good)
	f.Add(append(good, good...))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := described(b, 2, 3)
		if err != nil {
			return
		}
		for class, m := range all {
			if class < 0 || class > 2 || m.Count < 0 {
				t.Errorf("class %d: %+v", class, m)
			}
		}
	})
}

// A change that did not count is taken back, and a task that comes again starts from the same state.
func TestMemory(t *testing.T) {
	before, after := carried{Lost: []float32{1}}, carried{Lost: []float32{2}}
	m := memory{Round: 4, Before: before, After: after}
	for _, c := range []struct {
		round, counted int
		want           carried
	}{
		{4, 3, before}, // the same task again
		{4, 4, before}, // the server began again after it had saved less
		{5, 4, after},
		{5, 3, before}, // round 4 went on without the client
		{9, 4, after},
	} {
		if got := m.at(c.round, c.counted); !reflect.DeepEqual(got, c.want) {
			t.Errorf("round %d, counted %d: %v", c.round, c.counted, got)
		}
	}
	empty := memory{Round: -1}
	if got := empty.at(0, -1); got.Lost != nil {
		t.Error("something comes of nothing")
	}
	for _, dir := range []string{"", t.TempDir()} {
		s := store{dir: dir}
		if got, err := s.load("a"); err != nil || got.Round != -1 {
			t.Errorf("%+v, %v", got, err)
		}
		if err := s.save("a", m); err != nil {
			t.Fatal(err)
		}
		if got, err := s.load("a"); err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%+v, %v", got, err)
		}
		if dir == "" {
			continue
		}
		b, _ := os.ReadFile(s.file("a"))
		b[len(b)-1] ^= 1
		_ = os.WriteFile(s.file("a"), b, 0o600)
		if _, err := s.load("a"); err == nil {
			t.Error("a damaged memory is read")
		}
	}
}

// depot is a Depot in memory.
type depot map[string][]byte

func (d depot) Get(_ context.Context, digest string) ([]byte, error) {
	b, ok := d[digest]
	if !ok {
		return nil, errors.New("not there")
	}
	return b, nil
}

func (d depot) put(b []byte) Blob {
	d[digestOf(b)] = b
	return Blob{digestOf(b), len(b)}
}

// Steps lead to what the whole is, also over several versions and with masks.
func TestWorld(t *testing.T) {
	const n = 50
	rng := rand.New(rand.NewPCG(1, 2))
	for _, scheme := range []compress.Scheme{compress.None{}, compress.Byte{}, compress.TopK{Part: 0.2}} {
		d := depot{}
		known := make([]float32, n)
		start := slices.Clone(known)
		var steps []Step
		for range 3 {
			mask := make(freezing.Mask, n)
			change := make([]float32, n)
			for i := range mask {
				mask[i] = rng.IntN(2) == 0
				change[i] = float32(rng.NormFloat64())
			}
			b := scheme.Encode(nil, mask.Gather(change))
			got, _ := scheme.Decode(b, mask.Active(n))
			got, _ = mask.Scatter(got, n)
			for i := range known {
				known[i] += got[i]
			}
			steps = append(steps, Step{Change: d.put(b), Mask: d.put(mask.Marshal())})
		}
		full := d.put(floats(known))
		for name, c := range map[string]struct {
			task Task
			has  map[int][]float32
		}{
			"steps":             {Task{Version: 3, Held: 0, Steps: steps, Full: full}, map[int][]float32{0: start}},
			"whole":             {Task{Version: 3, Held: 0, Full: full}, map[int][]float32{0: start}},
			"what it held lost": {Task{Version: 3, Held: 2, Steps: steps[2:], Full: full}, nil},
		} {
			w := NewWorld(d)
			for v, x := range c.has {
				w.versions[v] = x
			}
			got, err := w.at(context.Background(), &c.task, scheme, n)
			if err != nil {
				t.Fatal(err)
			}
			for i := range got {
				if got[i] != known[i] {
					t.Fatalf("%T, %s: number %d is %g, not %g", scheme, name, i, got[i], known[i])
				}
			}
		}
	}
}

// Each stretch of units is combined over those who trained it.
func TestCombine(t *testing.T) {
	pieces := []run.Piece{{Name: "a", Len: 2, Unit: 0}, {Name: "b", Len: 1, Unit: 1}, {Name: "c", Len: 2, Unit: 2}}
	u := func(name string, from int, delta ...float32) deep {
		return deep{aggregate.Update{Client: name, Examples: 1, Delta: delta}, from}
	}
	change, untouched, err := combine(aggregate.FedAvg{}, pieces, []deep{u("x", 0, 1, 2, 3, 4, 5), u("y", 1, 0, 0, 5, 6, 7), u("z", 2, 0, 0, 0, 2, 3)})
	if want := []float32{1, 2, 4, 4, 5}; err != nil || untouched != nil || !slices.Equal(change.Delta, want) {
		t.Errorf("%v, %v, %v, want %v", change.Delta, untouched, err, want)
	}
	change, untouched, err = combine(aggregate.Median{}, pieces, []deep{u("x", 0, 1, 2, 3, 4, 5), u("y", 1, 0, 0, 5, 6, 7), u("z", 2, 0, 0, 0, 2, 3)})
	if want := []float32{0, 0, 0, 4, 5}; err != nil || len(untouched) != 2 || !slices.Equal(change.Delta, want) {
		t.Errorf("%v, %v, %v, want %v", change.Delta, untouched, err, want)
	}
	if _, _, err = combine(aggregate.Median{}, pieces, []deep{u("x", 0, 1, 2, 3, 4, 5), u("y", 1, 0, 0, 5, 6, 7)}); err == nil {
		t.Error("a median of two")
	}
}

// A state is read as it was written, and a damaged one is found out.
func TestState(t *testing.T) {
	path := filepath.Join(t.TempDir(), StateFile)
	if s, err := loadState(path); s != nil || err != nil {
		t.Fatalf("%v, %v", s, err)
	}
	s := &state{ID: "f", Kit: "k", Settings: Defaults(), Round: 3, Version: 3, Members: map[string]*member{"a": {Examples: 4, Counted: 2}}, Refused: map[string]string{"b": "why"},
		Records: []report.RoundEvent{{Round: 1, Cohort: []string{"a"}}}, weights: []float32{1, 2}, known: []float32{1, 3}, mask: freezing.Mask{true, false}, best: []float32{0, 1}, Best: 2,
		memory: map[string][]float32{"optimizer/sum": {5, 6}}}
	if err := s.save(path); err != nil {
		t.Fatal(err)
	}
	got, err := loadState(path)
	if err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("%+v\nwant %+v (%v)", got, s, err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{len(b) - 1, len(b) / 2} {
		c := bytes.Clone(b)
		c[at] ^= 4
		if err := os.WriteFile(path, c, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := loadState(path); err == nil {
			t.Errorf("byte %d is damaged, and nobody says so", at)
		}
	}
}
