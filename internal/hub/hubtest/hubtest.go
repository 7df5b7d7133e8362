// Package hubtest is a Hugging Face hub for tests: it answers as huggingface.co does, and fails as
// tests ask.
package hubtest

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Large is the size from which a file lies on another server, to which the hub redirects.
const Large = 1000

// Server is a hub with one revision, main, of each repository.
type Server struct {
	URL string // of the hub

	mu    sync.Mutex
	repos map[string]map[string][]byte // by kind/owner/name, then by file
	log   []string                     // method and path of each request, in order
	fail  func(w http.ResponseWriter, r *http.Request) bool
	store *httptest.Server
	token string
	leak  bool // the token came to the other server
	parts int  // bytes of a part of an upload, 0 for whole files

	objects map[string][]byte // large files that were sent, by their checksums
	pieces  map[string][]byte // parts of them, by their addresses
}

// New starts a hub, and points the environment of the test to it and to an empty cache.
func New(t *testing.T) *Server {
	t.Helper()
	s := &Server{repos: map[string]map[string][]byte{}, objects: map[string][]byte{}, pieces: map[string][]byte{}}
	hub := httptest.NewServer(http.HandlerFunc(s.serve))
	s.store = httptest.NewServer(http.HandlerFunc(s.serveStore))
	t.Cleanup(hub.Close)
	t.Cleanup(s.store.Close)
	s.URL = hub.URL
	for key, value := range map[string]string{"HF_ENDPOINT": s.URL, "HF_HOME": t.TempDir(), "HF_HUB_CACHE": "", "HUGGINGFACE_HUB_CACHE": "",
		"HF_TOKEN": "", "HUGGING_FACE_HUB_TOKEN": "", "HF_TOKEN_PATH": "", "HF_HUB_OFFLINE": "", "TRANSFORMERS_OFFLINE": ""} {
		t.Setenv(key, value)
	}
	return s
}

// Put adds a file to a repository, such as models/owner/name.
func (s *Server) Put(repo, file string, content []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.repos[repo] == nil {
		s.repos[repo] = map[string][]byte{}
	}
	s.repos[repo][file] = content
}

// Fail lets f answer requests of both servers before they do; it returns whether it did.
func (s *Server) Fail(f func(w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = f
}

// NeedToken answers no request without this token.
func (s *Server) NeedToken(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = token
}

// Requests returns the requests since the last call, such as "GET /api/models/a/b/revision/main",
// those of the other server beginning with "store".
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	log := s.log
	s.log = nil
	return log
}

// Leaked reports whether a token came to the other server.
func (s *Server) Leaked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leak
}

// Commit is the commit of a repository, which depends on its files.
func (s *Server) Commit(repo string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commit(repo)
}

func (s *Server) commit(repo string) string {
	h := sha1.New()
	for _, f := range s.files(repo) {
		fmt.Fprintf(h, "%s %x\n", f, sha256.Sum256(s.repos[repo][f]))
	}
	return hex.EncodeToString(h.Sum(nil))
}

func (s *Server) files(repo string) []string {
	var out []string
	for f := range s.repos[repo] {
		out = append(out, f)
	}
	slices.Sort(out)
	return out
}

// Etag is the checksum under which the hub has a content: as git names it, of a large one SHA-256.
func Etag(content []byte) string {
	if len(content) >= Large {
		sum := sha256.Sum256(content)
		return hex.EncodeToString(sum[:])
	}
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", len(content))
	h.Write(content)
	return hex.EncodeToString(h.Sum(nil))
}

// begin logs a request and answers it where a test asks to.
func (s *Server) begin(w http.ResponseWriter, r *http.Request, where string) (answered bool) {
	s.mu.Lock()
	s.log = append(s.log, strings.TrimSpace(where+" "+r.Method+" "+r.URL.Path))
	fail, token := s.fail, s.token
	s.mu.Unlock()
	if fail != nil && fail(w, r) {
		return true
	}
	if where != "" {
		if r.Header.Get("Authorization") != "" {
			s.mu.Lock()
			s.leak = true
			s.mu.Unlock()
		}
		return false
	}
	if token != "" && r.Header.Get("Authorization") != "Bearer "+token {
		refuse(w, http.StatusUnauthorized, "")
		return true
	}
	return false
}

func refuse(w http.ResponseWriter, status int, code string) {
	if code != "" {
		w.Header().Set("X-Error-Code", code)
	}
	w.WriteHeader(status)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if s.begin(w, r, "") {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/")
	if r.Method == http.MethodPost {
		s.write(w, r, path)
		return
	}
	if rest, ok := strings.CutPrefix(path, "api/"); ok {
		s.info(w, rest)
		return
	}
	if !strings.HasPrefix(path, "datasets/") {
		path = "models/" + path
	}
	repo, rest, _ := strings.Cut(path, "/resolve/")
	revision, file, _ := strings.Cut(rest, "/")
	content, ok := s.repos[repo][file]
	switch {
	case s.repos[repo] == nil:
		refuse(w, http.StatusNotFound, "RepoNotFound")
		return
	case revision != s.commit(repo) && revision != "main":
		refuse(w, http.StatusNotFound, "RevisionNotFound")
		return
	case !ok:
		refuse(w, http.StatusNotFound, "EntryNotFound")
		return
	}
	w.Header().Set("X-Repo-Commit", s.commit(repo))
	if len(content) >= Large {
		w.Header().Set("X-Linked-Etag", `"`+Etag(content)+`"`)
		w.Header().Set("X-Linked-Size", fmt.Sprint(len(content)))
		http.Redirect(w, r, s.store.URL+"/"+repo+"/"+file, http.StatusFound)
		return
	}
	w.Header().Set("ETag", `"`+Etag(content)+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// info answers kind/owner/name/revision/REVISION.
func (s *Server) info(w http.ResponseWriter, path string) {
	repo, revision, _ := strings.Cut(path, "/revision/")
	if s.repos[repo] == nil {
		refuse(w, http.StatusUnauthorized, "RepoNotFound") // the hub does not say what is private
		return
	}
	if revision != "main" && revision != s.commit(repo) {
		refuse(w, http.StatusNotFound, "RevisionNotFound")
		return
	}
	type sibling struct {
		Name string `json:"rfilename"`
	}
	siblings := []sibling{}
	for _, f := range s.files(repo) {
		siblings = append(siblings, sibling{f})
	}
	json.NewEncoder(w).Encode(map[string]any{"sha": s.commit(repo), "siblings": siblings})
}

// serveStore is the server of large files.
func (s *Server) serveStore(w http.ResponseWriter, r *http.Request) {
	if s.begin(w, r, "store") {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Method == http.MethodPut {
		s.take(w, r)
		return
	}
	for repo, files := range s.repos {
		if file, ok := strings.CutPrefix(r.URL.Path, "/"+repo+"/"); ok && files[file] != nil {
			w.Header().Set("ETag", `"of-the-store"`)
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(files[file]))
			return
		}
	}
	w.WriteHeader(http.StatusNotFound)
}
