package dash_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost/internal/chart/charttest"
	"github.com/permafrost-ml/permafrost/internal/dash"
)

// order are the runs of a list, in its order.
func order(text string) string {
	var names []string
	for part := range strings.SplitSeq(text, `name="run" value="`) {
		name, _, _ := strings.Cut(part, `"`)
		names = append(names, name)
	}
	return strings.Join(names[1:], " ")
}

func TestList(t *testing.T) {
	h := newWorld(t).serve(t, nil)
	for _, c := range []struct{ query, want string }{
		{"?sort=name", "broken deep/last head stopped"},
		{"?sort=name&down=1", "stopped head deep/last broken"},
		{"?sort=name&q=photos+tiny", "broken deep/last head stopped"},
		{"?sort=name&state=failed", "broken"},
		{"?sort=name&q=DEEP", "deep/last"},
		{"?kind=search", ""},
		{"?sort=metric&q=photos", "deep/last head"},
		{"?sort=nonsense&q=head+done", "head"},
	} {
		status, text := get(t, h, "/"+c.query)
		if got := order(text); status != 200 || got != c.want && c.query != "?sort=metric&q=photos" {
			t.Errorf("%s: status %d, %q, want %q", c.query, status, got, c.want)
		}
		_, rows := get(t, h, "/rows"+c.query)
		if order(rows) != order(text) {
			t.Errorf("%s: rows %q, page %q", c.query, order(rows), order(text))
		}
	}
	_, text := get(t, h, "/?q=broken")
	if !strings.Contains(text, "the &lt;disk&gt; is full") {
		t.Error("why a run failed is not told, or not escaped")
	}
}

// TestEveryPageIsWhole: pages are HTML whose elements are closed and whose identifiers are there once.
func TestEveryPageIsWhole(t *testing.T) {
	w := newWorld(t)
	w.more(t)
	h := w.serve(t, nil)
	for path, want := range map[string]string{
		"/": "hunt", "/run/head": "What was frozen", "/run/deep/last": "last:1", "/run/broken": "the &lt;disk&gt; is full", "/run/stopped": "16 of 48 examples", "/run/hunt": "Pareto front", "/run/clinics": "Who took part", "/run/plans": "plans over 2 seeds",
		"/compare?run=head&run=deep/last&run=plans&run=hunt": "Options that differ", "/plan": "Choose a model",
		"/plan?model=" + url.QueryEscape(w.model): `role="tree"`, "/none": "no such page", "/run/none": "no such run",
	} {
		_, text := ask(t, h, "GET", path, nil, func(r *http.Request) { r.Header.Set("Accept", "text/html") })
		if !strings.Contains(text, want) {
			t.Errorf("%s does not say %q:\n%s", path, want, text)
		}
		charttest.Served(t, []byte(text))
	}
}

// TestReport: the report of a run is sent as from another site, with a policy that runs its own script.
func TestReport(t *testing.T) {
	h := newWorld(t).serve(t, nil)
	a, text := ask(t, h, "GET", "/report/head", nil, nil)
	if csp := a.Header.Get("Content-Security-Policy"); a.StatusCode != 200 || !strings.Contains(csp, "sandbox") || !strings.Contains(csp, "sha256-") || !strings.Contains(text, "Run head") {
		t.Errorf("report: %d, %q", a.StatusCode, csp)
	}
	if status, _ := get(t, h, "/report/broken"); status != 200 { // it is there, of another run
		t.Errorf("report of broken: %d", status)
	}
}

func TestSeries(t *testing.T) {
	h := newWorld(t).serve(t, nil)
	_, text := get(t, h, "/series/head")
	var s struct {
		Metric string
		Epoch  []int
		Val    []*float64
		At     int64
	}
	must(t, json.Unmarshal([]byte(text), &s))
	if s.Metric != "accuracy" || len(s.Epoch) != 3 || len(s.Val) != 3 || s.Val[2] == nil || s.At == 0 {
		t.Errorf("%s", text)
	}
	_, text = get(t, h, "/epochs/head")
	if strings.Count(text, "<tr") != 4 || !strings.Contains(text, "best") {
		t.Errorf("epochs: %s", text)
	}
}

// events reads the events of a stream until done returns true.
func events(t *testing.T, ctx context.Context, at string, done func(kind, data string) bool, began func()) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, "GET", at, nil)
	must(t, err)
	a, err := http.DefaultClient.Do(r)
	must(t, err)
	defer a.Body.Close()
	if began != nil {
		began()
	}
	kind := ""
	for s := bufio.NewScanner(a.Body); s.Scan(); {
		if k, ok := strings.CutPrefix(s.Text(), "event: "); ok {
			kind = k
		}
		if d, ok := strings.CutPrefix(s.Text(), "data: "); ok && done(kind, d) {
			return
		}
	}
	t.Fatalf("%s ended, or nothing came in time: %v", at, ctx.Err())
}

