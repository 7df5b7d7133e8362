package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// searched runs a small search into found.
func searched(t *testing.T, more ...string) outcome {
	t.Helper()
	world(t)
	write(t, "space.yaml", []byte("thaw: [head, \"last:1\"]\nlr: {log: [1e-3, 1e-1]}\n"))
	return succeed(t, append([]string{"search", "--model", "tiny.onnx", "--data", "photos", "--space", "space.yaml", "--trials", "4", "--epochs", "2", "--out", "found"}, more...)...)
}

// TestSearchShow: what a search printed is shown again from its folder, and so is its page.
func TestSearchShow(t *testing.T) {
	first := object(t, searched(t, "--json"))
	if again := object(t, succeed(t, "search", "show", "found", "--json")); !reflect.DeepEqual(first, again) {
		t.Errorf("show: %v\nthe search: %v", again, first)
	}
	page, err := os.ReadFile("found/search.html")
	if err != nil || !bytes.Contains(page, []byte("<h2 id=\"trials-title\">")) {
		t.Fatalf("no page (%v)", err)
	}
	succeed(t, "search", "show", "found", "--html", "again.html")
	if again, err := os.ReadFile("again.html"); err != nil || !bytes.Equal(page, again) {
		t.Errorf("the page is not made again (%v)", err)
	}
	if o := succeed(t, "search", "show", "found"); !strings.Contains(o.stdout, "best        trial ") {
		t.Error(o.stdout)
	}
	one := object(t, succeed(t, "search", "show", "found", "--trial", "2", "--json"))
	if want := first["trials"].([]any)[2]; !reflect.DeepEqual(one, want) {
		t.Errorf("trial 2: %v, want %v", one, want)
	}
	if o := succeed(t, "search", "ls", ".", "--json"); len(object(t, o)["searches"].([]any)) != 1 {
		t.Error(o.stdout)
	}
	if o := succeed(t, "search", "ls"); !strings.Contains(o.stdout, "found  done") {
		t.Error(o.stdout)
	}
	if o := succeed(t, "search", "ls", "photos"); o.stdout != "no search in photos or below\n" {
		t.Error(o.stdout)
	}
}

// TestSearchReplay: the options of the best trial give the model of the search, bit for bit.
func TestSearchReplay(t *testing.T) {
	r := object(t, searched(t, "--json"))
	best := r["best"].(map[string]any)["trial"].(float64)
	succeed(t, "search", "show", "found", "--trial", fmt.Sprint(best), "--config", "best.yaml")
	succeed(t, "fit", "--config", "best.yaml", "--out", "again")
	want, err := os.ReadFile(filepath.Join("found", "best", "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join("again", "model.onnx")); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the fit of best.yaml has other bits than the search (%v)", err)
	}
}

// TestSearchDamaged: a folder that holds no search, or a damaged one, is refused in a line.
func TestSearchDamaged(t *testing.T) {
	searched(t)
	log, err := os.ReadFile("found/search.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"empty":   nil,
		"garbage": []byte("hello\n"),
		"flipped": bytes.Replace(log, []byte(`"score":`), []byte(`"scorf":`), 1),
		"cut":     log[:len(log)-10], // an unfinished line is what a killed process leaves
	} {
		write(t, filepath.Join("bad", name, "search.jsonl"), b)
	}
	for args, want := range map[string]string{
		"show photos":                 "photos holds no search: it has no search.jsonl",
		"show nowhere":                "nowhere holds no search",
		"show bad/empty":              "no first line",
		"show bad/garbage":            "line 1",
		"show bad/flipped":            "checksum",
		"show found --trial 9":        "--trial 9: the search has no such trial, it has 4",
		"show found --config x":       "--config needs --trial",
		"show found --trial -1":       "no such trial",
		"show":                        "RUN is missing",
		"ls nowhere":                  "nowhere",
		"ls a b":                      "unexpected argument",
		"show found --html no/x.html": "--html",
	} {
		o := permafrostRun(t, append([]string{"search"}, strings.Fields(args)...)...)
		if o.code != 2 || strings.Count(o.stderr, "\n") != 1 || !strings.Contains(o.stderr, want) {
			t.Errorf("%s: exit %d: %s, want %q", args, o.code, o.stderr, want)
		}
	}
	o := succeed(t, "search", "ls", "bad")
	if strings.Count(o.stdout, "damaged") != 3 || !strings.Contains(o.stdout, "unfinished") {
		t.Error(o.stdout)
	}
	if o := succeed(t, "search", "show", "bad/cut"); !strings.Contains(o.stdout, "not ended") {
		t.Error(o.stdout)
	}
}

// TestSearchDryRun: the plan adds up, with the last fit's pass over the validation examples, and nothing
// is written.
func TestSearchDryRun(t *testing.T) {
	world(t)
	write(t, "space.yaml", []byte("thaw: [head, \"last:1\", all]\nlr: {log: [1e-3, 1e-1]}\n"))
	before := listing(t)
	command := []string{"search", "--model", "tiny.onnx", "--data", "photos", "--space", "space.yaml", "--dry-run", "--algorithm", "random", "--trials", "15"}
	f := object(t, succeed(t, append(command, "--json", "--out", "found")...))
	wantKeys(t, f, "trials", "points", "known", "frontiers", "frozen_flops", "live_flops", "kept_bytes", "predicted")
	known, pass, kept := 0.0, 0.0, 0.0
	for _, g := range f["frontiers"].([]any) {
		g := g.(map[string]any)
		known += g["known"].(float64)
		pass += g["pass_flops"].(float64)
		kept += g["kept_bytes"].(float64)
		if g["pass_flops"].(float64) > g["frozen_flops"].(float64) || g["live_flops"].(float64) <= 0 {
			t.Errorf("%v", g)
		}
	}
	if len(f["frontiers"].([]any)) != 3 || known != 15 || f["known"] != 15.0 || pass >= f["frozen_flops"].(float64) || kept != f["kept_bytes"] {
		t.Errorf("%v", f)
	}
	p := f["predicted"].(map[string]any)
	if s := p["seconds"].(float64); s <= 0 || p["most_seconds"].(float64) < s*0.999 {
		t.Errorf("%v", p)
	}
	o := succeed(t, command...)
	for _, want := range []string{"trials      15 at most, of a space without end; 15 are known ahead", "thaw last:1", "predicted", "nothing"} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("%q is missing in\n%s", want, o.stdout)
		}
	}
	if after := listing(t); !reflect.DeepEqual(before, after) {
		t.Errorf("the plan wrote: %v, before %v", after, before)
	}
	if o := permafrostRun(t, append(command, "--space", "none.yaml")...); o.code != 2 || strings.Count(o.stderr, "\n") != 1 {
		t.Errorf("exit %d: %s", o.code, o.stderr)
	}
}
