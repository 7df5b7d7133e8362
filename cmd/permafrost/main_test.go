package main

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/fixture"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/version"
)

// outcome is what a command left.
type outcome struct {
	code           int
	stdout, stderr string
}

// lines is output that is read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func permafrostRun(t *testing.T, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := execute(args, strings.NewReader(""), &stdout, &stderr)
	return outcome{code, stdout.String(), stderr.String()}
}

// succeed fails the test unless the command does what it should.
func succeed(t *testing.T, args ...string) outcome {
	t.Helper()
	o := permafrostRun(t, args...)
	if o.code != 0 {
		t.Fatalf("permafrost %s: exit %d\n%s%s", strings.Join(args, " "), o.code, o.stdout, o.stderr)
	}
	return o
}

// object parses the one JSON object of stdout.
func object(t *testing.T, o outcome) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(o.stdout))
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("stdout is no JSON object: %v\n%s", err, o.stdout)
	}
	if d.More() {
		t.Fatalf("stdout holds more than one object:\n%s", o.stdout)
	}
	return v
}

func wantKeys(t *testing.T, v map[string]any, keys ...string) {
	t.Helper()
	for _, k := range keys {
		if _, ok := v[k]; !ok {
			t.Errorf("key %q is missing", k)
		}
	}
}

// world is a folder with a tiny model of five classes and pictures of three, in which the test
// runs.
func world(t *testing.T) {
	t.Helper()
	t.Setenv("PERMAFROST_CACHE", "off")
	t.Chdir(t.TempDir())
	if err := fixture.WriteModel("tiny.onnx", 5, 1); err != nil {
		t.Fatal(err)
	}
	if err := fixture.WritePictures("photos/train", 8, 3, 1); err != nil {
		t.Fatal(err)
	}
	if err := fixture.WritePictures("photos/val", 4, 3, 2); err != nil {
		t.Fatal(err)
	}
}

// TestSession goes the whole way that a user goes.
func TestSession(t *testing.T) {
	world(t)
	v := object(t, succeed(t, "fit", "--model", "tiny.onnx", "--data", "photos", "--out", "run", "--thaw", "head,last:1", "--epochs", "6", "--json"))
	wantKeys(t, v, "val_accuracy", "val_loss", "train_accuracy", "train_loss", "seconds", "epochs", "examples", "params_total", "params_thawed",
		"frozen_digest_before", "frozen_digest_after", "cache_bytes", "peak_rss_bytes", "plan", "out", "epoch_seconds")
	if v["val_accuracy"] != 1.0 || v["epochs"] != 6.0 || v["examples"] != 24.0 || v["frozen_digest_before"] != v["frozen_digest_after"] {
		t.Errorf("fit: %v", v)
	}
	for _, name := range []string{run.RunFile, run.PlanFile, run.EventsFile, run.ModelFile, run.DeltaFile, run.SealFile, run.LastCheckpoint} {
		if _, err := os.Stat(filepath.Join("run", name)); err != nil {
			t.Error(err)
		}
	}

	v = object(t, succeed(t, "verify", "tiny.onnx", "run/model.onnx", "--json"))
	wantKeys(t, v, "identical", "changed", "added", "frozen")
	if v["identical"] != true || v["frozen"] != 5.0 {
		t.Errorf("verify: %v", v)
	}
	succeed(t, "verify", "tiny.onnx", "run/model.onnx", "--plan", "run/plan.json")

	v = object(t, succeed(t, "eval", "--model", "run/model.onnx", "--data", "photos", "--json"))
	wantKeys(t, v, "accuracy", "loss", "examples", "seconds")
	if v["accuracy"] != 1.0 || v["examples"] != 12.0 {
		t.Errorf("eval: %v", v)
	}

	v = object(t, succeed(t, "predict", "--model", "run/model.onnx", "--json", "photos/val/red/00.png", "photos/val/blue/01.png"))
	ps, _ := v["predictions"].([]any)
	if len(ps) != 2 {
		t.Fatalf("predict: %v", v)
	}
	first := ps[0].(map[string]any)
	wantKeys(t, first, "input", "label", "probability", "top")
	if first["label"] != "red" || first["input"] != "photos/val/red/00.png" || len(first["top"].([]any)) != 3 {
		t.Errorf("predict: %v", first)
	}
	if o := succeed(t, "predict", "--model", "run/model.onnx", "photos/val/blue/00.png"); !strings.HasPrefix(o.stdout, "photos/val/blue/00.png\tblue ") {
		t.Errorf("predict: %q", o.stdout)
	}

	succeed(t, "delta", "extract", "tiny.onnx", "run/model.onnx", "d.safetensors")
	succeed(t, "delta", "apply", "tiny.onnx", "run/delta.safetensors", "again.onnx")
	sameFiles(t, "run/model.onnx", "again.onnx")

	succeed(t, "fit", "--config", "run/run.yaml", "--out", "replay", "--threads", "1")
	sameFiles(t, "run/model.onnx", "replay/model.onnx")
	succeed(t, "fit", "--resume", "--out", "run") // finished: nothing changes
	sameFiles(t, "run/model.onnx", "replay/model.onnx")
}

