package task

import (
	"context"
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want one with %q", err, want)
	}
}

// near is the rounding of float32.
func near(got, want float64) bool { return math.Abs(got-want) <= 1e-5*max(1, math.Abs(want)) }

// sample is a task with a batch: its right answers and scores, with the metric and loss that they
// make.
type sample struct {
	task    Task
	targets []data.Target
	lengths []int
	scores  *tensor.Tensor
	metric  float64
	loss    float64 // by hand or from PyTorch; NaN where only that both ways agree is tested
}

func samples() map[string]sample {
	ctc := NewCTC([]string{"ab", "b"})
	class := func(i int) data.Target { return data.Target{Class: i} }
	labels := func(l ...int) data.Target { return data.Target{Labels: l} }
	number := func(v float64) data.Target { return data.Target{Value: v} }
	return map[string]sample{
		// torch.nn.functional.cross_entropy
		NameClassify: {&Classify{Classes: []string{"x", "y", "z"}}, []data.Target{class(1), class(0)}, nil,
			tensor.Of([]float32{0, 2, 1, 0, 1, 0}, 2, 3), 0.5, 0.9795253},
		// sklearn.metrics.f1_score([[1,0],[1,1],[0,0]], [[1,1],[0,1],[0,0]], average="macro"): 2/3
		// and 2/3
		NameMultilabel: {&Multilabel{Answers: []string{"p", "q"}}, []data.Target{labels(0), labels(0, 1), labels()}, nil,
			tensor.Of([]float32{2, 1, -1, 3, -2, -0.5}, 3, 2), 2.0 / 3, 0.5671740},
		NameRegress: {&Regress{Mean: 10, Std: 2}, []data.Target{number(12), number(6)}, nil,
			tensor.Of([]float32{2, -2}, 2, 1), math.Sqrt(2), 2},
		// Equal scores predict each of four tokens alike.
		NameLM: {&LM{}, []data.Target{labels(3, 1, 2), labels(0, 1)}, nil, tensor.New(tensor.Float32, 2, 3, 4), 4, math.Log(4)},
		// "ab" is read as "ab" and "b" as "ba".
		NameCTC: {ctc, []data.Target{labels(1, 2), labels(2)}, []int{3, 2},
			tensor.Of([]float32{0, 3, 0, 0, 0, 3, 0, 0, 3, 0, 0, 2, 0, 1, 0, 9, 9, 9}, 2, 3, 3), 1.0 / 3, math.NaN()},
	}
}

// TestTasks compares Measure with hand-made numbers and its loss with the one that Loss builds.
func TestTasks(t *testing.T) {
	for name, s := range samples() {
		t.Run(name, func(t *testing.T) {
			kind, err := Lookup(name)
			must(t, err)
			if same := kind.Named(s.task.Names(), Options{}); same.Name() != name || same.Scores() != s.task.Scores() {
				t.Errorf("from its name: %+v", same)
			}
			if s.task.Name() != name {
				t.Errorf("is called %s", s.task.Name())
			}
			positions := Positions(s.task, s.scores.Shape, len(s.targets))
			labels := s.task.Labels(s.targets, s.lengths, positions)
			types := s.task.LabelTypes(len(s.targets), positions)
			g := ir.New("loss")
			scores := g.AddInput("scores", ir.TypeOf(s.scores))
			in := []*tensor.Tensor{s.scores}
			var values []*ir.Value
			for i, l := range labels {
				if !ir.TypeOf(l).Equal(types[i]) {
					t.Errorf("labels %d are %v, said to be %v", i, ir.TypeOf(l), types[i])
				}
				values = append(values, g.AddInput("labels", types[i]))
				in = append(in, l)
			}
			b := ir.NewBuilder(g, "loss")
			g.Outputs = []*ir.Value{s.task.Loss(b, scores, values)}
			must(t, b.Err())
			p, err := compile.Region(g, compile.Memory{})
			must(t, err)
			out, err := p.Run(context.Background(), in...)
			must(t, err)

			m := s.task.NewMetrics()
			s.task.Measure(m, s.scores, labels)
			if got := Reported(s.task, float64(out[0].F32()[0])); !near(got, m.Loss()) || !math.IsNaN(s.loss) && !near(got, s.loss) {
				t.Errorf("the loss that trains is %g, the measured one %g, want %g", got, m.Loss(), s.loss)
			}
			if _, v := m.Metric(); !near(v, s.metric) {
				t.Errorf("metric %g, want %g", v, s.metric)
			}
			if m.Invalid != 0 || m.Examples != len(s.targets) {
				t.Errorf("%d examples, %d invalid", m.Examples, m.Invalid)
			}

			var back Metrics
			j, err := json.Marshal(m)
			must(t, err)
			must(t, json.Unmarshal(j, &back))
			if !reflect.DeepEqual(m, &back) {
				t.Errorf("%s reads back as %+v, not %+v", j, back, m)
			}
			back.Merge(m)
			if _, v := back.Metric(); !near(v, s.metric) || back.Examples != 2*m.Examples || !near(back.Loss(), m.Loss()) {
				t.Errorf("merged with itself: %+v", back)
			}

			bad := s.scores.Clone()
			bad.F32()[0] = float32(math.NaN())
			m = s.task.NewMetrics()
			s.task.Measure(m, bad, labels)
			if m.Invalid != 1 {
				t.Errorf("a score that is not a number leaves %d examples invalid", m.Invalid)
			}
		})
	}
}

