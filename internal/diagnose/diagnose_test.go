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
		{"norms are not enough", past(600, 0.5, flat(0.90, 0.86)...), Depth{Blocks: ten, Thawed: 10, Parts: true}, false, report.Underfitting, "train those blocks whole: thaw everything"},
		{"all is not enough", past(600, 0.5, flat(0.90, 0.86)...), last(10), false, report.Underfitting, "everything trains already"},
		{"adapter", past(600, 0.5, flat(0.90, 0.86)...), Depth{Fresh: true, Blocks: ten, Adapter: "lora:2"}, false, report.Underfitting, "a larger rank"},
		{"adapter without a rank", past(600, 0.5, flat(0.90, 0.86)...), Depth{Fresh: true, Blocks: ten, Adapter: "ia3"}, false, report.Underfitting, "adapter lora:8"},
		{"not ended", past(600, 0.5, [3]float64{0.5, 0.5, 0.9}, [3]float64{0.6, 0.6, 0.8}, [3]float64{0.7, 0.7, 0.7}, [3]float64{0.8, 0.8, 0.6}), head, false, report.Underfitting, "option epochs 8"},
		{"learnt nothing", past(600, 0.6, flat(0.61, 0.6)...), head, false, report.Underfitting, "the most frequent class (60.0%)"},
		{"by heart", past(600, 0.5, flat(1, 0.85)...), last(10), false, report.Overfitting, "option thaw last:5"},
		{"one block by heart", past(600, 0.5, flat(1, 0.85)...), last(1), false, report.Overfitting, "option thaw head"},
		{"head by heart", past(600, 0.5, flat(1, 0.85)...), head, false, report.Overfitting, "no fewer weights can train"},
		{"loss rises", past(600, 0.5, [3]float64{0.9, 0.85, 0.4}, [3]float64{1, 0.85, 0.5}, [3]float64{1, 0.85, 0.6}, [3]float64{1, 0.85, 0.7}), last(4), false, report.Overfitting, "risen from 0.400 in epoch 1 to 0.700"},
		{"best at the start", past(153, 0.5, [3]float64{0.62, 0.72, 0.6}, [3]float64{0.9, 0.7, 0.9}, [3]float64{1, 0.69, 1.2}, [3]float64{1, 0.68, 1.4}), last(2), false, report.Overfitting, "100.0% on its own training data"},
		{"within the error", past(153, 0.5, flat(1, 0.948)...), head, false, report.Fine, "within the error"},
		{"small gap, many examples", past(10_000, 0.5, flat(1, 0.97)...), last(4), false, report.Fine, "a gap of 3.0 points"},
		{"perfect", past(600, 0.5, flat(1, 1)...), last(4), false, report.Fine, "± 0.1"},
		{"better on new examples", past(600, 0.5, flat(0.98, 1)...), last(4), false, report.Fine, "better on new examples"},
		{"short and good", past(400, 0.5, [3]float64{0.84, 0.98, 0.1}), last(10), false, report.Fine, "better on new examples"},
		{"short and poor", past(400, 0.5, [3]float64{0.64, 0.72, 0.5}), last(4), false, report.Underfitting, "so few epochs"},
		{"few examples", past(20, 0.5, flat(1, 0.5)...), last(4), false, report.Unclear, "too few to tell"},
		{"mixed examples", past(600, 0.5, flat(0.7, 0.9)...), last(4), true, report.Unclear, "augmented or mixed"},
		{"mixed and still by heart", past(600, 0.5, flat(0.97, 0.8)...), last(4), true, report.Overfitting, "option thaw last:2"},
		{"nothing", nil, head, false, report.Unclear, "no epoch"},
	} {
		kept := -1
		for i, e := range c.history {
			if kept < 0 || e.Val.Accuracy() > c.history[kept].Val.Accuracy() {
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
