package main

import (
	"os"
	"strings"
	"testing"
)

// TestFederateShow: the folder of a federation tells what the command told, the model in it is one like
// any other, and a fit does not go on with it.
func TestFederateShow(t *testing.T) {
	world(t)
	made := object(t, succeed(t, "federate", "simulate", "--model", "tiny.onnx", "--data", "photos", "--clients", "3", "--rounds", "12", "--compress", "int8", "--out", "fed", "--json"))
	shown := object(t, succeed(t, "federate", "show", "fed", "--html", "page.html", "--json"))
	for _, key := range []string{"state", "rounds", "rounds_planned", "clients", "val_accuracy", "val_loss", "metric", "bytes_up", "bytes_down", "bytes_base_model", "bytes_full_model_exchange", "epsilon", "best_round", "params_total", "params_thawed", "rejected", "lost", "server_sees", "out"} {
		if shown[key] != made[key] || made[key] == nil {
			t.Errorf("%s is %v, and was %v", key, shown[key], made[key])
		}
	}
	if a, b := string(readFile(t, "page.html")), string(readFile(t, "fed/federation.html")); a != b || !strings.Contains(a, "12 rounds") {
		t.Error("the page is another than that in the folder")
	}
	text := succeed(t, "federate", "show", "fed").stdout
	for _, part := range []string{"the last 10 of 12 rounds", "  best", "setting     strategy: fedavg", "setting     weights travel as: int8", "server sees "} {
		if !strings.Contains(text, part) {
			t.Errorf("show lacks %q:\n%s", part, text)
		}
	}
	if o := succeed(t, "runs", "fed"); !strings.Contains(o.stdout, "done") || !strings.Contains(o.stdout, "12") {
		t.Errorf("runs: %s", o.stdout)
	}
	succeed(t, "verify", "tiny.onnx", "fed/model.onnx")
	succeed(t, "eval", "--model", "fed/model.onnx", "--data", "photos")
	if err := os.Mkdir("empty", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		has  string
	}{
		{[]string{"federate", "show", "empty"}, "holds no run"},
		{[]string{"federate", "show", "nowhere"}, "holds no run"},
		{[]string{"federate", "show", "fed", "--html", "empty"}, "--html"},
		{[]string{"fit", "--resume", "--out", "fed"}, "holds a federation"},
		{[]string{"fit", "--extend", "2", "--out", "fed"}, "holds a federation"},
	} {
		o := permafrostRun(t, c.args...)
		if o.code != exitUsage || strings.Count(o.stderr, "\n") != 1 || !strings.Contains(o.stderr, c.has) {
			t.Errorf("%v: exit %d, %s", c.args, o.code, o.stderr)
		}
	}
	if o := succeed(t, "fit", "--config", "fed/run.yaml", "--epochs", "1", "--out", "again"); !strings.Contains(o.stderr, "is that of a federation") {
		t.Errorf("a replay says nothing of it: %s", o.stderr)
	}
}