// TestLive: a page that is open sees the epochs of a run, and its end; the list sees a run that is new.
func TestLive(t *testing.T) {
	w := newWorld(t)
	h := w.serve(t, func(o *dash.Options) { o.Poll = 20 * time.Millisecond })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	dir := filepath.Join(w.runs, "now")
	must(t, os.MkdirAll(dir, 0o777))
	b, err := os.ReadFile(filepath.Join(w.runs, "head", "run.yaml"))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "run.yaml"), b, 0o666))
	all, err := os.ReadFile(filepath.Join(w.runs, "head", "events.jsonl"))
	must(t, err)
	lines := strings.SplitAfter(string(all), "\n")
	f, err := os.Create(filepath.Join(dir, "events.jsonl"))
	must(t, err)
	defer f.Close()
	next := 0
	until := func(kind string) { // writes lines up to one of that type
		for ; next < len(lines); next++ {
			_, err := f.WriteString(lines[next])
			must(t, err)
			if strings.Contains(lines[next], `"type":"`+kind+`"`) {
				next++
				return
			}
		}
	}
	until("plan")
	if _, text := get(t, h, "/run/now"); !strings.Contains(text, `data-live="/live/now"`) || !strings.Contains(text, "running") {
		t.Errorf("a run that goes on: %s", text)
	}
	_, series := get(t, h, "/series/now")
	var s struct{ At int64 }
	must(t, json.Unmarshal([]byte(series), &s))
	epochs, refreshed := 0, false
	events(t, ctx, h.URL+"/live/now?at="+strconv.FormatInt(s.At, 10), func(kind, data string) bool {
		switch kind {
		case "points":
			var p struct{ Epoch []int }
			must(t, json.Unmarshal([]byte(data), &p))
			epochs += len(p.Epoch)
			if epochs == 3 {
				until("run_end")
			}
		case "refresh":
			refreshed = epochs == 3
			if epochs == 3 && next >= len(lines)-1 {
				return true
			}
		}
		if epochs < 3 {
			until("epoch")
		}
		return false
	}, func() { until("epoch") })
	if !refreshed {
		t.Error("the end was not told")
	}
	if _, text := get(t, h, "/run/now"); strings.Contains(text, `data-live="/live/now"`) || !strings.Contains(text, "done") {
		t.Errorf("a run that has ended: %s", text)
	}
	events(t, ctx, h.URL+"/events?version=0", func(kind, data string) bool { return strings.Contains(data, `"total":5`) }, nil)
}

// TestPlan: thawing by selector and by click, what it costs, and what cannot be done.
func TestPlan(t *testing.T) {
	w := newWorld(t)
	h := w.serve(t, nil)
	type state struct {
		Error, Thaw, Freeze, Command string
		Parts                        []struct{ Class string }
		Layers                       map[string]string
		Cost                         *struct {
			Guess   bool
			Seconds float64
			Bytes   int64
		}
	}
	post := func(path string, fields ...string) (s state) {
		v := url.Values{"model": {w.model}, "data": {w.data}}
		for i := 0; i < len(fields); i += 2 {
			v.Set(fields[i], fields[i+1])
		}
		_, text := ask(t, h, "POST", path, v, nil)
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			t.Fatalf("%s: %s", path, text)
		}
		return s
	}
	classes := func(s state) string {
		var out []string
		for _, p := range s.Parts {
			out = append(out, p.Class)
		}
		return strings.Join(out, " ")
	}
	for _, c := range []struct {
		fields        []string
		thaw, classes string
		err           string
	}{
		{nil, "", "ice ice warm", ""},
		{[]string{"thaw", "all"}, "all", "warm warm warm", ""},
		{[]string{"thaw", "last:1"}, "last:1", "ice warm warm", ""},
		{[]string{"thaw", "all", "freeze", "first:1"}, "all", "ice warm warm", ""},
		{[]string{"toggle", "blocks.1", "on", "1"}, "head,blocks.1", "ice warm warm", ""},
		{[]string{"thaw", "head,blocks.1", "toggle", "blocks.1"}, "head", "ice ice warm", ""},
		{[]string{"thaw", "all", "toggle", "blocks.1"}, "all,!blocks.1", "warm ice warm", ""},
		{[]string{"thaw", "all,!blocks.1", "toggle", "blocks.1", "on", "1"}, "all,blocks.1", "warm warm warm", ""},
		{[]string{"thaw", "all", "freeze", "blocks.1", "toggle", "blocks.1", "on", "1"}, "all,blocks.1", "warm warm warm", ""},
		{[]string{"thaw", "rows:blocks.1.conv.weight[0:2,3]"}, "rows:blocks.1.conv.weight[0:2,3]", "ice mild warm", ""},
		{[]string{"thaw", "blokcs.1"}, "blokcs.1", "", "nearest names are"},
		{[]string{"epochs", "-1"}, "", "", "a whole number"},
		{[]string{"lr", "fast"}, "", "", "a number"},
		{[]string{"head", "round"}, "", "", "head"},
	} {
		s := post("/plan/state", c.fields...)
		if s.Thaw != c.thaw || classes(s) != c.classes || !strings.Contains(s.Error, c.err) || c.err == "" && s.Error != "" {
			t.Errorf("%v: thaw %q, parts %q, error %q; want %q, %q, %q", c.fields, s.Thaw, classes(s), s.Error, c.thaw, c.classes, c.err)
		}
	}
	s := post("/plan/cost", "thaw", "last:1", "epochs", "4")
	if s.Cost == nil || s.Cost.Seconds <= 0 || s.Cost.Bytes <= 0 || s.Cost.Guess || !strings.Contains(s.Command, "--thaw last:1") || !strings.Contains(s.Command, "--epochs 4") {
		t.Errorf("cost: %+v", s)
	}
	if s := post("/plan/state", "thaw", "last:1"); s.Cost == nil || !s.Cost.Guess || s.Cost.Bytes <= 0 {
		t.Errorf("a guess: %+v", s.Cost)
	}
	status, text := get(t, h, "/plan/block?part=1&model="+url.QueryEscape(w.model)+"&data="+url.QueryEscape(w.data))
	if status != 200 || !strings.Contains(text, "<svg") || !strings.Contains(text, `role="treeitem"`) || !strings.Contains(text, "Conv") {
		t.Errorf("a part: %d %s", status, text)
	}
	if status, _ := get(t, h, "/plan/block?part=99&model="+url.QueryEscape(w.model)); status != 422 {
		t.Errorf("a part that is not there: %d", status)
	}
}

