package hub_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/permafrost-ml/permafrost/internal/hub"
	"github.com/permafrost-ml/permafrost/internal/hub/hubtest"
	"github.com/permafrost-ml/permafrost/internal/hub/layout"
	"github.com/permafrost-ml/permafrost/internal/onnx"
)

const repo = "models/some/net"

// open is the hub of the environment, which never really waits.
func open(t *testing.T) *hub.Hub {
	t.Helper()
	h, err := hub.FromEnv()
	if err != nil {
		t.Fatal(err)
	}
	h.Unhurried(nil)
	return h
}

func find(t *testing.T, h *hub.Hub, name string) string {
	t.Helper()
	path, err := h.Find(t.Context(), layout.Models, name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// large is content that lies on the other server.
func large(n int) []byte { return bytes.Repeat([]byte("0123456789abcdef"), n/16) }

func TestModel(t *testing.T) {
	s := hubtest.New(t)
	model := large(4096)
	s.Put(repo, "onnx/model.onnx", model)
	s.Put(repo, "onnx/model_fp16.onnx", large(2048))
	for _, f := range []string{"config.json", "tokenizer.json", "preprocessor_config.json"} {
		s.Put(repo, f, []byte(`{"file":"`+f+`"}`))
	}
	s.Put(repo, "README.md", []byte("read me"))
	var done, size int64
	h := open(t)
	h.Progress = func(p hub.Progress) {
		if strings.HasSuffix(p.File, ".onnx") {
			done, size = p.Done, p.Size
		}
	}
	path := find(t, h, "hf:some/net")
	if got, _ := os.ReadFile(path); !bytes.Equal(got, model) {
		t.Fatal("the model is not that of the hub")
	}
	if done != 4096 || size != 4096 {
		t.Errorf("progress ends at %d of %d", done, size)
	}
	// the layout of huggingface_hub
	cache := filepath.Join(os.Getenv("HF_HOME"), "hub", "models--some--net")
	if want := filepath.Join(cache, "snapshots", s.Commit(repo), "onnx", "model.onnx"); path != want {
		t.Errorf("path %s, want %s", path, want)
	}
	if to, err := os.Readlink(path); to != filepath.Join("..", "..", "..", "blobs", hubtest.Etag(model)) {
		t.Errorf("the snapshot links to %s, %v", to, err)
	}
	if b, _ := os.ReadFile(filepath.Join(cache, "refs", "main")); string(b) != s.Commit(repo) {
		t.Errorf("refs/main is %q", b)
	}
	snapshot := filepath.Dir(filepath.Dir(path))
	for f, want := range map[string]bool{"config.json": true, "tokenizer.json": true, "preprocessor_config.json": true, "README.md": false, "onnx/model_fp16.onnx": false} {
		if _, err := os.Stat(filepath.Join(snapshot, f)); (err == nil) != want {
			t.Errorf("%s is there: %v", f, err == nil)
		}
	}
	if parts, _ := filepath.Glob(filepath.Join(cache, "blobs", "*.incomplete")); parts != nil {
		t.Errorf("left: %v", parts)
	}
	if s.Requests(); find(t, h, "hf:some/net") != path || len(s.Requests()) != 1 {
		t.Error("a second time more is asked than for the commit")
	}
	if pinned := layout.Pinned(path); pinned != "hf:some/net@"+s.Commit(repo)+":onnx/model.onnx" || find(t, h, pinned) != path {
		t.Errorf("pinned is %s", pinned)
	}
	if got := find(t, h, "hf:some/net:onnx/model_fp16.onnx"); filepath.Base(got) != "model_fp16.onnx" {
		t.Errorf("the named file is %s", got)
	}
}

// TestWhichModel: which file is the model.
func TestWhichModel(t *testing.T) {
	s := hubtest.New(t)
	for i, c := range []struct {
		files, want, wrong string
	}{
		{"onnx/model.onnx model.onnx other.onnx", "onnx/model.onnx", ""},
		{"a.onnx model.onnx", "model.onnx", ""},
		{"deep/er/net.onnx README.md", "deep/er/net.onnx", ""},
		{"net.onnx frontend.onnx", "net.onnx", ""},
		{"a.onnx b.onnx", "", "has 2 ONNX files: name one, as in hf:some/net:a.onnx; there are a.onnx, b.onnx"},
		{"model.safetensors", "", "has no ONNX file"},
	} {
		name := repo + fmt.Sprint(i) // a repository for each
		for f := range strings.FieldsSeq(c.files) {
			s.Put(name, f, []byte(f))
		}
		path, err := open(t).Find(t.Context(), layout.Models, "hf:"+strings.TrimPrefix(name, "models/"))
		if c.wrong != "" {
			if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), strings.TrimPrefix(name, "models/"), "some/net"), c.wrong) {
				t.Errorf("%s: error %v, want %s", c.files, err, c.wrong)
			}
		} else if err != nil || !strings.HasSuffix(filepath.ToSlash(path), "/"+c.want) {
			t.Errorf("%s: %s, %v, want %s", c.files, path, err, c.want)
		}
	}
}

