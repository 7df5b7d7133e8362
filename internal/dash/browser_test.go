package dash_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"
	"github.com/permafrost-ml/permafrost/internal/dash"
)

// TestBrowser goes through every page as a person does, with the mouse and with keys, keeps a picture
// of each, and lets axe-core look at it.
func TestBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("it goes through every page")
	}
	browser(t)
	w := newWorld(t)
	w.more(t)
	h := w.serve(t, func(o *dash.Options) { o.Poll = 50 * time.Millisecond })
	b := newTab(t, h.URL)
	b.screen(1280, 860, "light")

	t.Log("the list: filter, sort, choose, compare")
	b.open("/")
	b.wait(`document.querySelectorAll("#runs tbody tr").length === 8`)
	b.shots("list")
	b.press("/")
	b.wait(`document.activeElement.name === "q"`)
	b.write("input[name=q]", "last")
	b.wait(`document.querySelectorAll("#runs tbody tr").length === 1`)
	b.write("input[name=q]", "")
	b.wait(`document.querySelectorAll("#runs tbody tr").length > 3`)
	b.click(`th a[href*="sort=metric"]`)
	b.wait(`document.querySelector("th[aria-sort=descending]").textContent === "metric" && document.documentElement.dataset.ready`)
	b.click(`input[value="head"]`)
	b.click(`input[value="deep/last"]`)
	b.wait(`document.querySelector("#compare").textContent === "Compare 2"`)
	b.press(kb.ArrowDown)
	if got := eval[string](b, "document.activeElement.name"); got != "run" {
		t.Errorf("the arrow key goes to %q", got)
	}
	b.click("#compare")
	b.wait(`location.pathname === "/compare" && document.documentElement.dataset.ready`)
	b.shots("compare")

	t.Log("a run")
	b.open("/run/deep/last")
	b.wait(`document.querySelectorAll(".plot canvas").length === 4`)
	b.shots("run")
	b.click("#epochs summary")
	b.wait(`document.querySelectorAll("#epochs tbody tr").length === 3`)
	b.open("/run/broken")
	b.shots("failed")
	b.open("/run/stopped")
	b.wait(`document.querySelector("#halted").textContent.includes("16 of 48 examples") && !document.querySelector(".plot")`)
	b.shots("stopped")

	t.Log("a search, a federation, a comparison")
	b.open("/run/hunt")
	b.wait(`document.querySelector("#trials .filter:not([hidden]) input")`)
	b.shots("search")
	b.write("#trials .filter input", "head")
	b.wait(`document.querySelector("#trials [role=status]").textContent.includes(" of 8")`)
	b.wait(`document.querySelector("#front path.off") || document.querySelectorAll("#trials tbody tr[hidden]").length >= 0`)
	b.click("#trials tbody tr:not([hidden]) th")
	b.wait(`!document.querySelector("#tip").hidden`)
	b.open("/run/clinics")
	b.shots("federation")
	b.open("/run/plans")
	b.shots("plans")

	t.Log("the plan page: thaw by mouse, by keys and by selector, unfold, start, stop")
	b.open("/plan")
	b.shots("models")
	b.open("/plan?" + url.Values{"model": {w.model}, "data": {w.data}}.Encode())
	b.wait(`document.querySelector("#tree").dataset.measured === "1"`)
	b.click("#part-1 .name")
	b.wait(`document.querySelector("[data-part='1'] svg .node")`)
	b.click("#part-1 .thaw")
	b.wait(`document.querySelector("#part-1").getAttribute("aria-checked") === "true" && document.querySelector("input[name=thaw]").value === "head,blocks.1"`)
	b.wait(`document.querySelector("#how").textContent.startsWith("From runs")`)
	b.shots("plan")
	b.press(kb.ArrowUp)
	if got := eval[string](b, "document.activeElement.id"); got != "part-0" {
		t.Errorf("the arrow key goes to %q", got)
	}
	b.press(" ")
	b.wait(`document.querySelector("#part-0").getAttribute("aria-checked") === "true"`)
	b.press(kb.ArrowRight)
	b.wait(`document.querySelector("[data-part='0'] .layer")`)
	b.press(kb.ArrowRight)
	if got := eval[string](b, "document.activeElement.id"); !strings.Contains(got, "layer") {
		t.Errorf("the arrow key goes to %q", got)
	}
	b.press(kb.ArrowLeft, kb.End, kb.Home, kb.ArrowLeft)
	b.wait(`document.querySelector("#part-0").getAttribute("aria-expanded") === "false"`)
	b.write("input[name=thaw]", "all")
	b.wait(`document.querySelectorAll(".part.warm").length === document.querySelectorAll(".part").length`)
	b.write("input[name=thaw]", "nothing.there")
	b.wait(`!document.querySelector("#error").hidden && document.querySelector("#error").textContent.includes("nearest")`)
	b.write("input[name=thaw]", "all")
	b.wait(`document.querySelector("#error").hidden`)
	b.write("input[name=epochs]", "1000000")
	b.write("input[name=name]", "from-the-page")
	b.click("#start")
	b.wait(`location.pathname === "/run/from-the-page" && document.querySelector("#run") && document.querySelector("#run").dataset.ready`)
	b.wait(`document.querySelector("#said").textContent.startsWith("epoch") && document.querySelector(".stop")`)
	b.wait(`(document.querySelector(".plot").getAttribute("aria-description") || "").match(/epoch [0-9]+: validation/)`)
	b.shots("live")
	b.click(".stop")
	b.wait(`document.querySelector(".state.interrupted")`)

	t.Log("the theme")
	b.open("/")
	for _, want := range []string{"dark", "light", ""} {
		b.click(".theme button")
		b.wait(`document.querySelector("link[rel=stylesheet]").href.includes("theme=` + want + `&") && document.documentElement.dataset.ready`)
	}

	t.Log("without a run, and with a token")
	empty := (&world{dir: w.dir, runs: t.TempDir()}).serve(t, func(o *dash.Options) { o.Token = "a-token-that-is-long" })
	b.base = empty.URL
	b.open("/")
	b.shots("token")
	b.write("input[name=token]", "wrong")
	b.click(".sign-in button")
	b.wait(`document.querySelector("[role=alert]")`)
	b.write("input[name=token]", "a-token-that-is-long")
	b.click(".sign-in button")
	b.wait(`document.querySelector(".empty")`)
	b.shots("empty")

	t.Log("a model that comes from a hub: how far it is, stop, go on")
	free := slowHub(t, w.model)
	b.base = w.serve(t, func(o *dash.Options) { o.Models, o.Poll = []string{"hf:lab/tiny"}, 50*time.Millisecond }).URL
	b.open("/plan?model=hf:lab/tiny")
	b.wait(`document.querySelector("#fetch #said").textContent.includes(" of ") && document.querySelector("#progress").value > 0`)
	b.shots("fetch")
	b.click(".stop")
	b.wait(`document.querySelector("#error").textContent.includes("was stopped") && !document.querySelector("#fetch")`)
	b.open("/plan?model=hf:lab/tiny")
	b.wait(`document.querySelector("#fetch")`)
	free.Store(true)
	b.wait(`document.querySelector("#tree")`)
}
