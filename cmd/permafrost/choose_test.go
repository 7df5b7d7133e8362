package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// TestRank: models of different sizes are scored side by side, the same in any order and on any
// number of threads, and a fit of a ranked model finds its features.
func TestRank(t *testing.T) {
	world(t)
	t.Setenv("PERMAFROST_CACHE", t.TempDir())
	if err := fixture.WriteModel("other.onnx", 4, 2); err != nil {
		t.Fatal(err)
	}
	v := object(t, succeed(t, "rank", "--data", "photos", "--probe", "--cache", "disk", "--json", "tiny.onnx", "other.onnx"))
	wantKeys(t, v, "models", "by", "agreement", "trust")
	models := v["models"].([]any)
	score := map[any]any{}
	for _, m := range models {
		m := m.(map[string]any)
		wantKeys(t, m, "model", "score", "logme", "leep", "size_baseline", "nleep", "hscore", "transrate", "probe_accuracy")
		if m["score"] != m["probe_accuracy"] || m["score"].(float64) < 0.5 || m["leep"].(float64) >= 0 {
			t.Errorf("scores of a model whose features suit the data: %v", m)
		}
		delete(m, "seconds")
		score[m["model"]] = m["logme"]
	}
	if len(models) != 2 || models[0].(map[string]any)["score"].(float64) < models[1].(map[string]any)["score"].(float64) {
		t.Errorf("the order is not from the best down: %v", models)
	}
	again := object(t, succeed(t, "rank", "--data", "photos", "--json", "--threads", "1", "other.onnx", "tiny.onnx"))["models"].([]any)
	for _, m := range again {
		if m := m.(map[string]any); m["logme"] != score[m["model"]] || m["score"] != m["logme"] {
			t.Errorf("another order and one thread give %v, before %v", m, score)
		}
	}
	text := succeed(t, "rank", "--data", "photos", "tiny.onnx", "other.onnx").stdout
	if !strings.Contains(text, "how they agree") || !strings.Contains(text, "--probe measures") {
		t.Errorf("the table says\n%s", text)
	}

	write(t, "text.onnx", []byte("this is no model"))
	if err := fixture.WriteMixing("mixing.onnx", 3, 1); err != nil {
		t.Fatal(err)
	}
	mixing := object(t, succeed(t, "rank", "--data", "photos", "--json", "tiny.onnx", "mixing.onnx"))["unfit"].([]any)
	if reason := mixing[0].(map[string]any)["reason"].(string); !strings.HasPrefix(reason, "--attach: node") {
		t.Errorf("a model that mixes examples is unfit for %q, want the flag that mends it", reason)
	}
	unfit := succeed(t, "rank", "--data", "photos", "--json", "tiny.onnx", "text.onnx", "other.onnx")
	v = object(t, unfit)
	if left := v["unfit"].([]any); len(left) != 1 || len(v["models"].([]any)) != 2 {
		t.Errorf("two models and one that is none give %v", v)
	} else if u := left[0].(map[string]any); u["model"] != "text.onnx" || !strings.Contains(u["reason"].(string), "not an ONNX model") || !strings.Contains(unfit.stderr, "text.onnx is not ranked") {
		t.Errorf("the unfit model is said as %v, on stderr %s", u, unfit.stderr)
	}

	succeed(t, "fit", "--model", "tiny.onnx", "--data", "photos", "--out", "run", "--epochs", "1")
	log, err := os.Open("run/" + run.EventsFile)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	found := false
	if err := report.ReadEvents(log, func(r report.Record) bool {
		if e, ok := r.Event.(*report.CacheEvent); ok {
			found = true
			if e.Hits != 24 || e.Misses != 12 {
				t.Errorf("the fit after ranking: %d hits, %d misses; want the 24 training examples and the 12 others", e.Hits, e.Misses)
			}
		}
		return true
	}); err != nil || !found {
		t.Errorf("cache event: %v %v", found, err)
	}
}