// TestExternalData: tensors in files beside the model come too, and are read through the links. No
// link out of the repository's folder is.
func TestExternalData(t *testing.T) {
	s := hubtest.New(t)
	w := binary.LittleEndian.AppendUint64(nil, 0x40000000_3f800000) // 1, 2
	s.Put(repo, "onnx/model.onnx", externalModel("model.onnx_data"))
	s.Put(repo, "onnx/model.onnx_data", w)
	s.Put(repo, "onnx/other.bin", large(2048))
	path := find(t, open(t), "hf:some/net")
	m, err := onnx.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if !m.Params[0].External || !bytes.Equal(m.Params[0].Tensor.Bytes, w) {
		t.Errorf("the weights are %v", m.Params[0].Tensor.Bytes)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(path), "other.bin")); err == nil {
		t.Error("a file came that the model does not name")
	}
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, w, 0o666); err != nil {
		t.Fatal(err)
	}
	beside := filepath.Join(os.Getenv("HF_HOME"), "hub", "other")
	if err := os.WriteFile(beside, w, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{secret, filepath.Join("..", "..", "..", "..", "other")} {
		at := filepath.Join(filepath.Dir(path), "model.onnx_data")
		os.Remove(at)
		if err := os.Symlink(to, at); err != nil {
			t.Fatal(err)
		}
		if _, err := onnx.Open(path); err == nil || !strings.Contains(err.Error(), "path escapes") {
			t.Errorf("link to %s: error %v", to, err)
		}
		if _, err := open(t).Find(t.Context(), layout.Models, "hf:some/net"); err == nil || !strings.Contains(err.Error(), "out of the repository's folder") {
			t.Errorf("link to %s: fetched with error %v", to, err)
		}
	}
}

// externalModel is y = x + w, with the two weights w in the file at location.
func externalModel(location string) []byte {
	message := func(num protowire.Number, fields ...[]byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), bytes.Join(fields, nil))
	}
	text := func(num protowire.Number, s string) []byte { return message(num, []byte(s)) }
	number := func(num protowire.Number, n uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.VarintType), n)
	}
	value := func(num protowire.Number, name string) []byte {
		return message(num, text(1, name), message(2, message(1, number(1, 1), message(2, message(1, number(1, 2))))))
	}
	weights := message(5, number(1, 2), number(2, 1), text(8, "w"), message(13, text(1, "location"), text(2, location)), number(14, 1))
	add := message(1, text(1, "x"), text(1, "w"), text(2, "y"), text(4, "Add"))
	return bytes.Join([][]byte{number(1, 8), message(7, add, text(2, "sum"), weights, value(11, "x"), value(12, "y")), message(8, number(2, 17))}, nil)
}

func TestBrokenConnections(t *testing.T) {
	s := hubtest.New(t)
	model := large(1 << 20)
	s.Put(repo, "model.onnx", model)
	breaks := 0
	var from []string
	s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || r.URL.Path != "/"+repo+"/model.onnx" {
			return false
		}
		from = append(from, r.Header.Get("Range"))
		if breaks++; breaks > 8 { // more than tries, as each brings something
			return false
		}
		start := 0
		fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-", &start)
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", start, len(model)-1, len(model)))
		w.Header().Set("Content-Length", fmt.Sprint(len(model)-start))
		if start > 0 {
			w.WriteHeader(http.StatusPartialContent)
		}
		w.Write(model[start : start+1000])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	path := find(t, open(t), "hf:some/net")
	if got, _ := os.ReadFile(path); !bytes.Equal(got, model) {
		t.Error("the model is not that of the hub")
	}
	if len(from) != 9 || from[0] != "" || from[1] != "bytes=1000-" || from[8] != "bytes=8000-" {
		t.Errorf("ranges %q", from)
	}
}