func sameFiles(t *testing.T, a, b string) {
	t.Helper()
	x, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := os.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(x, y) {
		t.Errorf("%s and %s differ", a, b)
	}
}

// TestVerifyNamesTheTensor flips one bit of one frozen tensor.
func TestVerifyNamesTheTensor(t *testing.T) {
	world(t)
	succeed(t, "fit", "--model", "tiny.onnx", "--data", "photos", "--out", "run", "--epochs", "2")
	b, err := os.ReadFile("run/model.onnx")
	if err != nil {
		t.Fatal(err)
	}
	flip(t, b, "blocks.1.norm.bias")
	if err := os.WriteFile("flipped.onnx", b, 0o644); err != nil {
		t.Fatal(err)
	}
	o := permafrostRun(t, "verify", "tiny.onnx", "flipped.onnx", "--json")
	v := object(t, o)
	if changed := v["changed"].([]any); o.code != exitFailed || v["identical"] != false || len(changed) != 1 || changed[0] != "blocks.1.norm.bias" {
		t.Errorf("exit %d, %v", o.code, v)
	}
}

// flip changes one bit of a tensor of the tiny model in the bytes of a tuned file.
func flip(t *testing.T, file []byte, name string) {
	t.Helper()
	for _, p := range fixture.Graph(5, 1).Params() {
		if p.Name != name {
			continue
		}
		at := bytes.Index(file, p.Data.Bytes)
		if at < 0 {
			t.Fatal("the tuned file does not hold the tensor's bytes")
		}
		file[at+7] ^= 1
	}
}

// TestInspect checks the numbers that follow from the model.
func TestInspect(t *testing.T) {
	world(t)
	v := object(t, succeed(t, "inspect", "tiny.onnx", "--thaw", "last:1", "--classes", "3", "--json"))
	wantKeys(t, v, "params_total", "params_thawed", "layers", "frontier", "predicted")
	wantKeys(t, v["predicted"].(map[string]any), "first_epoch_seconds", "later_epoch_seconds", "train_bytes", "checkpoint_bytes", "cache_bytes_per_example")
	if v["params_total"] != 216.0+16+864+24+39 || v["params_thawed"] != 864.0+24+39 {
		t.Errorf("params %v, thawed %v", v["params_total"], v["params_thawed"])
	}
	var got []string
	for _, l := range v["layers"].([]any) {
		l := l.(map[string]any)
		wantKeys(t, l, "name", "op", "params", "flops", "state")
		got = append(got, l["name"].(string)+" "+l["state"].(string))
		if want := map[string]float64{"blocks.0.conv": 2 * 64 * 216, "blocks.1.conv": 2 * 64 * 864}[l["name"].(string)]; want > 0 && l["flops"] != want {
			t.Errorf("%s takes %v FLOPs, want %v", l["name"], l["flops"], want)
		}
	}
	want := "blocks.0.conv frozen; blocks.0.norm frozen; blocks.1.conv thawed; blocks.1.norm thawed; head.linear thawed"
	if strings.Join(got, "; ") != want {
		t.Errorf("layers %v", got)
	}
	if o := succeed(t, "inspect", "tiny.onnx", "--data", "photos"); !strings.Contains(o.stdout, "predicted for 24 examples") {
		t.Errorf("inspect --data: %s", o.stdout)
	}
	if o := succeed(t, "inspect", "tiny.onnx", "--passes", "--batch", "2"); !strings.Contains(o.stdout, "BatchNormalization(") || !strings.Contains(o.stdout, "# after the passes") {
		t.Errorf("inspect --passes: %s", o.stdout)
	}
}

