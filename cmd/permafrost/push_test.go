package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/permafrost-ml/permafrost/internal/hub/hubtest"
)

// TestPush: what is pushed is used by its name at once, the model as a whole and as a delta, and its card
// can be read by machines.
func TestPush(t *testing.T) {
	world(t)
	s := hubtest.New(t)
	s.Put("models/some/tiny", "onnx/model.onnx", readFile(t, "tiny.onnx"))
	succeed(t, "fit", "--model", "hf:some/tiny", "--data", "photos", "--epochs", "2", "--adapter", "lora:1", "--out", "run")

	o := succeed(t, "push", "run")
	if !strings.Contains(o.stdout, "nothing was uploaded: no repository is named") || !strings.Contains(o.stderr, "--license") {
		t.Errorf("%s%s", o.stdout, o.stderr)
	}
	for _, name := range []string{"README.md", "model.onnx", "config.json", "labels.txt", "preprocessor_config.json", "plan.json", "seal.json", "adapter/adapter_config.json"} {
		if _, err := os.Stat(filepath.Join("run", "hub", name)); err != nil {
			t.Error(err)
		}
	}
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir("run/hub", func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.Contains(string(readFile(t, path)), here) {
			t.Errorf("%s tells where files lie here", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	t.Setenv("HF_TOKEN", "secret")
	if o := succeed(t, "push", "run", "--to", "hf:me/tuned", "--dry-run"); !strings.Contains(o.stdout, "nothing was uploaded: --dry-run") {
		t.Error(o.stdout)
	}
	for _, r := range s.Requests() {
		if strings.HasPrefix(r, "POST") {
			t.Errorf("a dry run makes the request %s", r)
		}
	}
	o = succeed(t, "push", "run", "--to", "hf:me/tuned", "--license", "mit", "--json")
	var p struct {
		Uploaded bool
		Commit   string
		Changed  int
	}
	if err := json.Unmarshal([]byte(o.stdout), &p); err != nil || !p.Uploaded || p.Commit != s.Commit("models/me/tuned") || p.Changed < 8 {
		t.Errorf("%s (%v)", o.stdout, err)
	}
	if o := succeed(t, "push", "run", "--to", "hf:me/tuned", "--license", "mit"); !strings.Contains(o.stdout, "has all of it already") {
		t.Error(o.stdout)
	}
	card(t, s.File("models/me/tuned", "README.md"), "mit")

	one := succeed(t, "predict", "--json", "--model", "hf:me/tuned", "photos/val/red/00.png").stdout
	if own := succeed(t, "predict", "--json", "--model", "run/model.onnx", "photos/val/red/00.png").stdout; one != own {
		t.Errorf("the pushed model says %s, the run's %s", one, own)
	}
	succeed(t, "verify", "hf:some/tiny", "hf:me/tuned")

	succeed(t, "push", "run", "--to", "hf:me/delta", "--delta", "--private", "--out", "delta-folder")
	succeed(t, "delta", "apply", "hf:some/tiny", "hf:me/delta:delta.safetensors", "again.onnx")
	sameFiles(t, "run/model.onnx", "again.onnx")
	if s.File("models/me/delta", "model.onnx") != nil || !strings.Contains(string(s.File("models/me/delta", "README.md")), "permafrost delta apply hf:some/tiny hf:me/delta:delta.safetensors tuned.onnx") {
		t.Errorf("card\n%s", s.File("models/me/delta", "README.md"))
	}
}

// card checks a model card.
func card(t *testing.T, b []byte, license string) {
	t.Helper()
	head, body, ok := strings.Cut(strings.TrimPrefix(string(b), "---\n"), "\n---\n")
	var f struct {
		License  string
		Base     string `yaml:"base_model"`
		Pipeline string `yaml:"pipeline_tag"`
		Metrics  []string
		Index    []struct {
			Name    string
			Results []struct {
				Metrics []struct {
					Type  string
					Value float64
				}
			}
		} `yaml:"model-index"`
	}
	if err := yaml.Unmarshal([]byte(head), &f); err != nil || !ok {
		t.Fatalf("%v in\n%s", err, b)
	}
	if f.License != license || f.Base != "some/tiny" || f.Pipeline != "image-classification" || !slices.Contains(f.Metrics, "accuracy") || f.Index[0].Name != "tuned" {
		t.Errorf("front matter %+v", f)
	}
	var r struct {
		ValAccuracy float64 `json:"val_accuracy"`
	}
	var last string
	for line := range strings.Lines(string(readFile(t, "run/events.jsonl"))) {
		last = line
	}
	var end struct{ Result json.RawMessage }
	if err := json.Unmarshal([]byte(last), &end); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(end.Result, &r); err != nil {
		t.Fatal(err)
	}
	if m := f.Index[0].Results[0].Metrics[0]; m.Type != "accuracy" || m.Value != r.ValAccuracy {
		t.Errorf("metric %+v, the run has %g", m, r.ValAccuracy)
	}
	for _, want := range []string{"permafrost predict --model hf:me/tuned FILE", "blue, green, red", `subfolder="adapter"`, "| adapter | lora:1 |"} {
		if !strings.Contains(body, want) {
			t.Errorf("the card lacks %q:\n%s", want, body)
		}
	}
}

// TestPushRefused: bad input is one line, before anything is made or sent.
func TestPushRefused(t *testing.T) {
	world(t)
	s := hubtest.New(t)
	t.Setenv("HF_TOKEN", "secret")
	succeed(t, "fit", "--model", "tiny.onnx", "--data", "photos", "--epochs", "1", "--out", "run")
	if err := os.MkdirAll("full", 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("full/mine", nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"push nowhere":                     "holds no run",
		"push":                             "RUN is missing",
		"push run --to hf:datasets/me/x":   "--to: hf:datasets/me/x is a data set",
		"push run --to hf:me":              "--to: hf:me has no owner",
		"push run --to hf:me/x:model.onnx": "names a file",
		"push run --to hf:me/x/y":          "is no repository",
		"push run --out full":              "--out: full holds files",
		"push run --private":               "--private is of an upload",
		"push run --to hf:me/x@" + aCommit: "never changes: name a branch",
	} {
		if o := permafrostRun(t, strings.Fields(args)...); o.code != exitUsage || strings.Count(o.stderr, "\n") != 1 || !strings.Contains(o.stderr, want) {
			t.Errorf("%s: exit %d: %s", args, o.code, o.stderr)
		}
	}
	for name, value := range map[string]string{"HF_TOKEN": "", "HF_HUB_OFFLINE": "1"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, value)
			if o := permafrostRun(t, "push", "run", "--to", "hf:me/x"); o.code != exitUsage || strings.Count(o.stderr, "\n") != 1 || !strings.Contains(o.stderr, name) || !strings.Contains(o.stderr, "--dry-run") {
				t.Errorf("exit %d: %s", o.code, o.stderr)
			}
			succeed(t, "push", "run", "--to", "hf:me/x", "--dry-run", "--out", name)
		})
	}
	if _, err := os.Stat("run/hub"); err == nil {
		t.Error("a folder was made")
	}
	if r := s.Requests(); len(r) > 0 {
		t.Errorf("requests %q", r)
	}
	s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/commit/") {
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	})
	if o := permafrostRun(t, "push", "run", "--to", "hf:me/x"); o.code != exitUsage || !strings.Contains(o.stderr, "may not write to hf:me/x") {
		t.Errorf("exit %d: %s", o.code, o.stderr)
	}
}

const aCommit = "0123456789012345678901234567890123456789"
