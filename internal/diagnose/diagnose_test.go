package diagnose

import (
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// past makes up the epochs of a run over n validation examples of two classes, the first of them a
// share most of all: accuracy on training and validation examples and the validation loss, epoch by
// epoch.
func past(n int, most float64, epochs ...[3]float64) []report.EpochEvent {
	var out []report.EpochEvent
	for i, e := range epochs {
		m := task.NewMetrics(2)
		m.Examples, m.Correct, m.LossSum = n, int(e[1]*float64(n)+0.5), e[2]*float64(n)
		first := int64(most * float64(n))
		m.Matrix[0][0], m.Matrix[1][1] = first, int64(n)-first
		out = append(out, report.EpochEvent{Epoch: i, TrainAccuracy: report.Number(e[0]), Val: m})
	}
	return out
}

// TestCounts holds the rule of a gap at its edges.
func TestCounts(t *testing.T) {
	for _, c := range []struct {
		gap, se float64
		want    bool
	}{
		{matters, matters / certain, true},
		{matters - 1e-9, 0.001, false},
		{0.1, 0.1 / certain, true},
		{0.1, 0.1/certain + 1e-9, false},
		{-0.1, 0.001, false},
	} {
		if got := counts(c.gap, c.se); got != c.want {
			t.Errorf("a gap of %g with standard error %g counts: %v", c.gap, c.se, got)
		}
	}
}

// TestAugmented: what is augmented already, or cannot be, is not advised to be.
func TestAugmented(t *testing.T) {
	history := past(600, 0.5, [3]float64{1, 0.85, 0.5})
	for _, c := range []struct{ augment, can, advised bool }{{false, true, true}, {true, true, false}, {false, false, false}} {
		d := Fit(Symptoms{History: history, Altered: c.augment, Augment: c.augment, Augmentable: c.can, Trained: Depth{Fresh: true, Blocks: []string{"a"}}})
		if d.Verdict != report.Overfitting || strings.Contains(d.Advice, "option augment") != c.advised {
			t.Errorf("%+v: %+v", c, *d)
		}
	}
}

// TestMistrust names a loss above that of guessing, ln 2, whatever the accuracy.
func TestMistrust(t *testing.T) {
	for _, c := range []struct {
		loss  float64
		named bool
	}{{0.693, false}, {0.693148, false}, {0.694, true}} { // 0.693148 is above ln 2, and printed as it is
		for _, calibrated := range []bool{false, true} {
			d := Fit(Symptoms{History: past(600, 0.5, [3]float64{1, 0.99, c.loss}), Calibrated: calibrated})
			if got := strings.Contains(d.Why, "above the 0.6931 of guessing"); got != c.named {
				t.Errorf("loss %g: %s", c.loss, d.Why)
			}
			if got := strings.Contains(d.Why, "option calibrate on"); got != (c.named && !calibrated) {
				t.Errorf("loss %g, calibrated %v: %s", c.loss, calibrated, d.Why)
			}
		}
	}
}

// TestNumbers judges a task of numbers by guessing: the right ones are 1 and 3, with variance 1.
func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		loss    float64
		verdict string
		says    string
	}{{0.25, report.Unclear, "guessing has 1;"}, {1, report.Underfitting, "no better than guessing, whose loss is 1"}} {
		m := &task.Metrics{Task: task.NameRegress, Examples: 2, LossSum: 2 * c.loss, Sums: map[string]float64{"value": 4, "square": 10}}
		d := Fit(Symptoms{History: []report.EpochEvent{{Val: m}}})
		if d.Verdict != c.verdict || !strings.Contains(d.Why, c.says) {
			t.Errorf("loss %g: %+v", c.loss, *d)
		}
	}
}

