package hub_test

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/hub"
	"github.com/permafrost-ml/permafrost/internal/hub/hubtest"
	"github.com/permafrost-ml/permafrost/internal/hub/layout"
)

const pushed = "models/me/tuned"

// folder writes files below a new folder.
func folder(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// some files: small and large ones, an empty one, and one in a folder.
func some() map[string][]byte {
	return map[string][]byte{"README.md": []byte("# mine"), "model.onnx": large(4096), "adapter/adapter_model.safetensors": large(2048), "labels.txt": []byte("a\nb\n"), "empty": {}}
}

func push(t *testing.T, h *hub.Hub, dir, name string) (*hub.Pushed, error) {
	t.Helper()
	n, err := layout.Parse(name)
	if err != nil {
		t.Fatal(err)
	}
	return h.Push(t.Context(), n, dir, hub.PushOptions{Message: "mine"})
}

func has(t *testing.T, s *hubtest.Server, files map[string][]byte) {
	t.Helper()
	for name, b := range files {
		if got := s.File(pushed, name); !bytes.Equal(got, b) {
			t.Errorf("the hub has %d bytes of %s, want %d", len(got), name, len(b))
		}
	}
}

// TestPush: files arrive, whole or in parts, and can be fetched; the token comes to the hub alone; what
// the hub has is not sent again.
func TestPush(t *testing.T) {
	for _, parts := range []int{0, 1000, 4096} {
		t.Run(fmt.Sprint(parts), func(t *testing.T) {
			s := hubtest.New(t)
			s.NeedToken("secret")
			s.Parts(parts)
			t.Setenv("HF_TOKEN", "secret")
			h := open(t)
			dir := folder(t, some())
			p, err := push(t, h, dir, "hf:me/tuned")
			if err != nil {
				t.Fatal(err)
			}
			if p.Commit != s.Commit(pushed) || p.Files != 5 || p.Changed != 5 || p.Bytes != 4096+2048+6+4 || p.URL != s.URL+"/me/tuned" {
				t.Errorf("%+v", p)
			}
			has(t, s, some())
			if s.Leaked() {
				t.Error("the token came to the store")
			}
			if got, err := os.ReadFile(find(t, h, "hf:me/tuned")); err != nil || !bytes.Equal(got, large(4096)) {
				t.Errorf("%d bytes come back (%v)", len(got), err)
			}
			s.Requests()
			if p, err = push(t, h, dir, "hf:me/tuned"); err != nil || p.Commit != "" || p.Changed != 0 || p.Bytes != 0 {
				t.Errorf("again: %+v (%v)", p, err)
			}
			if r := s.Requests(); slices.ContainsFunc(r, func(r string) bool { return strings.Contains(r, "commit") || strings.HasPrefix(r, "store") }) {
				t.Errorf("requests %q", r)
			}
			if err := os.WriteFile(filepath.Join(dir, "README.md"), []byte("# yours"), 0o666); err != nil {
				t.Fatal(err)
			}
			if p, err = push(t, h, dir, "hf:me/tuned"); err != nil || p.Changed != 1 || p.Bytes != 7 || p.Commit != s.Commit(pushed) {
				t.Errorf("one changed: %+v (%v)", p, err)
			}
		})
	}
}

// TestPushBroken: failures in the middle that go away do not harm, wherever they are.
func TestPushBroken(t *testing.T) {
	hangUp := func(w http.ResponseWriter) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			c.Close()
		}
	}
	answer := func(code int) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { w.WriteHeader(code) }
	}
	for name, how := range map[string]func(http.ResponseWriter){"hangs up": hangUp, "500": answer(500), "429": answer(429)} {
		for _, at := range []string{"/api/repos/create", "/preupload/", "/objects/batch", "/parts/", "/complete/", "/verify/", "/commit/"} {
			t.Run(name+" at "+at, func(t *testing.T) {
				s := hubtest.New(t)
				t.Setenv("HF_TOKEN", "secret")
				s.Parts(1000)
				failed := 0
				s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
					if !strings.Contains(r.URL.Path, at) || failed == 2 {
						return false
					}
					failed++
					how(w)
					return true
				})
				if _, err := push(t, open(t), folder(t, some()), "hf:me/tuned"); err != nil {
					t.Fatal(err)
				}
				if has(t, s, some()); failed != 2 {
					t.Errorf("%d failures", failed)
				}
			})
		}
	}
	for at, code := range map[string]int{"/parts/": http.StatusForbidden, "/commit/": http.StatusConflict} { // an old address; another commit
		t.Run(fmt.Sprint(code, " once"), func(t *testing.T) {
			s := hubtest.New(t)
			t.Setenv("HF_TOKEN", "secret")
			s.Parts(1000)
			failed := false
			s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
				if failed || !strings.Contains(r.URL.Path, at) {
					return false
				}
				failed = true
				w.WriteHeader(code)
				return true
			})
			if _, err := push(t, open(t), folder(t, some()), "hf:me/tuned"); err != nil {
				t.Fatal(err)
			}
			has(t, s, some())
		})
	}
}

