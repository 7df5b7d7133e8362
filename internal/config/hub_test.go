package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/hub/hubtest"
)

// TestFetchAdapter: an adapter of peft comes from the hub, is found in its cache without the network, and
// is pinned to its commit.
func TestFetchAdapter(t *testing.T) {
	s := hubtest.New(t)
	for repo, dir := range map[string]string{"models/some/whole": "", "models/some/run": "adapter/", "models/some/many": "b/"} {
		s.Put(repo, dir+"adapter_config.json", []byte(dir))
		s.Put(repo, dir+"adapter_model.safetensors", []byte("weights"))
	}
	s.Put("models/some/old", "adapter_config.json", []byte("{}"))
	s.Put("models/some/old", "adapter_model.bin", []byte("pickle"))
	for _, offline := range []string{"", "1"} {
		t.Setenv("HF_HUB_OFFLINE", offline)
		for name, want := range map[string]string{"hf:some/whole": "", "hf:some/run": "adapter/", "hf:some/run:adapter": "adapter/", "hf:some/many:b": "b/"} {
			c := Config{Adapter: "peft:" + name}
			if err := c.Fetch(t.Context()); err != nil {
				t.Fatal(err)
			}
			folder, _ := strings.CutPrefix(c.Adapter, "peft:")
			if b, err := os.ReadFile(filepath.Join(folder, "adapter_config.json")); err != nil || string(b) != want {
				t.Errorf("%s: %q, %v", name, b, err)
			}
			if _, err := os.Stat(filepath.Join(folder, "adapter_model.safetensors")); err != nil {
				t.Error(err)
			}
			repo, _, _ := strings.Cut(strings.TrimPrefix(name, "hf:"), ":")
			pinned := "peft:hf:" + repo + "@" + s.Commit("models/"+repo)
			if want != "" {
				pinned += ":" + strings.TrimSuffix(want, "/")
			}
			if got := c.Pinned().Adapter; got != pinned {
				t.Errorf("%s is pinned as %q, want %q", name, got, pinned)
			}
			if again := c.Pinned(); again.Fetch(t.Context()) != nil || again.Adapter != c.Adapter {
				t.Errorf("the pinned adapter is %q, want %q", again.Adapter, c.Adapter)
			}
		}
	}
	t.Setenv("HF_HUB_OFFLINE", "")
	for name, want := range map[string]string{"hf:some/many": "holds no adapter of peft", "hf:some/old": "without adapter_model.safetensors", "hf:datasets/some/x": "is a data set", "hf:some/none": "some/none"} {
		c := Config{Adapter: "peft:" + name}
		if err := c.Fetch(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", name, err, want)
		}
	}
}
