package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestCompare: the keys of the contract, the plans that are always there, and a folder with table
// and picture.
func TestCompare(t *testing.T) {
	world(t)
	args := []string{"compare", "--model", "tiny.onnx", "--data", "photos", "--plan", "deep=head,last:1@epochs=2,lr=0.01", "--epochs", "3", "--seeds", "2"}
	before := listing(t)
	v := object(t, succeed(t, append(args, "--json")...))
	if after := listing(t); !slices.Equal(before, after) {
		t.Errorf("something was written: %v", after)
	}
	wantKeys(t, v, "plans", "best", "metric", "seeds")
	var names []string
	for _, p := range v["plans"].([]any) {
		p := p.(map[string]any)
		wantKeys(t, p, "name", "val_accuracy_mean", "val_accuracy_std", "seconds", "params_thawed", "train_bytes", "generalization_gap")
		names = append(names, p["name"].(string))
		if fits := p["fits"].([]any); len(fits) != 2 || p["name"] == "deep" && fits[0].(map[string]any)["epochs"] != 2.0 {
			t.Errorf("fits of %v: %v", p["name"], fits)
		}
	}
	if !slices.Equal(names, []string{"head", "deep", "full"}) {
		t.Errorf("plans %v", names)
	}
	o := succeed(t, append(args, "--out", "compared")...)
	for _, want := range []string{"against full", "deep", "full", "*", "paired t-test"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("the table has no %q:\n%s", want, o.stdout)
		}
	}
	for _, name := range []string{"compare.json", "compare.png"} {
		if st, err := os.Stat(filepath.Join("compared", name)); err != nil || st.Size() < 500 {
			t.Errorf("%s: %v", name, err)
		}
	}
	for want, bad := range map[string][]string{
		"--plan is missing":        {"--seeds", "2"},
		"want 1 or more":           {"--plan", "a=last:1", "--seeds", "0"},
		"has a compare.json":       {"--plan", "a=last:1", "--out", "compared"},
		"--plan a: name what":      {"--plan", "a="},
		`"speed" is no option`:     {"--plan", "a=head@speed=1"},
		"plan a: --thaw":           {"--plan", "a=nonesuch"},
		"two plans have this name": {"--plan", "a=head", "--plan", "a=all"},
	} {
		o := permafrostRun(t, append([]string{"compare", "--model", "tiny.onnx", "--data", "photos"}, bad...)...)
		if o.code != 2 || !strings.Contains(o.stderr, want) || o.stdout != "" {
			t.Errorf("%v: exit %d, %q; want %q", bad, o.code, o.stderr, want)
		}
	}
}

// TestAuto: the fit's object with the race in it, a run that is replayed without one, and flags
// that contradict it.
func TestAuto(t *testing.T) {
	world(t)
	o := succeed(t, "fit", "--model", "tiny.onnx", "--data", "photos", "--auto", "--out", "run", "--json")
	v := object(t, o)
	wantKeys(t, v, "val_accuracy", "auto", "plan")
	auto := v["auto"].(map[string]any)
	wantKeys(t, auto, "thaw", "lr", "epochs", "text", "why", "trials", "candidates", "seconds", "work", "grid_work")
	if !strings.Contains(o.stderr, auto["text"].(string)) {
		t.Errorf("the choice is not told: %s", o.stderr)
	}
	if _, err := os.Stat(filepath.Join("run", "race.json")); err != nil {
		t.Error(err)
	}
	succeed(t, "fit", "--config", "run/run.yaml", "--out", "again")
	sameFiles(t, "run/model.onnx", "again/model.onnx")
	for want, bad := range map[string][]string{
		"leave --thaw last:1 out":    {"--auto", "--thaw", "last:1"},
		"it is for auto":             {"--budget", "3s"},
		"-3s is no time":             {"--auto", "--budget", "-3s"},
		"holds another run":          {"--auto", "--out", "run"},
		"the choice was made":        {"--auto", "--resume", "--out", "run"},
		"invalid argument \"often\"": {"--auto", "--budget", "often"},
	} {
		o := permafrostRun(t, append([]string{"fit", "--model", "tiny.onnx", "--data", "photos"}, bad...)...)
		if o.code != 2 || !strings.Contains(o.stderr, want) {
			t.Errorf("%v: exit %d, %q; want %q", bad, o.code, o.stderr, want)
		}
	}
}