// TestPushResumed: a push that failed for good has committed nothing. Repeated, it does not send again
// what the hub's store has.
func TestPushResumed(t *testing.T) {
	s := hubtest.New(t)
	t.Setenv("HF_TOKEN", "secret")
	s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/commit/") {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return strings.Contains(r.URL.Path, "/commit/")
	})
	dir := folder(t, some())
	if _, err := push(t, open(t), dir, "hf:me/tuned"); err == nil || !strings.Contains(err.Error(), "503") {
		t.Fatal(err)
	}
	if s.File(pushed, "README.md") != nil {
		t.Error("something was committed")
	}
	s.Fail(nil)
	s.Requests()
	if p, err := push(t, open(t), dir, "hf:me/tuned"); err != nil || p.Bytes != 6+4 {
		t.Fatal(p, err)
	}
	has(t, s, some())
	if r := s.Requests(); slices.ContainsFunc(r, func(r string) bool { return strings.HasPrefix(r, "store") }) {
		t.Errorf("requests %q", r)
	}
}

// TestPushLost: a commit whose answer is lost is not made twice.
func TestPushLost(t *testing.T) {
	s := hubtest.New(t)
	t.Setenv("HF_TOKEN", "secret")
	lost := 0
	s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.Contains(r.URL.Path, "/commit/") {
			return false
		}
		lost++
		for name, b := range some() { // it happens all the same
			s.Put(pushed, name, b)
		}
		w.WriteHeader(http.StatusGatewayTimeout)
		return true
	})
	if _, err := push(t, open(t), folder(t, some()), "hf:me/tuned"); err != nil || lost != 1 {
		t.Errorf("%d commits: %v", lost, err)
	}
}

// TestPushRefused: each refusal says what to do, and nothing is committed.
func TestPushRefused(t *testing.T) {
	code := func(at string, status int, body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, at) {
				return false
			}
			w.WriteHeader(status)
			fmt.Fprint(w, body)
			return true
		}
	}
	both := func(w http.ResponseWriter, r *http.Request) bool {
		return code("/api/repos/create", 403, `{"error":"you need the role \"write\""}`)(w, r) || code("/api/models/me/tuned", 401, "")(w, r)
	}
	for name, c := range map[string]struct {
		token, to string
		fail      func(http.ResponseWriter, *http.Request) bool
		want      string
	}{
		"no token":         {"", "hf:me/tuned", nil, "give a token that may write in HF_TOKEN"},
		"unknown token":    {"other", "hf:me/tuned", nil, "is not known to"},
		"not allowed":      {"secret", "hf:me/tuned", both, `may not write to hf:me/tuned: give one of me that may, or name another owner; it says: you need the role "write"`},
		"commit forbidden": {"secret", "hf:me/tuned", code("/commit/", 403, ""), "may not write to hf:me/tuned"},
		"no branch":        {"secret", "hf:me/tuned@other", nil, "has no branch other"},
		"always others":    {"secret", "hf:me/tuned", code("/commit/", 409, ""), "others commit to main at the same time"},
		"no owner":         {"secret", "hf:tuned", nil, "owner/name"},
		"refused":          {"secret", "hf:me/tuned", code("/commit/", 400, `{"error":"bad card"}`), "it says: bad card"},
		"store refuses":    {"secret", "hf:me/tuned", code("/objects/", 400, ""), "400"},
	} {
		t.Run(name, func(t *testing.T) {
			s := hubtest.New(t)
			s.NeedToken("secret")
			t.Setenv("HF_TOKEN", c.token)
			if c.fail != nil {
				s.Fail(c.fail)
			}
			if _, err := push(t, open(t), folder(t, some()), c.to); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
			for _, name := range slices.Sorted(maps.Keys(some())) {
				if s.File(pushed, name) != nil {
					t.Errorf("%s was committed", name)
				}
			}
		})
	}
	if _, err := push(t, open(t), t.TempDir(), "hf:me/tuned"); err == nil {
		t.Error("an empty folder was pushed")
	}
}
