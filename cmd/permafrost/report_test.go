package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/chart/charttest"
)

// TestReport: report makes the page of whatever holds runs, and of several at once.
func TestReport(t *testing.T) {
	world(t)
	shared := []string{"--model", "tiny.onnx", "--data", "photos"}
	for _, args := range [][]string{
		{"fit", "--out", "runs/a", "--epochs", "2"},
		{"fit", "--out", "runs/b", "--epochs", "3", "--thaw", "last:1"},
		{"compare", "--plan", "l=last:1", "--out", "compared", "--epochs", "1", "--seeds", "2"},
		{"search", "--out", "searched", "--trials", "2", "--budget", "60s"},
		{"federate", "simulate", "--out", "fed", "--clients", "2", "--rounds", "2", "--val", "photos"},
	} {
		succeed(t, append(args, shared...)...)
	}
	made, err := os.ReadFile("runs/a/report.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		out  string
		has  []string
	}{
		{[]string{"runs/a"}, "runs/a/report.html", []string{"Run a", "What was frozen"}},
		{[]string{"runs/a", "--no-examples", "--out", "shared.html"}, "shared.html", []string{"Run a"}},
		{[]string{"runs", "--out", "both.html"}, "both.html", []string{"2 runs.", `href="./runs/b/report.html"`}},
		{[]string{"compared"}, "compared/report.html", []string{"Comparison compared", "plans over 2 seeds"}},
		{[]string{"searched"}, "searched/search.html", []string{"Search searched"}},
		{[]string{"fed"}, "fed/federation.html", []string{"Federation fed"}},
		{[]string{"runs/a", "compared", "searched", "fed", "--out", "all.html"}, "all.html", []string{"2 runs, 1 comparison of plans, 2 more.", `href="./searched/search.html"`, `href="./fed/federation.html"`}},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			o := permafrostRun(t, append(append([]string{"report"}, c.args...), "--json")...)
			var said struct {
				Out   string
				Bytes int
			}
			if err := json.Unmarshal([]byte(o.stdout), &said); err != nil || filepath.ToSlash(said.Out) != c.out {
				t.Fatalf("%s, %s, %v", o.stdout, o.stderr, err)
			}
			b, err := os.ReadFile(said.Out)
			if err != nil || len(b) != said.Bytes {
				t.Fatalf("%d bytes, %d said, %v", len(b), said.Bytes, err)
			}
			charttest.Check(t, b)
			for _, text := range c.has {
				if !strings.Contains(string(b), text) {
					t.Errorf("the page lacks %q", text)
				}
			}
		})
	}
	if again, err := os.ReadFile("runs/a/report.html"); err != nil || string(again) != string(made) {
		t.Errorf("report makes another page than fit (%v)", err)
	}
}
