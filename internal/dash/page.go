package dash

import (
	"bytes"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/permafrost-ml/permafrost/internal/chart"
	fedpage "github.com/permafrost-ml/permafrost/internal/fed/page"
	runpage "github.com/permafrost-ml/permafrost/internal/run/page"
	searchpage "github.com/permafrost-ml/permafrost/internal/trials/page"
)

//go:embed web
var web embed.FS

// templates has a template for every page, named after it.
var templates = sync.OnceValue(func() *template.Template {
	return chart.Layout(runpage.Parts + searchpage.Parts + fedpage.Parts + pagesOf("frame", "list", "run", "compare", "plan", "sign-in"))
})

func pagesOf(names ...string) string {
	var b strings.Builder
	for _, n := range names {
		b.Write(webFile(n + ".html"))
	}
	return b.String()
}

func webFile(name string) []byte {
	b, err := web.ReadFile("web/" + name)
	if err != nil {
		panic(err) // it was embedded
	}
	return b
}

// page is what every page shows.
type page struct {
	Title   string
	Section string // of the navigation: runs or plan
	Style   string // which further style it needs: search, federation, or none
	Theme   string // light, dark, or "" for that of the system
	Token   bool   // the page asks for a token
	Error   string
	Version string // of style and script
	Body    any
}

// assetVersion changes with every file that pages load, so that browsers may keep these.
var assetVersion = sync.OnceValue(func() string {
	sum := crc32.NewIEEE()
	for _, name := range []string{"app.js", "app.css", "uplot.js.gz", "uplot.css"} {
		_, _ = sum.Write(webFile(name))
	}
	p := chart.NewPage(runpage.CSS + searchpage.CSS + fedpage.CSS)
	_, _ = sum.Write([]byte(string(p.CSS) + string(p.JS)))
	return fmt.Sprintf("%08x", sum.Sum32())
})

// render writes a page.
func (s *Server) render(w http.ResponseWriter, r *http.Request, status int, name string, p page) {
	p.Theme, p.Version, p.Token = themeOf(r), assetVersion(), s.o.Token != ""
	var b bytes.Buffer
	if err := templates().ExecuteTemplate(&b, name, p); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// part writes a part of a page, which a script asked for.
func (s *Server) part(w http.ResponseWriter, name string, data any) {
	var b bytes.Buffer
	if err := templates().ExecuteTemplate(&b, name, data); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes())
}

// reply writes an answer as JSON.
func reply(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// fail answers with an error: a page to people, one line to scripts. Its words say nothing of files
// outside the folders that the server was given.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, status int, err error) {
	if wantsPage(r) && status != http.StatusMisdirectedRequest && status != http.StatusForbidden {
		s.render(w, r, status, "failure", page{Title: http.StatusText(status), Error: err.Error()})
		return
	}
	http.Error(w, err.Error(), status)
}

// missing answers where a run cannot be read.
func (s *Server) missing(w http.ResponseWriter, r *http.Request, err error) {
	var path *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid), errors.As(err, &path):
		s.fail(w, r, http.StatusNotFound, errors.New("there is no such run in the folder"))
	default:
		s.fail(w, r, http.StatusUnprocessableEntity, err)
	}
}

// themeOf is the theme that a browser has chosen.
func themeOf(r *http.Request) string {
	c, err := r.Cookie("theme")
	if err != nil || c.Value != "light" && c.Value != "dark" {
		return ""
	}
	return c.Value
}

// theme chooses one.
func (s *Server) theme(w http.ResponseWriter, r *http.Request) {
	to := r.PostFormValue("theme")
	if to != "light" && to != "dark" && to != "" {
		s.fail(w, r, http.StatusBadRequest, errors.New("a theme is light or dark"))
		return
	}
	http.SetCookie(w, &http.Cookie{Name: "theme", Value: to, Path: "/", SameSite: http.SameSiteStrictMode, HttpOnly: true, MaxAge: 365 * 24 * 3600})
	back := "/"
	if u, err := url.Parse(r.Referer()); err == nil && u.Host == r.Host {
		back = u.RequestURI()
	}
	http.Redirect(w, r, back, http.StatusSeeOther)
}

// style is the style of a page in a theme. Without a chosen one it is that of the system.
func (s *Server) style(w http.ResponseWriter, r *http.Request) {
	css := string(chart.NewPage(runpage.CSS).CSS)
	switch r.URL.Query().Get("for") {
	case "search":
		css += searchpage.CSS
	case "federation":
		css += fedpage.CSS
	}
	css += string(webFile("uplot.css")) + string(webFile("app.css"))
	switch r.URL.Query().Get("theme") {
	case "dark":
		css = ":root{color-scheme:dark}" + strings.ReplaceAll(css, "(prefers-color-scheme: dark)", "all")
	case "light":
		css = ":root{color-scheme:light}" + strings.ReplaceAll(css, "(prefers-color-scheme: dark)", "not all")
	default:
		css = ":root{color-scheme:light dark}" + css
	}
	s.keep(w, r, "text/css; charset=utf-8", []byte(css))
}

// asset is a script.
func (s *Server) asset(w http.ResponseWriter, r *http.Request) {
	switch name := r.PathValue("name"); name {
	case "app.js":
		s.keep(w, r, "text/javascript; charset=utf-8", webFile(name))
	case "uplot.js": // every browser takes it compressed
		w.Header().Set("Content-Encoding", "gzip")
		s.keep(w, r, "text/javascript; charset=utf-8", webFile("uplot.js.gz"))
	case "chart.js":
		s.keep(w, r, "text/javascript; charset=utf-8", []byte(chart.NewPage("").JS))
	case "uplot.LICENSE":
		s.keep(w, r, "text/plain; charset=utf-8", webFile(name))
	default:
		s.fail(w, r, http.StatusNotFound, errors.New("there is no such file"))
	}
}

// keep writes what a browser may keep.
func (s *Server) keep(w http.ResponseWriter, r *http.Request, kind string, b []byte) {
	w.Header().Set("Content-Type", kind)
	if r.URL.Query().Get("v") == assetVersion() {
		w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
	}
	_, _ = w.Write(b)
}

// link is the address of a page of a run.
func link(prefix, path string) string {
	if path == "." {
		return prefix
	}
	return prefix + strings.ReplaceAll(url.PathEscape(path), "%2F", "/")
}

// hexOf is a name as part of an identifier.
func hexOf(name string) string { return hex.EncodeToString([]byte(name)) }