// TestResume: a later process goes on with what an earlier one left, and starts again if that was of
// another file.
func TestResume(t *testing.T) {
	model := large(4096)
	for name, left := range map[string][]byte{"its own": model[:1000], "another's": []byte("something else"), "too much": large(8192), "all": model, "all of another's": bytes.Repeat([]byte("x"), 4096)} {
		t.Run(name, func(t *testing.T) {
			s := hubtest.New(t)
			s.Put(repo, "model.onnx", model)
			blobs := filepath.Join(os.Getenv("HF_HOME"), "hub", "models--some--net", "blobs")
			if err := os.MkdirAll(blobs, 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(blobs, hubtest.Etag(model)+".incomplete"), left, 0o666); err != nil {
				t.Fatal(err)
			}
			if got, _ := os.ReadFile(find(t, open(t), "hf:some/net")); !bytes.Equal(got, model) {
				t.Error("the model is not that of the hub")
			}
			gets := slices.DeleteFunc(s.Requests(), func(r string) bool { return !strings.HasPrefix(r, "store GET") })
			if want := map[string]int{"its own": 1, "all": 0, "too much": 1, "another's": 2, "all of another's": 1}[name]; len(gets) != want {
				t.Errorf("%d downloads, want %d", len(gets), want)
			}
		})
	}
}

// TestIgnoredRange: a server that knows no ranges sends all again.
func TestIgnoredRange(t *testing.T) {
	s := hubtest.New(t)
	model := large(4096)
	s.Put(repo, "model.onnx", model)
	n := 0
	s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || r.URL.Path != "/"+repo+"/model.onnx" {
			return false
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(model)))
		if n++; n == 1 {
			w.Write(model[:100])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
		w.Write(model)
		return true
	})
	if got, _ := os.ReadFile(find(t, open(t), "hf:some/net")); !bytes.Equal(got, model) {
		t.Error("the model is not that of the hub")
	}
}

func TestWrongChecksum(t *testing.T) {
	for _, size := range []int{64, 4096} { // in git, and on the other server
		s := hubtest.New(t)
		model := large(size)
		s.Put(repo, "model.onnx", model)
		damaged := bytes.ToUpper(model)
		s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "model.onnx") && (size < hubtest.Large || strings.HasPrefix(r.URL.Path, "/models/")) {
				w.Write(damaged)
				return true
			}
			return false
		})
		_, err := open(t).Find(t.Context(), layout.Models, "hf:some/net")
		if err == nil || !strings.Contains(err.Error(), "checksum") {
			t.Errorf("%d bytes: error %v", size, err)
		}
		if blobs, _ := os.ReadDir(filepath.Join(os.Getenv("HF_HOME"), "hub", "models--some--net", "blobs")); len(blobs) != 0 {
			t.Errorf("%d bytes: left: %v", size, blobs)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		what   string
		name   string
		status int
		code   string
		token  string
		want   string
	}{
		{"no repository", "hf:no/net", 0, "", "", "no hf:no/net that anyone may read: check the name; for a private repository give a token in HF_TOKEN"},
		{"private", "hf:no/net", 0, "", "mine", "no hf:no/net that the token in use may read"},
		{"gated", "hf:some/net", 401, "GatedRepo", "", "hf:some/net is gated: accept its terms at "},
		{"gated, with a token", "hf:some/net", 403, "GatedRepo", "mine", "the token in use may not read it"},
		{"no revision", "hf:some/net@v9", 0, "", "", "hf:some/net has no revision v9"},
		{"no file", "hf:some/net:b.onnx", 0, "", "", "hf:some/net has no file b.onnx at revision main"},
		{"no repository, as mirrors say it", "hf:some/net", 404, "", "", "no hf:some/net: check the name"},
		{"broken", "hf:some/net", 500, "", "", "the hub answers 500"},
		{"a data set", "hf:datasets/some/net", 0, "", "", "is a data set, where a model is wanted"},
		{"no name", "hf:some/net/more", 0, "", "", `"some/net/more" is no repository; the form is hf:owner/name[@revision][:file]`},
		{"out of the repository", "hf:some/net:../../x", 0, "", "", `"../../x" is no file`},
	} {
		t.Run(c.what, func(t *testing.T) {
			s := hubtest.New(t)
			s.Put(repo, "model.onnx", []byte("model"))
			t.Setenv("HF_TOKEN", c.token)
			if c.status != 0 {
				s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
					if c.code != "" {
						w.Header().Set("X-Error-Code", c.code)
					}
					w.WriteHeader(c.status)
					return true
				})
			}
			_, err := open(t).Find(t.Context(), layout.Models, c.name)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want %s", err, c.want)
			}
		})
	}
}

