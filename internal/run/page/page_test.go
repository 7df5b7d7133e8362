package page

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost/internal/chart/charttest"
	"github.com/permafrost-ml/permafrost/internal/compare"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/facts"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/task"
)

// made is a run that is made up, with that many epochs, blocks and classes.
func made(epochs, blocks, classes int, edit func(r *Run)) *Run {
	c := config.DefaultConfig()
	c.Model, c.Data, c.Epochs, c.Thaw = "net.onnx", "photos", epochs, []string{"last:2"}
	r := &Run{Listed: &run.Listed{Out: "runs/<b>a & b", State: run.Done, Config: c, Task: "classify", Epochs: epochs, Planned: epochs, ParamsTotal: 1000, ParamsThawed: 100, Began: time.Date(2024, 5, 17, 12, 0, 0, 0, time.UTC), Seconds: 12}}
	r.Cache = report.CacheEvent{Where: "ram", Seconds: 3, Bytes: 1 << 20, BytesPerExample: 100}
	r.Data = report.DataEvent{Task: "classify", Train: 900, Val: 100}
	for i := range classes {
		r.Data.Classes = append(r.Data.Classes, fmt.Sprintf("class %d", i))
	}
	for n := 1; n <= epochs; n++ {
		m := task.NewMetrics(classes)
		scores := make([]float32, classes)
		scores[n%classes] = 1
		m.Add(scores, []int{0}, []float32{1 / float32(n)})
		r.Curve = append(r.Curve, &report.EpochEvent{Epoch: n, TrainLoss: 1 / report.Number(n), TrainAccuracy: 0.5, Val: m, LR: 0.01, Seconds: 0.5})
		r.Val = m
	}
	f := &facts.Facts{Judged: true, Plan: &facts.Cost{First: 2, Later: 1, Memory: 1 << 20, Checkpoint: 1000}, Full: &facts.Cost{First: 20, Later: 20, Memory: 8 << 20, Checkpoint: 9000}}
	for i := range blocks {
		b := facts.Block{Name: fmt.Sprintf("block.%d", i), Params: 100, FLOPs: 1000, Tensor: []string{fmt.Sprintf("w%d", i)}, Layers: []facts.Layer{{Name: fmt.Sprintf("layer %d", i), Op: "Conv", Params: 100, State: "frozen"}}}
		if i >= blocks-2 {
			b.Live, b.Thawed, b.Layers[0].State = true, 100, "thawed"
		}
		f.Blocks = append(f.Blocks, b)
	}
	r.Facts = f
	if edit != nil {
		edit(r)
	}
	return r
}

const hostile = `"><script>alert(1)</script><img src=x onerror=alert(1)>`

// mistakesWith are mistakes with a preview of so many bytes.
func mistakesWith(n, bytes int) []facts.Mistake {
	var out []facts.Mistake
	for i := range n {
		out = append(out, facts.Mistake{Input: fmt.Sprintf("%d.png", i), Label: "a", Predicted: "b", MIME: "image/jpeg", Preview: make([]byte, bytes)})
	}
	return out
}

