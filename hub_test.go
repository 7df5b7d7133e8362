package permafrost_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/internal/hub/hubtest"
)

// TestHub: a model of the hub is tuned, its run is repeated from run.yaml without the network, and the
// tuned model is used from the hub in turn.
func TestHub(t *testing.T) {
	dir, model, photos := pretrained()
	defer os.RemoveAll(dir)
	s := hubtest.New(t)
	put := func(repo, file, from string) {
		t.Helper()
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		s.Put(repo, file, b)
	}
	put("models/some/tiny", "onnx/model.onnx", model)
	// twice the usual deviation: whether it is read shows in the weights
	prepare := fmt.Appendf(nil, `{"size":{"height":8,"width":8},"rescale_factor":0.00392156862745098,"image_mean":[0,0,0],"image_std":[2,2,2]}`)
	s.Put("models/some/tiny", "preprocessor_config.json", prepare)
	if err := os.WriteFile(filepath.Join(filepath.Dir(model), "preprocessor_config.json"), prepare, 0o666); err != nil {
		t.Fatal(err)
	}
	cfg := permafrost.DefaultConfig()
	cfg.Data, cfg.Epochs, cfg.Cache = photos, 2, "off"
	fit := func(cfg permafrost.Config, model, out string) []byte {
		t.Helper()
		cfg.Model, cfg.Out = model, filepath.Join(dir, out)
		if _, err := permafrost.Fit(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(cfg.Out, "model.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	want := fit(cfg, model, "local")
	if got := fit(cfg, "hf:some/tiny", "hub"); !bytes.Equal(got, want) {
		t.Error("a fit of the hub's model differs from one of the same files elsewhere")
	}
	again, err := permafrost.LoadConfig(filepath.Join(dir, "hub", "run.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if pinned := "hf:some/tiny@" + s.Commit("models/some/tiny") + ":onnx/model.onnx"; again.Model != pinned {
		t.Errorf("run.yaml has the model %s, want %s", again.Model, pinned)
	}
	s.Requests()
	t.Setenv("HF_HUB_OFFLINE", "1")
	if got := fit(again, again.Model, "again"); !bytes.Equal(got, want) {
		t.Error("the run is not repeated")
	}
	if r := s.Requests(); len(r) > 0 {
		t.Errorf("requests offline: %v", r)
	}
	cfg.Model = again.Model
	in, err := permafrost.Inspect(t.Context(), cfg, permafrost.InspectOptions{})
	if err != nil || in.Model != again.Model {
		t.Errorf("inspect: %v, %+v", err, in)
	}
	t.Setenv("HF_HUB_OFFLINE", "")

	put("models/me/tuned", "model.onnx", filepath.Join(dir, "hub", "model.onnx"))
	m, err := permafrost.Open("hf:me/tuned")
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if !m.Tuned() {
		t.Error("the tuned model is not one")
	}
	if v, err := permafrost.Verify("hf:some/tiny", "hf:me/tuned", ""); err != nil || !v.Identical {
		t.Errorf("verify: %v, %+v", err, v)
	}
	r, err := permafrost.Rank(t.Context(), cfg, []string{"hf:some/tiny", model}, permafrost.RankOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range r.Models {
		if m.Model != "hf:some/tiny" && m.Model != model {
			t.Errorf("rank calls a model %s", m.Model)
		}
	}
	cfg.Model = "hf:some/other"
	if _, err := permafrost.Fit(t.Context(), cfg); !errors.Is(err, permafrost.ErrBadInput) || !strings.Contains(err.Error(), "no hf:some/other") {
		t.Errorf("a model that is not there: %v", err)
	}
}