func TestBench(t *testing.T) {
	world(t)
	for _, thaw := range []string{"head", "all"} {
		v := object(t, succeed(t, "bench", "tiny.onnx", "--batch", "2", "--steps", "2", "--thaw", thaw, "--json"))
		wantKeys(t, v, "forward_ms_min", "forward_ms_median", "step_ms_min", "step_ms_median", "flops", "gflops", "peak_gflops", "peak_rss_bytes", "threads")
		if v["head"] != "keep" || v["flops"].(float64) < 2*2*64*(216+864) || v["step_ms_min"].(float64) <= 0 {
			t.Errorf("%s: %v", thaw, v)
		}
	}
	v := object(t, succeed(t, "bench", "tiny.onnx", "--batch", "2", "--steps", "2", "--ops", "--json"))
	share, convolutions := 0.0, 0.0
	for _, o := range v["ops"].([]any) {
		o := o.(map[string]any)
		share += o["share"].(float64)
		if strings.HasPrefix(o["op"].(string), "Conv 3x3") {
			convolutions += o["nodes"].(float64)
		}
	}
	if math.Abs(share-1) > 1e-9 || convolutions != 2 {
		t.Errorf("the shares of operators sum to %v, %v convolutions: %v", share, convolutions, v["ops"])
	}
	if text := succeed(t, "bench", "tiny.onnx", "--batch", "2", "--steps", "1", "--ops").stdout; !strings.Contains(text, "operator ") {
		t.Errorf("no table of operators in\n%s", text)
	}
}

// TestCache shares frozen activations between two runs and looks after them.
func TestCache(t *testing.T) {
	world(t)
	t.Setenv("PERMAFROST_CACHE", "kept")
	succeed(t, "fit", "--model", "tiny.onnx", "--data", "photos", "--out", "one", "--epochs", "2", "--cache", "disk")
	again := succeed(t, "fit", "--model", "tiny.onnx", "--data", "photos", "--out", "two", "--epochs", "2", "--cache", "disk")
	sameFiles(t, "one/model.onnx", "two/model.onnx")
	if !strings.Contains(again.stderr, "computed for 0 examples") {
		t.Errorf("the second run computed the frozen part anew:\n%s", again.stderr)
	}
	v := object(t, succeed(t, "cache", "ls", "--json"))
	if v["dir"] != "kept" || len(v["spaces"].([]any)) == 0 {
		t.Errorf("cache ls: %v", v)
	}
	v = object(t, succeed(t, "cache", "verify", "--json"))
	if v["blocks"].(float64) < 36 || v["damaged"] != 0.0 {
		t.Errorf("cache verify: %v", v)
	}
	all := listing(t)
	for _, c := range []struct{ args, want []string }{
		{nil, []string{"--all would free", "--older 30d would free 0 B", "--to "}},
		{[]string{"--all", "--to", "1MB"}, []string{"--all drops everything"}},
		{[]string{"--older", "soon"}, []string{"--older", "no duration"}},
		{[]string{"--to", "much"}, []string{"--to"}},
	} {
		o := permafrostRun(t, append([]string{"cache", "prune"}, c.args...)...)
		for _, want := range c.want {
			if o.code != exitUsage || !strings.Contains(o.stderr, want) || strings.Count(o.stderr, "\n") != 1 {
				t.Errorf("cache prune %v: exit %d, no %q in %s", c.args, o.code, want, o.stderr)
			}
		}
	}
	dry := object(t, succeed(t, "cache", "prune", "--all", "--dry-run", "--json"))
	old := object(t, succeed(t, "cache", "prune", "--older", "2d", "--json"))
	large := object(t, succeed(t, "cache", "prune", "--to", "1GB", "--json"))
	if dry["freed_bytes"].(float64) <= 0 || dry["left_bytes"] != 0.0 || old["freed_bytes"] != 0.0 || large["freed_bytes"] != 0.0 || !slices.Equal(listing(t), all) {
		t.Errorf("cache prune: dry %v, old %v, to 1GB %v", dry, old, large)
	}
	v = object(t, succeed(t, "cache", "prune", "--all", "--json"))
	if v["left_bytes"] != 0.0 || v["freed_bytes"] != dry["freed_bytes"] {
		t.Errorf("cache prune: %v, the dry run said %v", v, dry)
	}
	if o := succeed(t, "cache", "prune"); !strings.Contains(o.stdout, "nothing to drop") {
		t.Errorf("prune of an empty cache: %s", o.stdout)
	}
	if o := succeed(t, "cache", "prune", "--help"); strings.Contains(o.stdout, "default 0s") {
		t.Errorf("cache prune --help has a default of 0s:\n%s", o.stdout)
	}
}