func TestTooManyRequests(t *testing.T) {
	s := hubtest.New(t)
	s.Put(repo, "model.onnx", []byte("model"))
	for _, c := range []struct {
		after string
		times int
		waits []time.Duration
		want  string
	}{
		{"7", 2, []time.Duration{7 * time.Second, 7 * time.Second}, ""},
		{"", 2, []time.Duration{time.Second, 2 * time.Second}, ""},
		{"3600", 1, nil, "429 Too Many Requests, and to wait 1h0m0s: try again then; with a token in HF_TOKEN the hub allows more requests"},
		{"2", 99, []time.Duration{2 * time.Second, 2 * time.Second, 2 * time.Second, 2 * time.Second}, "429 Too Many Requests"},
	} {
		os.RemoveAll(os.Getenv("HF_HOME"))
		n := 0
		s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
			if n++; n > c.times {
				return false
			}
			w.Header().Set("Retry-After", c.after)
			w.WriteHeader(http.StatusTooManyRequests)
			return true
		})
		h := open(t)
		var waits []time.Duration
		h.Unhurried(func(d time.Duration) { waits = append(waits, d) })
		_, err := h.Find(t.Context(), layout.Models, "hf:some/net")
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("after %q: error %v, want %q", c.after, err, c.want)
		}
		if !slices.Equal(waits, c.waits) {
			t.Errorf("after %q: waits %v, want %v", c.after, waits, c.waits)
		}
	}
}

