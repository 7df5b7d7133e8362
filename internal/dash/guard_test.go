package dash_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost/internal/dash"
)

// ask sends a request and returns the answer with its text. It follows no redirect.
func ask(t testing.TB, h *httptest.Server, method, path string, form url.Values, change func(r *http.Request)) (*http.Response, string) {
	t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(t.Context(), method, h.URL+path, body)
	must(t, err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if change != nil {
		change(r)
	}
	c := &http.Client{Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	a, err := c.Do(r)
	must(t, err)
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	must(t, err)
	return a, string(b)
}

func get(t testing.TB, h *httptest.Server, path string) (int, string) {
	t.Helper()
	a, text := ask(t, h, "GET", path, nil, nil)
	return a.StatusCode, text
}

func TestOtherSitesAreRefused(t *testing.T) {
	h := newWorld(t).serve(t, func(o *dash.Options) { o.Hosts = []string{"lab.example.org"} })
	_, port, err := net.SplitHostPort(strings.TrimPrefix(h.URL, "http://"))
	must(t, err)
	for _, c := range []struct {
		what    string
		method  string
		host    string
		headers map[string]string
		want    int
	}{
		{"a person", "GET", "", nil, 200},
		{"a typed address", "GET", "", map[string]string{"Sec-Fetch-Site": "none"}, 200},
		{"its own page", "GET", "", map[string]string{"Sec-Fetch-Site": "same-origin"}, 200},
		{"another site", "GET", "", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"another port of the machine", "GET", "", map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		{"another origin, in an old browser", "GET", "", map[string]string{"Origin": "http://evil.example"}, 403},
		{"a form of another site", "POST", "", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"a form of another origin", "POST", "", map[string]string{"Origin": "http://evil.example"}, 403},
		{"a form of no origin", "POST", "", map[string]string{"Origin": "null"}, 403},
		{"a name that was rebound", "GET", "evil.example:" + port, nil, 421},
		{"such a name in capitals, with a dot", "GET", "LOCALHOST.:" + port, nil, 200},
		{"a name that ends like ours", "GET", "localhost.evil.example", nil, 421},
		{"an address in numbers", "GET", "[::1]:" + port, nil, 200},
		{"a name that was given", "GET", "lab.example.org", nil, 200},
	} {
		path := "/"
		var form url.Values
		if c.method == "POST" {
			path, form = "/stop/head", url.Values{}
		}
		a, _ := ask(t, h, c.method, path, form, func(r *http.Request) {
			if c.host != "" {
				r.Host = c.host
			}
			for k, v := range c.headers {
				r.Header.Set(k, v)
			}
		})
		if a.StatusCode != c.want {
			t.Errorf("%s: status %d, want %d", c.what, a.StatusCode, c.want)
		}
		if csp := a.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", c.what, csp)
		}
	}
}

func TestToken(t *testing.T) {
	const token = "sixteen-letters-x"
	h := newWorld(t).serve(t, func(o *dash.Options) { o.Token = token })
	for _, path := range []string{"/", "/run/head", "/series/head", "/report/head", "/plan", "/rows", "/events", "/live/head"} {
		if status, text := get(t, h, path); status != 401 || strings.Contains(text, "tiny.onnx") {
			t.Errorf("%s without a token: status %d, %q", path, status, text)
		}
	}
	a, _ := ask(t, h, "POST", "/stop/head", url.Values{}, nil)
	if a.StatusCode != 401 {
		t.Errorf("stop without a token: %d", a.StatusCode)
	}
	if a, _ := ask(t, h, "GET", "/?token=sixteen-letters-y", nil, nil); a.StatusCode != 401 || len(a.Cookies()) > 0 {
		t.Errorf("a wrong token: %d, %v", a.StatusCode, a.Cookies())
	}
	for what, ask := range map[string]func() *http.Response{
		"address": func() *http.Response { a, _ := ask(t, h, "GET", "/?token="+token, nil, nil); return a },
		"form": func() *http.Response {
			a, _ := ask(t, h, "POST", "/token", url.Values{"token": {token}}, nil)
			return a
		},
	} {
		a := ask()
		if a.StatusCode != 303 || a.Header.Get("Location") != "/" || len(a.Cookies()) != 1 {
			t.Fatalf("%s: %d to %q with %v", what, a.StatusCode, a.Header.Get("Location"), a.Cookies())
		}
		c := a.Cookies()[0]
		if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || strings.Contains(c.Value, token) {
			t.Errorf("%s: cookie %v", what, c)
		}
		if status, _ := getWith(t, h, "/run/head", c); status != 200 {
			t.Errorf("%s: with the cookie %d", what, status)
		}
	}
	if status, _ := getWith(t, h, "/run/head", &http.Cookie{Name: "permafrost-ui", Value: token}); status != 401 {
		t.Errorf("the token itself as cookie: %d", status)
	}
	if a, _ := ask(t, h, "GET", "/rows", nil, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }); a.StatusCode != 200 {
		t.Errorf("bearer: %d", a.StatusCode)
	}
}

func getWith(t *testing.T, h *httptest.Server, path string, c *http.Cookie) (int, string) {
	a, text := ask(t, h, "GET", path, nil, func(r *http.Request) { r.AddCookie(c) })
	return a.StatusCode, text
}

// TestNothingOutsideIsRead: neither a path nor a link leads out of the folder of the runs, and the
// plan page names nothing that it was not given.
func TestNothingOutsideIsRead(t *testing.T) {
	w := newWorld(t)
	const secret = "TOPSECRET"
	out := filepath.Join(w.dir, "outside")
	must(t, os.CopyFS(out, os.DirFS(filepath.Join(w.runs, "head"))))
	for _, name := range []string{"report.html", "run.yaml", "events.jsonl"} {
		b, err := os.ReadFile(filepath.Join(out, name))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(out, name), append([]byte(secret), b...), 0o666))
	}
	must(t, os.Symlink(out, filepath.Join(w.runs, "linked")))
	must(t, os.Mkdir(filepath.Join(w.runs, "half"), 0o777))
	for _, name := range []string{"report.html", "run.yaml", "events.jsonl"} {
		must(t, os.Symlink(filepath.Join(out, name), filepath.Join(w.runs, "half", name)))
	}
	must(t, os.Symlink(out, filepath.Join(w.dir, "models", "linked")))
	must(t, os.Symlink(w.model, filepath.Join(w.dir, "models", "same.onnx")))
	h := w.serve(t, nil)
	for _, page := range []string{"run", "series", "epochs", "live", "report"} {
		for _, p := range []string{"linked", "half", "../outside", "..%2foutside", "%2e%2e/outside", "head/../../outside", "/etc", "%2fetc", "head%00", "..\\outside", "head/../../../../../../etc/passwd", "C:/Windows"} {
			a, text := ask(t, h, "GET", "/"+page+"/"+p, nil, nil)
			if a.StatusCode/100 == 2 || strings.Contains(text, secret) {
				t.Errorf("GET /%s/%s: status %d", page, p, a.StatusCode)
			}
		}
	}
	for _, p := range []string{"linked", "../outside", "/etc", out} {
		if status, text := get(t, h, "/compare?run="+url.QueryEscape(p)); status/100 == 2 || strings.Contains(text, secret) {
			t.Errorf("compare %s: %d", p, status)
		}
	}
	if _, text := get(t, h, "/"); strings.Contains(text, "linked") || strings.Contains(text, secret) {
		t.Error("the list shows what is linked from outside")
	}
	for _, c := range []struct{ model, data string }{
		{filepath.Join(w.runs, "head", "model.onnx"), ""}, {"/etc/passwd", ""}, {filepath.Join(w.dir, "models", "..", "runs", "head", "model.onnx"), ""},
		{filepath.Join(w.dir, "models", "linked", "model.onnx"), ""}, {w.model, "/etc"}, {w.model, w.runs}, {w.model, filepath.Join(w.dir, "data", "..")}, {"hf:a/b", ""}, {w.model, "hf:datasets/a/b"},
	} {
		v := url.Values{"model": {c.model}, "data": {c.data}}
		for _, path := range []string{"/plan/state", "/plan/cost", "/plan/start"} {
			_, text := ask(t, h, "POST", path, v, nil)
			if !strings.Contains(text, "is not among the") {
				t.Errorf("%s of %v: %s", path, c, text)
			}
		}
	}
}

func TestBounds(t *testing.T) {
	h := newWorld(t).serve(t, nil)
	a, _ := ask(t, h, "POST", "/plan/state", url.Values{"thaw": {strings.Repeat("x", 1<<20)}}, nil)
	if a.StatusCode != 413 {
		t.Errorf("a form of 1 MiB: %d", a.StatusCode)
	}
	for _, c := range []struct {
		method, path string
		want         int
	}{{"GET", "/nothing", 404}, {"GET", "/assets/../page.go", 404}, {"GET", "/assets/list.html", 404}, {"DELETE", "/run/head", 405}, {"GET", "/stop/head", 405}, {"POST", "/run/head", 405}, {"GET", "/run/none", 404}, {"POST", "/stop/head", 409}} {
		var form url.Values
		if c.method == "POST" {
			form = url.Values{}
		}
		a, _ := ask(t, h, c.method, c.path, form, nil)
		if a.StatusCode != c.want && !(a.StatusCode == 404 && c.want == 405) && a.StatusCode/100 != 3 {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, a.StatusCode, c.want)
		}
	}
}