func TestHelp(t *testing.T) {
	root := newRoot("")
	for _, c := range root.Commands() {
		if c.Name() == "completion" || c.Name() == "help" {
			continue
		}
		o := succeed(t, "help", c.Name())
		if c.Example == "" || c.Long == "" || !strings.Contains(o.stdout, c.Example) || !strings.Contains(o.stdout, c.Long) {
			t.Errorf("help %s teaches nothing:\n%s", c.Name(), o.stdout)
		}
	}
	if o := succeed(t); !strings.Contains(o.stdout, "fit ") {
		t.Errorf("permafrost alone says %q", o.stdout)
	}
	if o := succeed(t, "version"); !strings.HasPrefix(o.stdout, "permafrost "+version.Version) {
		t.Errorf("version: %q", o.stdout)
	}
}

// TestCompletion asks for completions as a shell does.
func TestCompletion(t *testing.T) {
	world(t)
	for _, c := range []struct {
		args string // what stands on the line; what comes after the last space is completed
		want string // one of the words
		not  string // no word begins so
	}{
		{"fi", "fit", "inspect"},
		{"fit --model ", "onnx", ""}, // an extension: the shell finds the files
		{"fit --model tiny.onnx --thaw ", "blocks.1.norm.*", ""},
		{"fit --model tiny.onnx --thaw head,blocks.1.n", "head,blocks.1.norm.*", "head,blocks.0"},
		{"fit --model tiny.onnx --thaw all,!kind:n", "all,!kind:norm", "all,!blocks"},
		{"fit --model tiny.onnx --freeze !bl", "!blocks.0.conv.*", "!head"},
		{"fit --model later.onnx --thaw ", "last:1", "blocks"},
		{"inspect tiny.onnx --thaw bl", "blocks.0.conv.*", "head"},
		{"bench tiny.onnx --thaw ", "blocks.0.conv.*", ""},
		{"search --model tiny.onnx --thaw ", "blocks.0.conv.*", ""},
		{"compare --model tiny.onnx --plan deep=head,bl", "deep=head,blocks.0.conv.*", "deep=head,head"},
		{"fit --model tiny.onnx --adapter-targets bl", "blocks.0.conv.*", "head"},
		{"fit --preprocess ", "inception", ""},
		{"fit --head ", "mlp:128", ""},
		{"fit --optimizer ", "sgd", ""},
		{"fit --schedule e", "egeria", ""},
		{"search --algorithm ", "evolution", ""},
		{"search --objectives ", "latency_ms", ""},
		{"search --space ", "yaml", ""},
		{"federate server --strategy ", "fedprox:0.01", "fedprox:MU"},
		{"federate simulate --strategy ", "trimmed:0.1", ""},
		{"federate simulate --partition ", "dirichlet:0.5", ""},
		{"help sel", "selectors", "preprocess"},
	} {
		fields := strings.Split(c.args, " ")
		var words []string
		for line := range strings.Lines(succeed(t, append([]string{"__complete"}, fields...)...).stdout) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			words = append(words, word)
			if c.not != "" && strings.HasPrefix(word, c.not) {
				t.Errorf("%q completes to %q", c.args, word)
			}
		}
		if !slices.Contains(words, c.want) {
			t.Errorf("%q completes to %q, want %q among them", c.args, words, c.want)
		}
	}
}

// TestCompletionScripts: every shell's script is made.
func TestCompletionScripts(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if o := succeed(t, "completion", shell); !strings.Contains(o.stdout, "permafrost") {
			t.Errorf("%s: %.80q", shell, o.stdout)
		}
	}
}
