package dash_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// screenshotsVariable names a folder for the screenshots, in place of the test's artefacts.
const screenshotsVariable = "PERMAFROST_SCREENSHOTS"

// tab is a tab of a browser. What is done in it is logged.
type tab struct {
	t    *testing.T
	ctx  context.Context
	base string
	dir  string
}

// browser finds a browser, or skips the test.
func browser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "headless-shell"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("needs Chromium (apt-get install chromium)")
	return ""
}

// newTab opens a tab on a server.
func newTab(t *testing.T, base string) *tab {
	t.Helper()
	path := browser(t)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()))
	alloc, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("the browser does not start: %v", err)
	}
	dir := os.Getenv(screenshotsVariable)
	if dir == "" {
		dir = t.ArtifactDir()
	} else {
		must(t, os.MkdirAll(dir, 0o777))
	}
	return &tab{t, ctx, base, dir}
}

// do runs actions within a time.
func (b *tab) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
}

// eval is the value of an expression.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// open opens a page and waits for its script.
func (b *tab) open(path string) {
	b.t.Helper()
	b.t.Logf("open %s", path)
	b.do("open "+path, chromedp.Navigate(b.base+path))
	b.wait(`document.documentElement.dataset.ready === "1"`)
}

// wait waits until an expression holds.
func (b *tab) wait(expression string) {
	b.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(30 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		cancel()
		if err == nil && ok { // an error: the page is just being replaced
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("this does not come to hold: %s (%v)\n%s", expression, err, eval[string](b, "document.body.innerText.slice(0, 2000)"))
		}
	}
}

// click clicks the first element that a selector finds. It finds it again where the page was drawn
// anew before the click.
func (b *tab) click(selector string) {
	b.t.Helper()
	b.t.Logf("click %s: %q", selector, eval[string](b, fmt.Sprintf("((document.querySelector(%q) || {}).textContent || '').trim().slice(0, 60)", selector)))
	click := chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible)
	b.do("click "+selector, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		for {
			if _, err := click(ctx, t); err == nil || !strings.Contains(err.Error(), "Could not find node") {
				return err
			}
		}
	}))
}

// write types a text into a field.
func (b *tab) write(selector, text string) {
	b.t.Helper()
	b.t.Logf("write %q into %s", text, selector)
	b.do("write", chromedp.Focus(chromedp.CSS(selector)))
	eval[bool](b, fmt.Sprintf("document.querySelector(%q).select() || true", selector))
	b.do("write", chromedp.KeyEvent(kb.Backspace), chromedp.KeyEvent(text))
}

// press presses keys.
func (b *tab) press(keys ...string) {
	b.t.Helper()
	for _, k := range keys {
		b.t.Logf("press %q", k)
		b.do("press", chromedp.KeyEvent(k))
	}
}

// screen sets the size of the window and the theme of the system.
func (b *tab) screen(width, height int64, theme string) {
	b.t.Helper()
	b.do("screen", chromedp.EmulateViewport(width, height), chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
		return err
	}))
}

// shots keeps pictures of the page as it is, in light, dark and on a phone, and checks each.
func (b *tab) shots(name string) {
	b.t.Helper()
	for _, s := range []struct {
		kind          string
		width, height int64
		theme         string
	}{{"light", 1280, 860, "light"}, {"dark", 1280, 860, "dark"}, {"phone", 390, 844, "light"}} {
		b.screen(s.width, s.height, s.theme)
		time.Sleep(300 * time.Millisecond) // curves are drawn again
		ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
		png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
		cancel()
		must(b.t, err)
		file := filepath.Join(b.dir, name+"-"+s.kind+".png")
		must(b.t, os.WriteFile(file, png, 0o666))
		b.t.Logf("picture %s (%d bytes)", filepath.Base(file), len(png))
		if wide := eval[float64](b, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); wide > 0 {
			b.t.Errorf("%s, %s: the page is %g pixels wider than the window: %s", name, s.kind, wide, eval[string](b, `[...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1 && !e.closest(".scroll, .plots, .picture, pre, .command")).slice(0, 5).map((e) => e.tagName + "." + e.className).join(" ")`))
		}
		b.axe(name + ", " + s.kind)
	}
	b.screen(1280, 860, "light")
}

// axe fails where axe-core finds something serious.
func (b *tab) axe(what string) {
	b.t.Helper()
	f, err := os.Open(filepath.Join("testdata", "axe.min.js.gz"))
	must(b.t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	must(b.t, err)
	script, err := io.ReadAll(z)
	must(b.t, err)
	if !eval[bool](b, "typeof axe === 'object'") {
		eval[bool](b, string(script)+"; true")
	}
	var found []struct {
		ID, Impact, Help string
		Nodes            []struct {
			HTML           string
			FailureSummary string
		}
	}
	text := eval[string](b, `axe.run(document, {resultTypes: ["violations"]}).then((r) => JSON.stringify(r.violations))`)
	must(b.t, json.Unmarshal([]byte(text), &found))
	for _, v := range found {
		var where []string
		for _, n := range v.Nodes[:min(3, len(v.Nodes))] {
			where = append(where, n.HTML+" "+n.FailureSummary)
		}
		report := b.t.Logf
		if v.Impact == "serious" || v.Impact == "critical" {
			report = b.t.Errorf
		}
		report("axe: %s: %s (%s), %d times: %s", what, v.ID, v.Impact, len(v.Nodes), strings.Join(where, "\n"))
	}
	if len(found) == 0 {
		b.t.Logf("axe: %s: nothing", what)
	}
}