func TestDiagnose(t *testing.T) {
	ten := strings.Split("a b c d e f g h i j", " ")
	head := Depth{Fresh: true, Blocks: ten}
	last := func(n int) Depth { return Depth{Fresh: true, Blocks: ten, Thawed: n} }
	flat := func(t, v float64) [][3]float64 {
		return [][3]float64{{t - 0.02, v, 0.5}, {t - 0.01, v, 0.5}, {t, v, 0.5}, {t, v, 0.5}, {t, v, 0.5}, {t, v, 0.5}}
	}
	for _, c := range []struct {
		name    string
		history []report.EpochEvent
		trained Depth
		altered bool
		verdict string
		says    string // in why or advice
	}{
		{"head too small", past(600, 0.5, flat(0.87, 0.85)...), head, false, report.Underfitting, "thaw from i on: option thaw last:2"},
		{"own head too small", past(600, 0.5, flat(0.87, 0.85)...), Depth{Blocks: ten}, false, report.Underfitting, "option thaw head,last:2"},
		{"blocks too few", past(600, 0.5, flat(0.90, 0.86)...), last(3), false, report.Underfitting, "thaw from e on: option thaw last:6"},
		{"half is not enough", past(600, 0.5, flat(0.90, 0.86)...), last(6), false, report.Underfitting, "option thaw all"},
		{"norms are not enough", past(600, 0.5, flat(0.90, 0.86)...), Depth{Blocks: ten, Thawed: 10, Parts: true}, false, report.Underfitting, "option thaw all"},
		{"part is not the whole", past(600, 0.5, flat(0.90, 0.86)...), Depth{Blocks: ten, Thawed: 10, Trunk: true, Parts: true, Thaw: "stem", Share: 0.0195}, false, report.Underfitting, "training 1.95% of the parameters (option thaw stem) reaches"},
		{"adapter and all", past(600, 0.5, flat(0.90, 0.86)...), Depth{Blocks: ten, Thawed: 10, Trunk: true, Thaw: "all", Share: 1, Adapter: "lora:8"}, false, report.Underfitting, "training adapter lora:8 and option thaw all (100% of the parameters) reaches"},
		{"adapter and all, advice", past(600, 0.5, flat(0.90, 0.86)...), Depth{Blocks: ten, Thawed: 10, Trunk: true, Thaw: "all", Share: 1, Adapter: "lora:8"}, false, report.Underfitting, "everything trains already"},
		{"part by heart", past(600, 0.5, flat(1, 0.85)...), Depth{Blocks: ten, Thawed: 10, Trunk: true, Parts: true, Thaw: "stem", Share: 0.0195}, false, report.Overfitting, "freeze more: compare with the head alone"},
		{"all is not enough", past(600, 0.5, flat(0.90, 0.86)...), last(10), false, report.Underfitting, "everything trains already"},
		{"adapter", past(600, 0.5, flat(0.90, 0.86)...), Depth{Fresh: true, Blocks: ten, Adapter: "lora:2"}, false, report.Underfitting, "a larger rank"},
		{"adapter without a rank", past(600, 0.5, flat(0.90, 0.86)...), Depth{Fresh: true, Blocks: ten, Adapter: "ia3"}, false, report.Underfitting, "adapter lora:8"},
		{"not ended", past(600, 0.5, [3]float64{0.5, 0.5, 0.9}, [3]float64{0.6, 0.6, 0.8}, [3]float64{0.7, 0.7, 0.7}, [3]float64{0.8, 0.8, 0.6}), head, false, report.Underfitting, "option epochs 8"},
		{"learnt nothing", past(600, 0.6, flat(0.61, 0.6)...), head, false, report.Underfitting, "the most frequent class (60.0%)"},
		{"by heart", past(600, 0.5, flat(1, 0.85)...), last(10), false, report.Overfitting, "option thaw last:5"},
		{"one block by heart", past(600, 0.5, flat(1, 0.85)...), last(1), false, report.Overfitting, "option thaw head"},
		{"head by heart", past(600, 0.5, flat(1, 0.85)...), head, false, report.Overfitting, "no fewer weights can train"},
		{"loss rises", past(600, 0.5, [3]float64{0.9, 0.85, 0.4}, [3]float64{1, 0.85, 0.5}, [3]float64{1, 0.85, 0.6}, [3]float64{1, 0.85, 0.7}), last(4), false, report.Overfitting, "risen from 0.400 in epoch 1 to 0.700"},
		{"best at the start", past(153, 0.5, [3]float64{0.62, 0.72, 0.6}, [3]float64{0.9, 0.7, 0.9}, [3]float64{1, 0.69, 1.2}, [3]float64{1, 0.68, 1.4}), last(2), false, report.Overfitting, "by epoch 4 it came to 100.0% and 68.0%"},
		{"145 of 153", past(153, 0.5, flat(1, 145.0/153)...), head, false, report.Overfitting, "a gap of 5.2 points, 2.9 times its standard error"},
		{"146 of 153", past(153, 0.5, flat(1, 146.0/153)...), head, false, report.Fine, "a gap of 4.6 points, 2.7 times its standard error (overfitting: from 5 points and 2 times on)"},
		{"twice the error", past(100, 0.5, flat(0.99, 0.90)...), last(4), false, report.Overfitting, "3.0 times"},
		{"less than twice the error", past(60, 0.5, flat(1, 57.0/60)...), last(4), false, report.Fine, "1.8 times its standard error (overfitting"},
		{"small gap, many examples", past(10_000, 0.5, flat(1, 0.97)...), last(4), false, report.Fine, "a gap of 3.0 points"},
		{"perfect", past(600, 0.5, flat(1, 1)...), last(4), false, report.Fine, "± 0.1"},
		{"better on new examples", past(600, 0.5, flat(0.98, 1)...), last(4), false, report.Fine, "better on new examples"},
		{"short and good", past(400, 0.5, [3]float64{0.84, 0.98, 0.1}), last(10), false, report.Fine, "better on new examples"},
		{"short and poor", past(400, 0.5, [3]float64{0.64, 0.72, 0.5}), last(4), false, report.Unclear, "too few epochs"},
		{"the gap of the kept epoch", past(600, 0.5, [3]float64{0.99, 0.98, 0.1}, [3]float64{1, 0.9, 0.3}), last(4), false, report.Fine, "(the mean of epoch 1 of 2)"},
		{"by heart, and no better on new ones", past(600, 0.6, flat(0.9, 0.61)...), last(10), false, report.Overfitting, "no better on new examples than always answering the most frequent class (60.0%)"},
		{"no better, though training is a little", past(600, 0.5, flat(0.57, 0.53)...), last(4), false, report.Overfitting, "no better on new examples"},
		{"astray", past(720, 0.5, [3]float64{0.5, 0.5, 24}, [3]float64{0.5, 0.5, 25}), last(10), false, report.Underfitting, "where guessing has 0.6931: the learning rate is too high | a lower option lr"},
		{"few examples", past(20, 0.5, flat(1, 0.5)...), last(4), false, report.Unclear, "too few to tell"},
		{"mixed examples", past(600, 0.5, flat(0.7, 0.9)...), last(4), true, report.Unclear, "augmented or mixed"},
		{"mixed and still by heart", past(600, 0.5, flat(0.97, 0.8)...), last(4), true, report.Overfitting, "option thaw last:2"},
		{"nothing", nil, head, false, report.Unclear, "no epoch"},
	} {
		kept := -1
		for i, e := range c.history {
			if kept < 0 || e.Val.Accuracy() >= c.history[kept].Val.Accuracy() {
				kept = i
			}
		}
		d := Fit(Symptoms{History: c.history, Kept: kept, Trained: c.trained, Altered: c.altered})
		if d.Verdict != c.verdict || !strings.Contains(d.Why+" | "+d.Advice, c.says) {
			t.Errorf("%s: %+v, want %s with %q", c.name, *d, c.verdict, c.says)
		}
		if d.Verdict == report.Fine && d.Advice != "" {
			t.Errorf("%s: advice where nothing is wrong: %s", c.name, d.Advice)
		}
	}
}

