package layout_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/hub/layout"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text string
		want layout.Name
	}{
		{"hf:a/b", layout.Name{Kind: layout.Models, Repo: "a/b", Revision: "main"}},
		{"hf:gpt2", layout.Name{Kind: layout.Models, Repo: "gpt2", Revision: "main"}},
		{"hf:a/b.c_d-e@v1.0", layout.Name{Kind: layout.Models, Repo: "a/b.c_d-e", Revision: "v1.0"}},
		{"hf:a/b@refs/pr/1:onnx/model.onnx", layout.Name{Kind: layout.Models, Repo: "a/b", Revision: "refs/pr/1", File: "onnx/model.onnx"}},
		{"hf:a/b:x@y.onnx", layout.Name{Kind: layout.Models, Repo: "a/b", Revision: "main", File: "x@y.onnx"}},
		{"hf:datasets/a/b:train", layout.Name{Kind: layout.Datasets, Repo: "a/b", Revision: "main", File: "train"}},
		{"hf:datasets/b", layout.Name{Kind: layout.Datasets, Repo: "b", Revision: "main"}},
	} {
		got, err := layout.Parse(c.text)
		if err != nil || got != c.want || got.String() != c.text {
			t.Errorf("%s: %+v (%s), %v", c.text, got, got, err)
		}
	}
	for _, text := range []string{"hf:", "hf:a/b/c", "hf:../b", "hf:a/..", "hf:a--b/c", "hf:a/b@", "hf:a/b@../x", "hf:a/b@/x", "hf:a/b:", "hf:a/b:/etc/passwd", "hf:a/b:x/../../y", `hf:a/b:x\y`, "hf:a b/c", "hf:datasets/", "hf:a/b?x"} {
		if n, err := layout.Parse(text); err == nil {
			t.Errorf("%q is %+v", text, n)
		}
	}
}

func TestCache(t *testing.T) {
	home, commit := t.TempDir(), strings.Repeat("0123456789", 4)
	t.Setenv("HOME", home)
	for _, c := range []struct{ hfHome, hubCache, xdg, want string }{
		{"", "", "", filepath.Join(home, ".cache", "huggingface", "hub")},
		{"", "", "/x", "/x/huggingface/hub"},
		{"/h", "", "/x", "/h/hub"},
		{"~/h", "", "", filepath.Join(home, "h", "hub")},
		{"/h", "$HOME/c", "", filepath.Join(home, "c")},
	} {
		t.Setenv("HF_HOME", c.hfHome)
		t.Setenv("HF_HUB_CACHE", c.hubCache)
		t.Setenv("HUGGINGFACE_HUB_CACHE", "")
		t.Setenv("XDG_CACHE_HOME", c.xdg)
		if got := layout.CacheDir(); got != filepath.FromSlash(c.want) {
			t.Errorf("%+v: %s", c, got)
		}
	}
	cache := layout.CacheDir()
	for path, want := range map[string]string{
		filepath.Join(cache, "models--a--b-c", "snapshots", commit, "onnx", "model.onnx"):                "hf:a/b-c@" + commit + ":onnx/model.onnx",
		filepath.Join("/other", "models--a--b", "snapshots", commit, "model.onnx"):                       filepath.Join("/other", "models--a--b", "snapshots", commit, "model.onnx"),
		filepath.Join(cache, "models--a--b", "snapshots", commit):                                        "hf:a/b@" + commit,
		filepath.Join(cache, "models--a--b", "snapshots", "main", "model.onnx"):                          filepath.Join(cache, "models--a--b", "snapshots", "main", "model.onnx"),
		filepath.Join(cache, "datasets--a--b", "snapshots", commit, "data"):                              "hf:datasets/a/b@" + commit + ":data",
		filepath.Join(cache, "datasets--a--b", "snapshots", commit):                                      "hf:datasets/a/b@" + commit,
		filepath.Join(cache, "datasets--a--b", "snapshots", commit, "data", "train-*.parquet"):           "hf:datasets/a/b@" + commit + ":data/train",
		filepath.Join(cache, "datasets--a--b", "snapshots", commit, "x", "train-00000-of-00001.parquet"): "hf:datasets/a/b@" + commit + ":x/train",
		filepath.Join(cache, "datasets--a--b", "snapshots", commit, "default", "train"):                  "hf:datasets/a/b@" + commit + ":default/train",
		"model.onnx": "model.onnx",
	} {
		if got := layout.Pinned(path); got != want {
			t.Errorf("%s is pinned as %s, want %s", path, got, want)
		}
	}
	if repo, ok := layout.RepoOf(filepath.Join("/x", "models--a--b", "snapshots", commit, "onnx")); !ok || repo != filepath.Join("/x", "models--a--b") {
		t.Errorf("the repository is %s, %v", repo, ok)
	}
}