// TestPage: every run has a page that is well formed, needs no network, runs no script but its own,
// and says what it must.
func TestPage(t *testing.T) {
	half := 0.5
	for name, c := range map[string]struct {
		run    *Run
		images int
		has    []string
	}{
		"done":  {made(5, 6, 3, nil), 0, []string{"frontier: what crosses it", "What freezing saved", "20 times less", "permafrost fit --model net.onnx", "block.5"}},
		"begun": {made(0, 0, 2, func(r *Run) { r.State, r.Facts, r.Val = run.Unfinished, nil, nil }), 0, []string{"has not ended"}},
		"halted": {made(0, 0, 2, func(r *Run) {
			r.State, r.Facts, r.Val, r.Planned = run.Failed, nil, nil, 3
			r.Error, r.Start = "the disk is full", report.RunStart{Epochs: 3, Steps: 30}
			r.last.step = &report.StepEvent{Epoch: 1, Step: 4, Loss: 0.5}
		}), 0, []string{"No epoch was finished", "the disk is full", "step 4 of 10 of the first epoch", "run.yaml&#39; --out NEW"}},
		"failed":   {made(2, 4, 2, func(r *Run) { r.State, r.Error, r.Checkpoint = run.Failed, "the loss is not a number", 1 }), 0, []string{"the loss is not a number", "--resume"}},
		"all":      {made(2, 2, 2, func(r *Run) { r.ParamsThawed = r.ParamsTotal }), 0, []string{"There is no frontier"}},
		"uncached": {made(2, 6, 2, func(r *Run) { r.Cache = report.CacheEvent{Where: "off"} }), 0, []string{"no gradient goes beyond it"}},
		"large":    {made(10000, 2000, 200, nil), 0, []string{"too many classes to draw"}},
		"mistakes": {made(3, 4, 2, func(r *Run) { r.Facts.Mistakes, r.Facts.MistakesCount = mistakesWith(100, 12<<10), 250 }), 100, []string{"250 of 100 validation examples"}},
		"sounds": {made(3, 4, 2, func(r *Run) {
			r.Facts.Mistakes, r.Facts.MistakesCount = mistakesWith(2, 10), 2
			r.Facts.Mistakes[0].MIME, r.Facts.Mistakes[1].MIME = "audio/wav", "text/html"
		}), 0, []string{"<audio"}},
		"diagnosis": {made(3, 4, 2, func(r *Run) {
			r.Diagnosis = &report.Diagnosis{Verdict: report.Overfitting, Why: "since", Advice: "freeze more"}
		}), 0, []string{"Diagnosis: overfitting", "freeze more"}},
		"schedule": {made(3, 4, 2, func(r *Run) {
			r.Plan.Schedule, r.Plan.TensorsThawed = "gradual", []string{"w2", "w3"}
			r.Changes = []*report.PlanChange{{Epoch: 1, Frozen: []string{"w2"}}, {Epoch: 2, Step: 9, Thawed: []string{"w2"}, Reason: "its turn"}}
		}), 0, []string{"What trained when", "its turn"}},
		"race": {made(3, 4, 2, func(r *Run) {
			r.Race = &Race{Metric: "accuracy", Thaw: []string{"head"}, LR: 0.1, Text: "thaw head", Candidates: []Candidate{{Thaw: []string{"all"}, LR: 0.1}, {Thaw: []string{"head"}, LR: 0.1, Score: &half, Error: &half}}}
		}), 0, []string{"The race of --auto", "chosen", "not tried"}},
		"no numbers": {made(3, 4, 2, func(r *Run) {
			for _, e := range r.Curve {
				e.TrainLoss, e.Val.LossSum = report.Number(math.NaN()), math.Inf(1)
			}
		}), 0, nil},
		"hostile": {made(3, 4, 2, func(r *Run) {
			r.Data.Classes = []string{hostile, "javascript:alert(1)"}
			r.Error, r.Warnings = hostile, []string{hostile}
			r.Config.Model, r.Config.Data, r.Config.Out = hostile, hostile, hostile
			r.Facts.Blocks[0].Name, r.Facts.Blocks[0].Layers[0].Name = hostile, hostile
			r.Facts.Notes = []string{hostile}
			r.Facts.Mistakes, r.Facts.MistakesCount = []facts.Mistake{{Input: hostile, Text: hostile, Label: hostile, Predicted: hostile, MIME: `image/svg+xml"` + hostile, Preview: []byte(hostile)}}, 1
			r.Diagnosis = &report.Diagnosis{Verdict: hostile, Why: hostile, Advice: hostile}
			r.Race = &Race{Metric: hostile, Why: hostile, Text: hostile, Candidates: []Candidate{{Thaw: []string{hostile}, Adapter: hostile, Failed: hostile}}}
		}), 0, []string{"&lt;script&gt;"}},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := Write(&b, c.run, Options{Examples: 100}); err != nil {
				t.Fatal(err)
			}
			check(t, b.Bytes(), c.images, c.has)
		})
	}
}