// TestOneAdvice: a rate that is too high is advised to be lower, and nothing else.
func TestOneAdvice(t *testing.T) {
	whole := Depth{Fresh: true, Blocks: []string{"a"}, Thawed: 1, Trunk: true}
	for _, c := range []struct {
		loss float64
		want string
	}{{24, "a lower option lr"}, {0.8, "look at the labels and the preprocessing first; then try a lower learning rate (option lr)"},
		{0.69, "look at the labels and the preprocessing first; then try ten times the learning rate (option lr), or more epochs"}} {
		d := Fit(Symptoms{History: past(600, 0.5, [3]float64{0.5, 0.5, c.loss}), Trained: whole})
		if d.Verdict != report.Underfitting || d.Advice != c.want {
			t.Errorf("loss %g: %+v", c.loss, *d)
		}
	}
}

// TestWorseThanBefore: a language model that training has made worse needs a lower rate.
func TestWorseThanBefore(t *testing.T) {
	for loss, verdict := range map[float64]string{2: report.Unclear, 3.5: report.Underfitting, 9: report.Underfitting} {
		m := &task.Metrics{Task: task.NameLM, Examples: 40, Tokens: 1, LossSum: loss, Sums: map[string]float64{"uniform": 6}}
		d := Fit(Symptoms{History: []report.EpochEvent{{Val: m}}, Before: 3})
		if d.Verdict != verdict || (verdict == report.Underfitting) != (d.Advice == "a lower option lr") {
			t.Errorf("loss %g: %+v", loss, *d)
		}
	}
}
