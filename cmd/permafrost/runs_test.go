package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRuns: the runs of a folder with their numbers, whatever became of them.
func TestRuns(t *testing.T) {
	world(t)
	o := permafrostRun(t, "runs")
	if o.code != exitUsage || strings.Count(o.stderr, "\n") != 1 || !strings.Contains(o.stderr, "no folder runs") {
		t.Errorf("without a folder: exit %d, %s", o.code, o.stderr)
	}
	fit := object(t, succeed(t, "fit", "--model", "tiny.onnx", "--data", "photos", "--out", "runs/good", "--epochs", "3", "--json"))
	events := strings.SplitAfter(strings.TrimRight(string(readFile(t, "runs/good/events.jsonl")), "\n"), "\n")
	last := events[len(events)-1]
	for name, end := range map[string]string{
		"deep/killed": "",
		"stopped":     strings.Replace(last[:strings.Index(last, `,"result"`)]+"}", `"done"`, `"interrupted"`, 1),
		"broken":      strings.Replace(last[:strings.Index(last, `,"result"`)]+"}", `"status":"done"`, `"status":"failed","error":"the loss is not a number"`, 1),
	} {
		dir := filepath.Join("runs", name)
		write(t, filepath.Join(dir, "run.yaml"), readFile(t, "runs/good/run.yaml"))
		write(t, filepath.Join(dir, "events.jsonl"), []byte(strings.TrimRight(strings.Join(events[:len(events)-1], "")+end, "\n")+"\n"))
	}
	write(t, "runs/bad/run.yaml", []byte("epochs: many\n"))
	write(t, "runs/odd/run.yaml", readFile(t, "runs/good/run.yaml"))
	write(t, "runs/odd/events.jsonl", []byte("{not json\n"))
	write(t, "runs/void/run.yaml", readFile(t, "runs/good/run.yaml"))
	write(t, "runs/void/events.jsonl", nil)
	write(t, "runs/timeless/run.yaml", readFile(t, "runs/good/run.yaml"))
	write(t, "runs/timeless/events.jsonl", []byte("{}\n"))
	write(t, "runs/begun/run.yaml", readFile(t, "runs/good/run.yaml"))
	write(t, "runs/notes.txt", []byte("no run"))
	if err := os.Mkdir("runs/empty", 0o755); err != nil {
		t.Fatal(err)
	}

	v := object(t, succeed(t, "runs", "--json"))
	states := map[string]string{}
	for _, r := range v["runs"].([]any) {
		r := r.(map[string]any)
		wantKeys(t, r, "out", "state", "model", "data", "thaw", "epochs", "epochs_planned", "seconds", "began")
		out := filepath.ToSlash(r["out"].(string))
		states[out] = r["state"].(string)
		if out == "runs/begun" {
			continue
		}
		if r["val_accuracy"] != fit["val_accuracy"] || r["val_loss"] != fit["val_loss"] || r["epochs"] != 3.0 || r["params_thawed"] != fit["params_thawed"] || r["best_epoch"] != fit["best_epoch"] {
			t.Errorf("%v, the fit says %v, %v, epoch %v", r, fit["val_accuracy"], fit["val_loss"], fit["best_epoch"])
		}
	}
	want := map[string]string{"runs/good": "done", "runs/deep/killed": "unfinished", "runs/stopped": "interrupted", "runs/broken": "failed", "runs/begun": "unfinished"}
	for out, state := range want {
		if states[out] != state {
			t.Errorf("%s is %q, want %q", out, states[out], state)
		}
	}
	if len(states) != len(want) {
		t.Errorf("%v, want %v", states, want)
	}
	if bad := v["damaged"].([]any); len(bad) != 4 || !strings.Contains(bad[0].(map[string]any)["why"].(string), "Epochs") || !strings.Contains(bad[1].(map[string]any)["why"].(string), "events.jsonl") {
		t.Errorf("damaged: %v", bad)
	}

	o = succeed(t, "runs")
	for _, text := range []string{filepath.Join("runs", "good"), "interrupted", "broken failed: the loss is not a number"} {
		if !strings.Contains(o.stdout, text) {
			t.Errorf("no %q in\n%s", text, o.stdout)
		}
	}
	for name, why := range map[string]string{
		"bad": "", "odd": "events.jsonl: line 1 is damaged: it is no event in JSON", "void": "events.jsonl holds no event: it is empty or cut off", "timeless": "events.jsonl: line 1 has no type or no time",
	} {
		if !strings.Contains(o.stderr, filepath.Join("runs", name)+" cannot be read: "+why) {
			t.Errorf("%s is not named:\n%s", name, o.stderr)
		}
	}
	for _, not := range []string{"0001", "invalid character"} {
		if strings.Contains(o.stdout+o.stderr, not) {
			t.Errorf("%q in\n%s%s", not, o.stdout, o.stderr)
		}
	}
	succeed(t, "fit", "--model", "tiny.onnx", "--data", "photos", "--out", "staged/run", "--epochs", "2", "--schedule", "gradual", "--freeze", "first:1")
	if o := succeed(t, "runs", "staged"); !strings.Contains(o.stdout, "  all --freeze first:1 gradual  ") {
		t.Errorf("freeze and schedule are not shown:\n%s", o.stdout)
	}
	if o := succeed(t, "runs", "photos"); !strings.Contains(o.stdout, "no runs in photos") {
		t.Errorf("a folder without runs: %s", o.stdout)
	}
	o = succeed(t, "runs", "runs/good")
	for _, text := range []string{"learning rate", "best", filepath.Join("runs", "good", "run.yaml"), "permafrost eval --model " + filepath.Join("runs", "good", "model.onnx") + " --data photos --errors errors.csv"} {
		if !strings.Contains(o.stdout, text) {
			t.Errorf("no %q in\n%s", text, o.stdout)
		}
	}
	if o := permafrostRun(t, "runs", "nowhere"); o.code != exitUsage || !strings.Contains(o.stderr, "nowhere") {
		t.Errorf("a missing folder: exit %d, %s", o.code, o.stderr)
	}
}