// TestStartAndStop: a run is started from the plan page, seen, stopped, and left with a checkpoint.
func TestStartAndStop(t *testing.T) {
	w := newWorld(t)
	h := w.serve(t, func(o *dash.Options) { o.AtOnce = 1 })
	start := func(fields ...string) (*http.Response, string) {
		v := url.Values{"model": {w.model}, "data": {w.data}}
		for i := 0; i < len(fields); i += 2 {
			v.Set(fields[i], fields[i+1])
		}
		return ask(t, h, "POST", "/plan/start", v, nil)
	}
	for _, c := range []struct {
		fields []string
		want   string
	}{
		{[]string{"data", ""}, "name the data"},
		{[]string{"name", "../x"}, "letters, digits"},
		{[]string{"name", "head"}, "has it already"},
		{[]string{"name", "--resume"}, "letters, digits"},
		{[]string{"thaw", "nothing.there"}, "nearest names are"},
		{[]string{"epochs", "many"}, "a whole number"},
	} {
		if a, text := start(c.fields...); a.StatusCode != 422 || !strings.Contains(text, c.want) {
			t.Errorf("%v: %d, does not say %q", c.fields, a.StatusCode, c.want)
		}
	}
	a, text := start("name", "long", "epochs", "1000000", "thaw", "all")
	if a.StatusCode != 303 || a.Header.Get("Location") != "/run/long" {
		t.Fatalf("start: %d %s", a.StatusCode, text)
	}
	if a, text := start("name", "second"); a.StatusCode != 422 || !strings.Contains(text, "stop one, or wait") {
		t.Errorf("a second one: %d", a.StatusCode)
	}
	if _, text := get(t, h, "/run/long"); !strings.Contains(text, `action="/stop/long"`) {
		t.Errorf("no way to stop it: %s", text)
	}
	if a, text := ask(t, h, "POST", "/stop/long", url.Values{}, nil); a.StatusCode != 303 {
		t.Fatalf("stop: %d %s", a.StatusCode, text)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if _, text := get(t, h, "/run/long"); strings.Contains(text, `class="state interrupted"`) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it was not interrupted in a minute")
		}
	}
	if _, err := os.Stat(filepath.Join(w.runs, "long", "checkpoints", "last.safetensors")); err != nil {
		t.Error(err)
	}
}

// TestServe: a server that is told to stop interrupts the run that it has started, and ends.
func TestServe(t *testing.T) {
	w := newWorld(t)
	t.Setenv(fitVariable, "1")
	self, err := os.Executable()
	must(t, err)
	s, err := dash.New(dash.Options{Runs: w.runs, Models: []string{w.model}, Data: []string{w.data}, Program: []string{self}})
	must(t, err)
	defer s.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	if !dash.Local(l.Addr()) {
		t.Error("127.0.0.1 is not local")
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Serve(ctx, l) }()
	a, err := http.PostForm("http://"+l.Addr().String()+"/plan/start", url.Values{"model": {w.model}, "data": {w.data}, "name": {"cut"}, "epochs": {"1000000"}, "thaw": {"all"}})
	must(t, err)
	a.Body.Close()
	r, err := http.Get("http://" + l.Addr().String() + "/live/cut") // a stream that is open
	must(t, err)
	defer r.Body.Close()
	cancel()
	select {
	case err := <-ended:
		must(t, err)
	case <-time.After(time.Minute):
		t.Fatal("it did not end in a minute")
	}
	b, err := os.ReadFile(filepath.Join(w.runs, "cut", "events.jsonl"))
	must(t, err)
	if !strings.Contains(string(b), `"status":"interrupted"`) {
		t.Errorf("the run was not interrupted: %s", b)
	}
}