func TestScoreDirection(t *testing.T) {
	for _, c := range []struct{ better, worse *Metrics }{
		{&Metrics{Examples: 2, Correct: 2}, &Metrics{Examples: 2, Correct: 1}},
		{&Metrics{Task: NameMultilabel, Labels: []Hits{{Both: 2}}}, &Metrics{Task: NameMultilabel, Labels: []Hits{{Both: 1, Missed: 1}}}},
		{&Metrics{Task: NameRegress, Examples: 1, LossSum: 1}, &Metrics{Task: NameRegress, Examples: 1, LossSum: 2}},
		{&Metrics{Task: NameLM, Tokens: 1, LossSum: 1}, &Metrics{Task: NameLM, Tokens: 1, LossSum: 2}},
		{&Metrics{Task: NameCTC, Length: 9, Edits: 1}, &Metrics{Task: NameCTC, Length: 9, Edits: 2}},
	} {
		if name, _ := c.better.Metric(); !c.better.Score().Better(c.worse.Score()) || c.worse.Score().Better(c.better.Score()) {
			t.Errorf("%s points the wrong way", name)
		}
	}
}

func TestAnswers(t *testing.T) {
	s := samples()
	a := s[NameClassify].task.Answer([]float32{0, 2, 1})
	if a.Label != "y" || !near(a.Probability, 0.6652409) || len(a.Top) != 3 || a.Top[1].Label != "z" {
		t.Errorf("classify: %+v", a)
	}
	a = s[NameMultilabel].task.Answer([]float32{-1, 0.5})
	if !slices.Equal(a.Labels, []string{"q"}) || a.Top[0].Label != "q" || !near(a.Top[1].Probability, 1/(1+math.E)) {
		t.Errorf("multilabel: %+v", a)
	}
	if a = s[NameRegress].task.Answer([]float32{1.5}); *a.Value != 13 {
		t.Errorf("regress: %+v", a)
	}
	for _, beam := range []int{0, 4} {
		ctc := NewCTC([]string{"ab"})
		ctc.Beam = beam
		if a = ctc.Answer([]float32{0, 9, 0, 9, 0, 0, 0, 9, 0, 0, 0, 9}); *a.Text != "aab" {
			t.Errorf("ctc, beam %d: %q", beam, *a.Text)
		}
	}
	for _, c := range []struct {
		name   string
		scores []float32
		want   string
	}{
		{NameClassify, []float32{0, 5, 1}, "y 97.6%, z 1.8%"},
		{NameMultilabel, []float32{1, 2}, "q 88.1%, p 73.1%"},
		{NameMultilabel, []float32{-1, -2}, "-"},
		{NameRegress, []float32{-1.5}, "7"},
		{NameCTC, []float32{0, 3, 0, 0, 0, 3}, "ab"},
	} {
		if got := s[c.name].task.Answer(c.scores).String(); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	for name, want := range map[string]string{
		NameClassify: `"label":"x","probability":`, NameMultilabel: `"labels":[]`, NameRegress: `{"value":10}`, NameCTC: `{"text":""}`,
	} {
		task := s[name].task
		b, err := json.Marshal(task.Answer(make([]float32, task.Scores())))
		must(t, err)
		if !strings.Contains(string(b), want) {
			t.Errorf("%s: %s, want %s", name, b, want)
		}
	}
}

func TestCTCSymbols(t *testing.T) {
	c := NewCTC([]string{"12 3", "21", ""})
	if !slices.Equal(c.Symbols, []string{" ", "1", "2", "3"}) || c.Longest != 4 || c.Scores() != 5 {
		t.Errorf("%+v", c)
	}
	target, err := c.Target(data.Example{Answer: "31 2"})
	if err != nil || c.Text(target.Labels) != "31 2" {
		t.Errorf("%v (%v)", target, err)
	}
	_, err = c.Target(data.Example{Answer: "7"})
	wantError(t, err, "'7'")
}

func TestTargets(t *testing.T) {
	m := NewMultilabel([]string{"b|a", "", "c | a"}, Options{})
	if !slices.Equal(m.Answers, []string{"a", "b", "c"}) {
		t.Errorf("labels %q", m.Answers)
	}
	var targets []data.Target
	for _, a := range []string{"c|a|c", "", "a"} {
		target, err := m.Target(data.Example{Answer: a})
		must(t, err)
		targets = append(targets, target)
	}
	if !slices.Equal(targets[0].Labels, []int{0, 2}) || len(targets[1].Labels) != 0 {
		t.Errorf("%+v", targets)
	}
	m.Balance(targets)
	if !slices.Equal(m.Weights, []float32{0.5, 3, 2}) {
		t.Errorf("weights %v", m.Weights)
	}
	_, err := m.Target(data.Example{Path: "x.png", Answer: "d"})
	wantError(t, err, `x.png: the label "d"`)
	for _, bad := range []string{"", "x", "NaN", "1e999"} {
		_, err := (&Regress{Std: 1}).Target(data.Example{Path: "x.png", Answer: bad})
		wantError(t, err, "is no number")
	}
}

func TestRegressFold(t *testing.T) {
	r := NewRegress([]data.Target{{Value: 10}, {Value: 14}, {Value: 6}})
	w, b := []float32{0.5, -2}, []float32{0.25}
	x := []float32{3, 1}
	before := float64(w[0]*x[0]+w[1]*x[1]+b[0])*r.Std + r.Mean
	r.Fold(w, b)
	if got := float64(w[0]*x[0] + w[1]*x[1] + b[0]); !near(got, before) {
		t.Errorf("folded layer gives %g, want %g", got, before)
	}
	if same := NewRegress([]data.Target{{Value: 3}, {Value: 3}}); same.Mean != 3 || same.Std != 1 {
		t.Errorf("equal numbers: %+v", same)
	}
}

// TestFindTask tells tasks from answers in a table and from names of folders.
func TestFindTask(t *testing.T) {
	for _, c := range []struct{ answers, table, folders string }{
		{"a b a", "classify", "classify"}, {"0 1 2", "classify", "classify"}, {"0.5 1 -2", "regress", "classify"}, {"1.0 0.0 1", "classify", "classify"}, {"1.0 0.5", "regress", "classify"}, {"1e3 x", "classify", "classify"},
		{"a b|c", "multilabel", "multilabel"}, {"1|2 3", "multilabel", "multilabel"},
	} {
		answers := strings.Fields(c.answers)
		if table, folders := data.FindTask(answers, false), data.FindTask(answers, true); table != c.table || folders != c.folders {
			t.Errorf("%s: %s and of folders %s, want %s and %s", c.answers, table, folders, c.table, c.folders)
		}
	}
}

func TestReported(t *testing.T) {
	r := &Regress{Std: 3}
	own, err := WithLoss(r, func(_ *ir.Builder, scores *ir.Value, _ []*ir.Value) *ir.Value { return scores })
	must(t, err)
	for _, c := range []struct {
		name string
		task Task
		want float64
	}{{"regress", r, 18}, {"mixed", Mixed{Task: r}, 18}, {"own loss", own, 2}, {"classify", &Classify{}, 2}} {
		if got := Reported(c.task, 2); got != c.want {
			t.Errorf("%s: a loss of 2 is reported as %g, want %g", c.name, got, c.want)
		}
	}
}
