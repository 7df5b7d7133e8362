package trials

import (
	"math"
	"reflect"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// TestUsual: the default space begins with each depth, the adapter, the other head and what it may read, all else as a fit has it; but
// random search draws all.
func TestUsual(t *testing.T) {
	o := small(t, "")
	o.Config.Epochs = 1
	s, err := New(t.Context(), o)
	must(t, err)
	var got []string
	for _, p := range s.plan.First {
		got = append(got, p.String())
	}
	want := []string{
		`{"thaw":"head","adapter":"","head":"linear","attach":"auto","lr_times":1}`,
		`{"thaw":"last:1","lr_times":1}`,
		`{"thaw":"all","lr_times":1}`,
		`{"thaw":"head","adapter":"lora:8","head":"linear","attach":"auto","lr_times":1}`,
		`{"thaw":"head","adapter":"","head":"mlp:128","attach":"auto","lr_times":1}`,
		`{"thaw":"head","adapter":"","head":"linear","attach":["/Flatten_output_0","/blocks.0/relu/Relu_output_0"],"lr_times":1}`,
	}
	if len(got) != len(want) {
		t.Fatalf("it begins with %v", got)
	}
	for i, w := range want {
		if got[i] != w {
			t.Errorf("trial %d is %s, want %s", i, got[i], w)
		}
	}
	for _, p := range s.plan.First { // all that these trials do not name is as in a fit without options
		c, err := Apply(o.Config, p)
		must(t, err)
		times, err := timesOf(&c, p)
		must(t, err)
		plain := o.Config
		plain.Thaw, plain.Adapter, plain.Head, plain.Attach = c.Thaw, c.Adapter, c.Head, c.Attach
		if !reflect.DeepEqual(c, plain) || times != 1 {
			t.Errorf("%s at %g times the rate is fitted with\n%+v\nand a fit so has\n%+v", p, times, c, plain)
		}
	}
	o.Algorithm = "random"
	if s, err = New(t.Context(), o); err != nil || len(s.plan.First) != 0 {
		t.Errorf("random search begins with %v (%v)", s.plan.First, err)
	}
}

// TestTimes: lr_times multiplies the rate of the recipe for the plan of each trial, in the trial, in
// what the log gives back, and in the last fit.
func TestTimes(t *testing.T) {
	o := small(t, "thaw: [head, all]\nlr_times: [2]\n")
	o.Config.Epochs = 1
	s := searched(t, o)
	for _, e := range s.Record().Trials() {
		c := o.Config
		thaw, _ := e.Point.Get("thaw")
		c.Thaw = thaw.Texts()
		p, err := run.Prepare(t.Context(), c)
		must(t, err)
		if got := e.Outcome.LR / p.Config.LR; math.Abs(got-2) > 1e-12 {
			t.Errorf("%v has %g times the rate of the recipe", e.Point, got)
		}
		if r, err := s.Record().Replay(e.Trial); err != nil || r.LR != e.Outcome.LR {
			t.Errorf("%v is fitted at %g (%v), it was at %g", e.Point, r.LR, err, e.Outcome.LR)
		}
	}
	best, err := s.Record().Best()
	must(t, err)
	r, err := s.Fit(t.Context(), best)
	must(t, err)
	if c, err := config.LoadConfig(r.Out + "/run.yaml"); err != nil || c.LR != best.Outcome.LR {
		t.Errorf("the last fit is at %g (%v), the trial was at %g", c.LR, err, best.Outcome.LR)
	}
	running := Record{Header: s.Header, Space: s.Space, Entries: []Entry{{Trial: 0, Point: best.Point}}}
	if _, err := running.Replay(0); err == nil {
		t.Error("a trial without a result has a rate")
	}
}