func check(t *testing.T, page []byte, images int, has []string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(t.ArtifactDir(), "page.html"), page, 0o644); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range charttest.Check(t, page) {
		if e.Name == "img" {
			n++
		}
	}
	if n != images {
		t.Errorf("%d pictures, want %d", n, images)
	}
	for _, text := range has {
		if !strings.Contains(string(page), text) {
			t.Errorf("the page lacks %q", text)
		}
	}
	if len(page) > 2<<20 {
		t.Errorf("the page has %d bytes", len(page))
	}
}

// TestNoExamples: what others may see holds nothing of single examples.
func TestNoExamples(t *testing.T) {
	r := made(3, 4, 2, func(r *Run) { r.Facts.Mistakes, r.Facts.MistakesCount = mistakesWith(3, 100), 3 })
	r.Facts.Mistakes[0].Text = "a secret"
	var b bytes.Buffer
	if err := Write(&b, r, Options{}); err != nil {
		t.Fatal(err)
	}
	check(t, b.Bytes(), 0, []string{"left out of this page"})
	for _, secret := range []string{"a secret", "0.png"} {
		if strings.Contains(b.String(), secret) {
			t.Errorf("the page holds %q", secret)
		}
	}
}

// TestSchedule: the map shows what trained in each epoch.
func TestSchedule(t *testing.T) {
	r := made(3, 3, 2, func(r *Run) {
		r.Plan.TensorsThawed = []string{"w1", "w2"}
		r.Changes = []*report.PlanChange{{Epoch: 1, Frozen: []string{"w1"}}, {Epoch: 3, Step: 9, Thawed: []string{"w1"}}}
	})
	shapes := map[string]int{}
	for _, i := range r.schedule().Plots[0].Items {
		shapes[i.Class] += strings.Count(i.Path, "M")
	}
	if shapes["box warm"] != 4 || shapes["box ice"] != 5 { // w2 in all three epochs, w1 in the last
		t.Errorf("%v", shapes)
	}
}

// TestShare: measured times are shared out completely, what ran once apart from what ran in epochs.
func TestShare(t *testing.T) {
	once, each := 0.0, 0.0
	for _, u := range made(4, 7, 2, nil).units() {
		if u.live {
			each += u.seconds
		} else {
			once += u.seconds
		}
	}
	if math.Abs(once-3) > 1e-9 || math.Abs(each-0.5) > 1e-9 {
		t.Errorf("%g s once and %g s in an epoch, want 3 and 0.5", once, each)
	}
}

// TestSeveral: several runs have one page, with links that cannot run a script.
func TestSeveral(t *testing.T) {
	dir := t.TempDir()
	var runs []*Run
	for i, name := range []string{"a/run", "b/run", "javascript:alert(1)", `x"><b>`} {
		r := made(3+i, 4, 2, func(r *Run) { r.Config.LR = float64(i) })
		r.Out = filepath.Join(dir, name)
		if err := os.MkdirAll(r.Out, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(r.Out, run.ReportFile), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		runs = append(runs, r)
	}
	compared := []*Compared{{"cmp", &compare.Comparison{Model: "net.onnx", Data: hostile, Metric: "accuracy", Seeds: 2, Best: hostile, Plans: []compare.Row{{Name: hostile, Thaw: []string{hostile}, Mean: 0.5, Std: math.NaN()}}}}}
	for name, c := range map[string]struct {
		runs     []*Run
		compared []*Compared
		links    []Link
		has      []string
	}{
		"runs":     {runs, nil, nil, []string{"4 runs.", "Options that differ", ">a/run<", `href="./javascript:alert%281%29/report.html"`}},
		"all":      {runs, compared, []Link{{hostile, hostile, filepath.Join(dir, "javascript:x")}}, []string{"1 comparison of plans"}},
		"compared": {nil, compared, nil, []string{"Comparison cmp", "plans over 2 seeds"}},
		"many":     {many(40), nil, nil, []string{"the first 8"}},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := WriteSeveral(&b, c.runs, c.compared, c.links, Options{At: dir}); err != nil {
				t.Fatal(err)
			}
			check(t, b.Bytes(), 0, c.has)
		})
	}
}

func many(n int) []*Run {
	var out []*Run
	for i := range n {
		r := made(2, 2, 2, nil)
		r.Out = fmt.Sprintf("run%d", i)
		out = append(out, r)
	}
	return out
}