// TestToken: a token opens what is private, from either place, and never leaves the hub.
func TestToken(t *testing.T) {
	s := hubtest.New(t)
	s.Put(repo, "model.onnx", large(4096))
	s.NeedToken("secret")
	if _, err := open(t).Find(t.Context(), layout.Models, "hf:some/net"); err == nil {
		t.Fatal("no token is needed")
	}
	if err := os.MkdirAll(os.Getenv("HF_HOME"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(os.Getenv("HF_HOME"), "token"), []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	find(t, open(t), "hf:some/net")
	if s.Leaked() {
		t.Error("the token came to the other server")
	}
	t.Setenv("HF_TOKEN", "wrong")
	if _, err := open(t).Find(t.Context(), layout.Models, "hf:some/net"); err == nil || strings.Contains(err.Error(), "wrong") {
		t.Errorf("HF_TOKEN does not come first, or is shown: %v", err)
	}
}

// TestOffline: a cache as huggingface_hub writes it is used without the network, whether that is
// forbidden or broken.
func TestOffline(t *testing.T) {
	s := hubtest.New(t)
	s.Put(repo, "model.onnx", []byte("newer"))
	t.Setenv("HF_HUB_CACHE", t.TempDir())
	commit := strings.Repeat("ab", 20)
	writeCache(t, filepath.Join(os.Getenv("HF_HUB_CACHE"), "models--some--net"), commit, map[string]string{"onnx/model.onnx": "old", "config.json": "{}"})

	t.Setenv("HF_HUB_OFFLINE", "1")
	for _, name := range []string{"hf:some/net", "hf:some/net@" + commit, "hf:some/net:onnx/model.onnx"} {
		if b, _ := os.ReadFile(find(t, open(t), name)); string(b) != "old" {
			t.Errorf("%s: %q", name, b)
		}
	}
	for name, want := range map[string]string{
		"hf:some/net:b.onnx":  "hf:some/net:b.onnx is not in the cache",
		"hf:some/net@v2":      "hf:some/net at revision v2 is not in the cache",
		"hf:some/net@main":    "",
		"hf:some/other":       "hf:some/other is not in the cache",
		"hf:some/other@a/../": "is no revision",
	} {
		if _, err := open(t).Find(t.Context(), layout.Models, name); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: error %v, want %q", name, err, want)
		}
	}
	if r := s.Requests(); len(r) != 0 {
		t.Errorf("requests offline: %v", r)
	}

	t.Setenv("HF_HUB_OFFLINE", "0")
	s.Fail(func(w http.ResponseWriter, r *http.Request) bool { panic(http.ErrAbortHandler) })
	h := open(t)
	var notes []string
	h.Note = func(text string) { notes = append(notes, text) }
	if b, _ := os.ReadFile(find(t, h, "hf:some/net")); string(b) != "old" || len(notes) != 1 {
		t.Errorf("with a broken network: %q, notes %q", b, notes)
	}
	s.Fail(nil)
	if b, _ := os.ReadFile(find(t, open(t), "hf:some/net")); string(b) != "newer" {
		t.Errorf("with the network: %q", b)
	}
}

// writeCache writes a repository into a cache as huggingface_hub does.
func writeCache(t *testing.T, repo, commit string, files map[string]string) {
	t.Helper()
	write := func(path, content string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(repo, "refs", "main"), commit)
	for name, content := range files {
		blob, at := filepath.Join(repo, "blobs", hubtest.Etag([]byte(content))), filepath.Join(repo, "snapshots", commit, filepath.FromSlash(name))
		write(blob, content)
		if err := os.MkdirAll(filepath.Dir(at), 0o777); err != nil {
			t.Fatal(err)
		}
		to, err := filepath.Rel(filepath.Dir(at), blob)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, at); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLinksOut: a link in a snapshot that leads out of the repository's folder is refused.
func TestLinksOut(t *testing.T) {
	hubtest.New(t)
	t.Setenv("HF_HUB_OFFLINE", "1")
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o666); err != nil {
		t.Fatal(err)
	}
	cache := filepath.Join(os.Getenv("HF_HOME"), "hub", "models--some--net")
	commit := strings.Repeat("ab", 20)
	writeCache(t, cache, commit, map[string]string{"model.onnx": "model", "README.md": "x"})
	for _, file := range []string{"tokenizer.json", "model.onnx"} {
		at := filepath.Join(cache, "snapshots", commit, file)
		os.Remove(at)
		if err := os.Symlink(secret, at); err != nil {
			t.Fatal(err)
		}
		if _, err := open(t).Find(t.Context(), layout.Models, "hf:some/net"); err == nil || !strings.Contains(err.Error(), "out of the repository's folder") {
			t.Errorf("%s: error %v", file, err)
		}
	}
}

// TestTogether: many that want the same file at once download it once.
func TestTogether(t *testing.T) {
	s := hubtest.New(t)
	model := large(1 << 20)
	s.Put(repo, "model.onnx", model)
	s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/models/") {
			time.Sleep(50 * time.Millisecond) // so that all are there
		}
		return false
	})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if got, _ := os.ReadFile(find(t, open(t), "hf:some/net")); !bytes.Equal(got, model) {
				t.Error("the model is not that of the hub")
			}
		})
	}
	for range 2 {
		wg.Go(func() {
			cmd := exec.Command(os.Args[0], "-test.run=^TestFetchForOther$")
			cmd.Env = append(os.Environ(), "FETCH_FOR_OTHER=hf:some/net")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	wg.Wait()
	gets := slices.DeleteFunc(s.Requests(), func(r string) bool { return !strings.HasPrefix(r, "store GET") })
	if len(gets) != 1 {
		t.Errorf("%d downloads", len(gets))
	}
}

// TestFetchForOther is the other process of TestTogether.
func TestFetchForOther(t *testing.T) {
	name := os.Getenv("FETCH_FOR_OTHER")
	if name == "" {
		t.Skip("only for TestTogether")
	}
	find(t, open(t), name)
}

// TestInterrupted: a download ends with its context, and what came is kept.
func TestInterrupted(t *testing.T) {
	s := hubtest.New(t)
	model := large(1 << 20)
	s.Put(repo, "model.onnx", model)
	s.Fail(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || r.URL.Path != "/"+repo+"/model.onnx" {
			return false
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(model)))
		w.Write(model[:1000])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return true
	})
	ctx, cancel := context.WithCancel(t.Context())
	h := open(t)
	h.Progress = func(hub.Progress) { cancel() }
	if _, err := h.Find(ctx, layout.Models, "hf:some/net"); err == nil || !strings.Contains(err.Error(), context.Canceled.Error()) {
		t.Errorf("error %v", err)
	}
	parts, _ := filepath.Glob(filepath.Join(os.Getenv("HF_HOME"), "hub", "models--some--net", "blobs", "*.incomplete"))
	if len(parts) != 1 {
		t.Errorf("left: %v", parts)
	}
	s.Fail(nil)
	find(t, open(t), "hf:some/net")
}

