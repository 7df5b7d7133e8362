package permafrost_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/internal/chart/charttest"
	"github.com/permafrost-ml/permafrost/internal/facts"
)

// reportOf is the page and the facts of a run folder.
func reportOf(t *testing.T, dir string) (string, *facts.Facts) {
	t.Helper()
	page := read(t, dir, permafrost.ReportFile)
	charttest.Check(t, page)
	f, err := facts.Read(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	return string(page), f
}

// TestFitReport: a fit writes its report, with its own blocks, costs and mistakes.
func TestFitReport(t *testing.T) {
	dir, model, photos := pretrained()
	defer os.RemoveAll(dir)
	t.Setenv("PERMAFROST_CACHE", "off")
	for _, c := range []struct {
		name   string
		change func(*permafrost.Config)
		has    string
	}{
		{"head", func(c *permafrost.Config) {}, "What freezing saved"},
		{"last epoch", func(c *permafrost.Config) { c.Keep = "last" }, "What freezing saved"},
		{"averaged", func(c *permafrost.Config) { c.Thaw, c.Average = []string{"all"}, "ema:0.9" }, "There is no frontier"},
		{"scheduled", func(c *permafrost.Config) { c.Schedule = "gradual" }, "What trained when"},
		{"adapter", func(c *permafrost.Config) { c.Adapter = "lora:2" }, "partly thawed"},
		{"auto", func(c *permafrost.Config) { c.Auto = true }, "The race of --auto"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := permafrost.DefaultConfig()
			cfg.Model, cfg.Data, cfg.Val, cfg.Out, cfg.Epochs, cfg.Batch = model, photos, photos, filepath.Join(t.TempDir(), "run"), 3, 5
			c.change(&cfg)
			r, err := permafrost.Fit(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			page, f := reportOf(t, cfg.Out)
			if !strings.Contains(page, c.has) {
				t.Errorf("the page lacks %q", c.has)
			}
			params, thawed := 0, 0
			for _, b := range f.Blocks {
				params, thawed = params+b.Params, thawed+b.Thawed
			}
			if params != r.ParamsTotal || thawed != r.ParamsThawed {
				t.Errorf("blocks of %d parameters, %d thawed; the fit has %d, %d", params, thawed, r.ParamsTotal, r.ParamsThawed)
			}
			// the mistakes are those of the weights that were written
			wrong := 0
			for i, row := range r.Confusion {
				for j, n := range row {
					if i != j {
						wrong += int(n)
					}
				}
			}
			if !f.Judged || f.MistakesCount != wrong || len(f.Mistakes) != wrong || strings.Count(page, "<img") != wrong {
				t.Errorf("%d mistakes, %d kept, %d pictures; the matrix has %d", f.MistakesCount, len(f.Mistakes), strings.Count(page, "<img"), wrong)
			}
			var again bytes.Buffer
			if err := permafrost.Report(&again, []string{cfg.Out}, permafrost.ReportOptions{}); err != nil || again.String() != page {
				t.Errorf("made again, the page is another one (%v)", err)
			}
			again.Reset()
			if err := permafrost.Report(&again, []string{cfg.Out}, permafrost.ReportOptions{NoExamples: true}); err != nil || strings.Contains(again.String(), "<img") {
				t.Errorf("without examples there are some (%v)", err)
			}
		})
	}
}

// TestReportOfBroken: a run that was interrupted or failed has a report of what is known.
func TestReportOfBroken(t *testing.T) {
	dir, model, photos := pretrained()
	defer os.RemoveAll(dir)
	t.Setenv("PERMAFROST_CACHE", "off")
	cfg := permafrost.DefaultConfig()
	cfg.Model, cfg.Data, cfg.Epochs, cfg.Batch = model, photos, 50, 5

	cfg.Out = filepath.Join(dir, "interrupted")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	_, err := permafrost.Fit(ctx, cfg, permafrost.OnEvent(func(e permafrost.Event) {
		if e, ok := e.(*permafrost.EpochEnd); ok && e.Epoch == 2 {
			stop()
		}
	}))
	if !errors.Is(err, permafrost.ErrInterrupted) {
		t.Fatalf("%v", err)
	}
	if page, f := reportOf(t, cfg.Out); !strings.Contains(page, "it can be resumed") || len(f.Blocks) == 0 || f.Full != nil {
		t.Errorf("%+v", f)
	}
	cfg.Epochs = 50
	if _, err := permafrost.Resume(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if page, _ := reportOf(t, cfg.Out); !strings.Contains(page, "What freezing saved") {
		t.Error("the resumed run has the report of the interrupted one")
	}

	cfg.Out, cfg.Thaw, cfg.LR = filepath.Join(dir, "failed"), []string{"all"}, 1e30
	if _, err := permafrost.Fit(t.Context(), cfg); err == nil {
		t.Fatal("no error")
	}
	if page, _ := reportOf(t, cfg.Out); !strings.Contains(page, "Then it failed") {
		t.Error("the page of a failed run does not say so")
	}

	var both bytes.Buffer
	if err := permafrost.Report(&both, []string{filepath.Join(dir, "interrupted"), filepath.Join(dir, "failed")}, permafrost.ReportOptions{At: dir}); err != nil {
		t.Fatal(err)
	}
	charttest.Check(t, both.Bytes())
	if !strings.Contains(both.String(), `href="./failed/report.html"`) {
		t.Error("the page of both lacks a link to the report of one")
	}
	if err := permafrost.Report(&both, []string{photos}, permafrost.ReportOptions{}); !errors.Is(err, permafrost.ErrBadInput) {
		t.Errorf("a folder without a run: %v", err)
	}
}

// TestReportProblem: a report that cannot be written is a warning, and the fit has its result.
func TestReportProblem(t *testing.T) {
	dir, model, photos := pretrained()
	defer os.RemoveAll(dir)
	cfg := permafrost.DefaultConfig()
	cfg.Model, cfg.Data, cfg.Out, cfg.Epochs = model, photos, filepath.Join(dir, "run"), 2
	var warned []string
	_, err := permafrost.Fit(t.Context(), cfg, permafrost.OnEvent(func(e permafrost.Event) {
		switch e := e.(type) {
		case *permafrost.EpochEnd:
			if err := os.MkdirAll(filepath.Join(cfg.Out, permafrost.ReportFile, "in the way"), 0o755); err != nil {
				t.Error(err)
			}
		case *permafrost.Warning:
			warned = append(warned, e.Message)
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := json.Marshal(warned)
	if !strings.Contains(string(b), "could not be written") {
		t.Errorf("warnings %s", b)
	}
}
