package dash_test

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost/internal/fixture"
)

// manyRuns writes n runs like the one of the head.
func (w *world) manyRuns(t testing.TB, n int) {
	t.Helper()
	options, err := os.ReadFile(filepath.Join(w.runs, "head", "run.yaml"))
	must(t, err)
	events, err := os.ReadFile(filepath.Join(w.runs, "head", "events.jsonl"))
	must(t, err)
	for i := range n {
		dir := filepath.Join(w.runs, fmt.Sprintf("sweep-%d", i%20), fmt.Sprintf("run-%04d", i))
		must(t, os.MkdirAll(dir, 0o777))
		must(t, os.WriteFile(filepath.Join(dir, "run.yaml"), options, 0o666))
		must(t, os.WriteFile(filepath.Join(dir, "events.jsonl"), events, 0o666))
		at := time.Now().Add(-time.Duration(i) * time.Minute)
		must(t, os.Chtimes(filepath.Join(dir, "events.jsonl"), at, at))
	}
}

// longRun writes a run of n epochs of three steps.
func (w *world) longRun(t testing.TB, n int) {
	t.Helper()
	dir := filepath.Join(w.runs, "long")
	must(t, os.CopyFS(dir, os.DirFS(filepath.Join(w.runs, "head"))))
	events, err := os.ReadFile(filepath.Join(dir, "events.jsonl"))
	must(t, err)
	var b bytes.Buffer
	var steps, epoch, end string
	for line := range strings.Lines(string(events)) {
		switch {
		case strings.Contains(line, `"type":"step"`):
			steps += line
		case strings.Contains(line, `"type":"epoch"`):
			epoch = line
		case strings.Contains(line, `"type":"run_end"`):
			end = line
		case strings.Contains(line, `"type":"epoch_start"`), strings.Contains(line, `"type":"checkpoint"`):
		case strings.Contains(line, `"type":"diagnosis"`):
			end = line + end
		default:
			b.WriteString(line)
		}
	}
	for i := range n {
		b.WriteString(steps)
		b.WriteString(strings.Replace(epoch, `"epoch":3`, fmt.Sprintf(`"epoch":%d`, i+1), 1))
	}
	b.WriteString(end)
	must(t, os.WriteFile(filepath.Join(dir, "events.jsonl"), b.Bytes(), 0o666))
	t.Logf("a run of %d epochs: %d MB of events", n, b.Len()>>20)
}

// TestLarge opens pages that have much to show, and logs how long each takes: until the browser first
// paints, and until it answers.
func TestLarge(t *testing.T) {
	if testing.Short() {
		t.Skip("it writes 2,000 runs")
	}
	browser(t)
	w := newWorld(t)
	w.manyRuns(t, 2000)
	w.longRun(t, 10000)
	deep := filepath.Join(w.dir, "models", "deep.onnx")
	must(t, fixture.WriteChain(deep, 665, 10, 1))
	h := w.serve(t, nil) // it has read nothing yet
	b := newTab(t, h.URL)
	b.screen(1280, 860, "light")
	pages := []struct{ name, path, ready string }{
		{"2,000 runs", "/", `document.querySelectorAll("#runs tbody tr").length > 99`},
		{"2,000 runs by metric", "/?sort=metric&down=1", `document.querySelectorAll("#runs tbody tr").length > 99`},
		{"10,000 epochs", "/run/long", `document.querySelectorAll(".plot canvas").length === 4`},
		{"a network of 2,000 nodes", "/plan?" + url.Values{"model": {deep}}.Encode(), `document.querySelectorAll(".part").length > 99`},
	}
	// The first visit finds a server that has read nothing. Of the others the shortest counts, as it was
	// disturbed least by other programs.
	for _, p := range pages {
		var first, best []float64
		for range 6 {
			b.open(p.path)
			b.wait(p.ready)
			b.wait(`performance.getEntriesByName("first-contentful-paint").length && performance.getEntriesByName("interactive").length`)
			times := eval[[]float64](b, `[performance.getEntriesByType("navigation")[0].responseStart, performance.getEntriesByName("first-contentful-paint")[0].startTime, performance.getEntriesByName("interactive")[0].startTime]`)
			if first == nil {
				first, best = times, slices.Clone(times)
			}
			for i := range best {
				best[i] = min(best[i], times[i])
			}
		}
		t.Logf("%s: first byte, first paint, interactive: %.0f, %.0f, %.0f ms; the first visit %.0f, %.0f, %.0f ms", p.name, best[0], best[1], best[2], first[0], first[1], first[2])
	}
	t.Logf("nodes: %s", eval[string](b, `document.querySelector("#thawed").textContent`))
	// what a click takes until the answer is painted
	eval[bool](b, `(window.clicked = performance.now(), document.querySelector("[data-part='400'] .thaw").click(), true)`)
	b.wait(`document.querySelector("[data-part='400'] .row").getAttribute("aria-checked") === "true" && (window.atThawed = window.atThawed || performance.now())`)
	b.wait(`document.querySelector("#how").textContent.startsWith("From runs") && (window.atMeasured = window.atMeasured || performance.now())`)
	t.Logf("a click in it: thawed after %.0f ms, measured after %.0f ms", eval[float64](b, "window.atThawed - window.clicked"), eval[float64](b, "window.atMeasured - window.clicked"))
	eval[bool](b, `(window.clicked = performance.now(), document.querySelector("[data-part='200'] .name").click(), true)`)
	b.wait(`document.querySelector("[data-part='200'] svg") && (window.atOpened = window.atOpened || performance.now())`)
	t.Logf("a part of it opened after %.0f ms", eval[float64](b, "window.atOpened - window.clicked"))
}
