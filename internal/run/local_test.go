package run

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/keep"
)

// localConfig trains at a constant rate, as a leg does.
func localConfig(t *testing.T, thaw ...string) config.Config {
	c := tinyConfig(t)
	c.Thaw, c.LRSchedule, c.Keep, c.Calibrate = thaw, "constant", "last", "off"
	return c
}

func mustLocal(t *testing.T, c config.Config) *Local {
	t.Helper()
	s, err := Prepare(context.Background(), c)
	must(t, err)
	s.Val = s.Train // a fit standardises by its training examples
	standard, err := s.Standard(context.Background())
	must(t, err)
	l, err := s.Local(standard)
	must(t, err)
	return l
}

// One client with all examples that trains all epochs in one leg is a fit.
func TestLocalIsAFit(t *testing.T) {
	for _, thaw := range []string{"head", "last:1", "all"} {
		for _, kept := range []bool{false, true} {
			c := localConfig(t, thaw)
			c.Out = t.TempDir()
			mustFit(t, c)
			l := mustLocal(t, c)
			s := l.Session()
			if kept {
				k, err := keep.NewShelf(s.Train).At(context.Background(), s.Net, s.KeepOptions())
				must(t, err)
				must(t, l.Use(s.Train, k, data.FileOrder(s.Train.Len())))
			}
			l.Seal()
			trained, err := l.Train(context.Background(), Leg{Epochs: s.Config.Epochs, LR: s.Config.LR, Seed: s.Config.Seed})
			must(t, err)
			if trained.Steps != s.Config.Epochs*s.stepsPerEpoch() || trained.Examples != s.Train.Len() || !(trained.Loss > 0) {
				t.Errorf("%s: %+v", thaw, trained)
			}
			dir, err := CreateRunDir(t.TempDir()+"/run", &c)
			must(t, err)
			_, err = l.Write(dir)
			must(t, err)
			if !bytes.Equal(read(t, c.Out, DeltaFile), read(t, dir.Path, DeltaFile)) {
				t.Errorf("thaw %s, kept %v: not the weights of a fit", thaw, kept)
			}
		}
	}
}

// The vector can be taken out and put back, and a leg is the same whatever was trained before.
func TestLocalAgain(t *testing.T) {
	l := mustLocal(t, localConfig(t, "last:1"))
	leg := Leg{First: 3, Epochs: 1, LR: 0.01, Seed: 7, Prox: 0.1}
	before := l.Weights()
	_, err := l.Train(context.Background(), leg)
	must(t, err)
	first := l.Weights()
	if slices.Equal(before, first) {
		t.Error("nothing was trained")
	}
	must(t, l.SetWeights(before))
	if !slices.Equal(before, l.Weights()) {
		t.Error("the vector is not put back")
	}
	_, err = l.Train(context.Background(), leg)
	must(t, err)
	if !slices.Equal(first, l.Weights()) {
		t.Error("the same leg ends elsewhere")
	}
	must(t, l.SetWeights(before))
	leg.Prox = 0
	_, err = l.Train(context.Background(), leg)
	must(t, err)
	if slices.Equal(first, l.Weights()) {
		t.Error("the proximal term changes nothing")
	}
	if err := l.SetWeights(before[1:]); err == nil {
		t.Error("a shorter vector is taken")
	}
}

// What is not active keeps its bits; what is active trains as if the rest were frozen by the plan.
func TestLocalActive(t *testing.T) {
	c := localConfig(t, "all")
	l := mustLocal(t, c)
	start := l.Weights()
	for name, pick := range map[string]func(i int, p Piece) bool{
		"the head":       func(_ int, p Piece) bool { return p.Unit == len(l.Units())-1 },
		"every third":    func(i int, _ Piece) bool { return i%3 == 0 },
		"one unit":       func(_ int, p Piece) bool { return p.Unit == 1 },
		"no statistics":  func(_ int, p Piece) bool { return !p.Statistic },
		"half of a unit": func(i int, p Piece) bool { return p.Unit == 0 && i%2 == 0 },
	} {
		var active []bool
		for _, p := range l.Pieces() {
			for range p.Len {
				active = append(active, pick(len(active), p))
			}
		}
		for again := range 2 { // the second time with other frozen values
			must(t, l.SetWeights(start))
			from := slices.Clone(start)
			if again > 0 {
				for i := range from {
					from[i] *= 1.01
				}
				must(t, l.SetWeights(from))
			}
			_, err := l.Train(context.Background(), Leg{Epochs: 1, LR: 0.01, Seed: 1, Active: active})
			must(t, err)
			moved := 0
			for i, v := range l.Weights() {
				if !active[i] && v != from[i] {
					t.Fatalf("%s: weight %d is not active and moved", name, i)
				}
				if v != from[i] {
					moved++
				}
			}
			if moved == 0 {
				t.Errorf("%s: nothing moved", name)
			}
		}
	}
	_, err := l.Train(context.Background(), Leg{Epochs: 1, LR: 0.01, Active: make([]bool, l.Len())})
	wantError(t, err, "no weight is active")
	// The head alone, from the trunk as it is, is the plan of the head alone with the same
	// standardisation.
	must(t, l.SetWeights(start))
	alone, err := Prepare(context.Background(), localConfig(t, "head"))
	must(t, err)
	head, err := alone.Local(l.Session().Net.Norm)
	must(t, err)
	var active []bool
	var at []int
	for _, p := range l.Pieces() {
		for range p.Len {
			if on := p.Unit == len(l.Units())-1; on {
				at = append(at, len(active))
			}
			active = append(active, p.Unit == len(l.Units())-1)
		}
	}
	head.batch, l.batch = 10, 10
	for _, x := range []*Local{head, l} {
		x.Session().Config.Optimizer = "sgd"
	}
	leg := Leg{Epochs: 2, LR: 0.05, Seed: 3}
	_, err = head.Train(context.Background(), leg)
	must(t, err)
	leg.Active = active
	_, err = l.Train(context.Background(), leg)
	must(t, err)
	all, want := l.Weights(), head.Weights()
	for k, i := range at {
		if d := all[i] - want[k]; d > 1e-4 || d < -1e-4 {
			t.Fatalf("weight %d of the head: %g, with a plan of the head alone %g", k, all[i], want[k])
		}
	}
}