// TestAdvise: the keys of the contract, every plan of the ladder with its price, and the same
// advice on any number of threads.
func TestAdvise(t *testing.T) {
	world(t)
	args := []string{"advise", "--model", "tiny.onnx", "--data", "photos", "--json"}
	before := listing(t)
	v := object(t, succeed(t, args...))
	if after := listing(t); !slices.Equal(before, after) {
		t.Errorf("something was written: %v", after)
	}
	wantKeys(t, v, "recommended", "candidates", "depths", "gradients", "examples", "classes")
	advice := v["recommended"].(map[string]any)
	wantKeys(t, advice, "thaw", "why", "sure", "doubts")
	scores := map[any]any{}
	for _, c := range v["candidates"].([]any) {
		c := c.(map[string]any)
		wantKeys(t, c, "thaw", "score", "predicted_seconds", "predicted_bytes", "checkpoint_bytes", "params_thawed")
		if c["predicted_seconds"].(float64) <= 0 || c["predicted_bytes"].(float64) <= 0 {
			t.Errorf("%v costs nothing: %v", c["thaw"], c)
		}
		scores[c["thaw"]] = c["score"]
	}
	for _, plan := range []string{"head", "head,last:1", "head,kind:norm", "all", "head,kind:adapter"} {
		if scores[plan] == nil {
			t.Errorf("no %s among %v", plan, scores)
		}
	}
	if scores[advice["thaw"]] == nil {
		t.Errorf("%v is recommended, which is none of %v", advice["thaw"], scores)
	}
	depths := v["depths"].([]any)
	if len(depths) != 2 || depths[1].(map[string]any)["depth"] != "features" || depths[0].(map[string]any)["depth"] != "blocks.0" {
		t.Errorf("depths %v, want the end of the first block and the features", depths)
	}
	gradients := v["gradients"].([]any)
	if len(gradients) != 2 {
		t.Errorf("gradients of %d blocks, want 2", len(gradients))
	}
	for _, g := range gradients {
		if g := g.(map[string]any); g["relative_gradient_norm"].(float64) <= 0 || g["fisher"].(float64) <= 0 {
			t.Errorf("a block without gradient: %v", g)
		}
	}
	again := object(t, succeed(t, append(args, "--threads", "1")...))
	for _, c := range again["candidates"].([]any) {
		if c := c.(map[string]any); c["score"] != scores[c["thaw"]] {
			t.Errorf("one thread gives %v, before %v", c, scores[c["thaw"]])
		}
	}
	if again["recommended"].(map[string]any)["thaw"] != advice["thaw"] {
		t.Errorf("one thread advises %v, before %v", again["recommended"], advice)
	}
	text := succeed(t, args[:5]...).stdout
	for _, piece := range []string{"held out", "agreement", "all at once", "at best", "advice      --thaw " + advice["thaw"].(string), "why  ", "sure "} {
		if !strings.Contains(text, piece) {
			t.Errorf("the report does not say %q:\n%s", piece, text)
		}
	}
}

// TestChooseBadInput: one line, exit 2, nothing written.
func TestChooseBadInput(t *testing.T) {
	world(t)
	write(t, "text.onnx", []byte("this is no model"))
	write(t, "one/red/a.png", pictureFile(t))
	if err := fixture.WriteMixing("mixing.onnx", 3, 1); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"rank", "--data", "photos"}, "MODEL is missing"},
		{[]string{"rank", "tiny.onnx"}, "data"},
		{[]string{"rank", "--data", "photos", "tiny.onnx", "missing.onnx"}, "missing.onnx"},
		{[]string{"rank", "--data", "photos", "text.onnx"}, "not an ONNX model"},
		{[]string{"rank", "--data", "one", "tiny.onnx"}, "one class only"},
		{[]string{"advise", "--data", "photos"}, "model"},
		{[]string{"advise", "--model", "tiny.onnx"}, "data"},
		{[]string{"advise", "--model", "text.onnx", "--data", "photos"}, "not an ONNX model"},
		{[]string{"advise", "--model", "tiny.onnx", "--data", "photos", "--task", "lm"}, "lm"},
		// examples are tried before the work begins
		{[]string{"rank", "--data", "photos", "mixing.onnx"}, `node "running" (CumSum) mixes the examples`},
		{[]string{"advise", "--model", "mixing.onnx", "--data", "photos"}, `node "running" (CumSum) mixes the examples`},
		{[]string{"compare", "--model", "mixing.onnx", "--data", "photos", "--plan", "a=last:1"}, `node "running" (CumSum) mixes the examples`},
		{[]string{"advise", "--model", "tiny.onnx", "--data", "photos", "extra"}, "extra"},
	} {
		before := listing(t)
		o := permafrostRun(t, c.args...)
		name := strings.Join(c.args, " ")
		if o.code != exitUsage || o.stdout != "" || strings.Count(o.stderr, "\n") != 1 || !strings.Contains(o.stderr, c.want) {
			t.Errorf("%s: exit %d, %q and %q; want one line on stderr that says %q", name, o.code, o.stdout, o.stderr, c.want)
		}
		if after := listing(t); !slices.Equal(before, after) {
			t.Errorf("%s: something was written", name)
		}
	}
}