func TestData(t *testing.T) {
	s := hubtest.New(t)
	files := func(repo, files string) {
		for f := range strings.FieldsSeq(files) {
			s.Put("datasets/"+repo, f, []byte(repo+f))
		}
	}
	files("a/usual", "data/train-00000-of-00002.parquet data/train-00001-of-00002.parquet data/test-00000-of-00001.parquet README.md")
	files("a/configs", "x/train.parquet y/train.parquet y/test.parquet")
	files("a/plain", "train.csv")
	files("a/top", "train.parquet")
	files("a/part", "default/partial-train/0000.parquet default/partial-train/0001.parquet")
	for _, c := range []struct {
		name  string
		want  string // the end of the path
		there int    // files there
		wrong string
	}{
		{"hf:datasets/a/usual", "/data", 3, ""},
		{"hf:datasets/a/usual:train", "/data/train-*.parquet", 2, ""},
		{"hf:datasets/a/usual:test", "/data/test-00000-of-00001.parquet", 1, ""},
		{"hf:datasets/a/usual:val", "", 0, "has no split val: it has test, train"},
		{"hf:datasets/a/configs", "", 0, "has 2 configurations: name one, as in hf:datasets/a/configs:x; there are x, y"},
		{"hf:datasets/a/configs:y", "/y", 2, ""},
		{"hf:datasets/a/configs:x/train", "/x/train.parquet", 1, ""},
		{"hf:datasets/a/top", "", 1, ""},
		{"hf:datasets/a/plain", "", 0, "has no Parquet files, nor has the hub a copy in Parquet"},
		{"hf:datasets/a/part", "", 0, "has only the beginning of each split: give :partial-train"},
		{"hf:datasets/a/part:partial-train", "/default/partial-train", 2, ""},
		{"hf:a/usual", "", 0, "is a model, where data are wanted"},
		{"hf:datasets/a/none", "", 0, "no hf:datasets/a/none that anyone may read"},
	} {
		os.RemoveAll(os.Getenv("HF_HOME"))
		path, err := open(t).Find(t.Context(), layout.Datasets, c.name)
		if c.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("%s: error %v, want %s", c.name, err, c.wrong)
			}
			continue
		}
		if err != nil || !strings.HasSuffix(filepath.ToSlash(path), c.want) {
			t.Errorf("%s: %s, %v, want %s", c.name, path, err, c.want)
			continue
		}
		repo, _ := layout.RepoOf(path)
		if blobs, _ := os.ReadDir(filepath.Join(repo, "blobs")); len(blobs) != c.there {
			t.Errorf("%s: %d files came, want %d", c.name, len(blobs), c.there)
		}
		if again, err := open(t).Find(t.Context(), layout.Datasets, layout.Pinned(path)); err != nil || again != path {
			t.Errorf("%s: %s is %s, %v", c.name, layout.Pinned(path), again, err)
		}
	}
}

func TestEndpoint(t *testing.T) {
	t.Setenv("HF_ENDPOINT", "huggingface.co")
	if _, err := hub.FromEnv(); err == nil || !strings.Contains(err.Error(), "HF_ENDPOINT") {
		t.Errorf("error %v", err)
	}
}
