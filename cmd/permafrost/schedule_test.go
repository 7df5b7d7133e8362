package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost"
)

// TestSchedulePlans: a schedule chooses among what is thawed: all weights where nothing is named,
// the adapters and the head with an adapter. run.yaml repeats that.
func TestSchedulePlans(t *testing.T) {
	world(t)
	for i, c := range []struct {
		args []string
		thaw string
	}{
		{[]string{"--schedule", "gradual"}, "all"},
		{[]string{"--schedule", "gradual", "--adapter", "lora:2"}, "head"},
		{[]string{"--schedule", "gradual", "--adapter", "lora:2", "--thaw", "head"}, "head"},
		{[]string{"--schedule", "gradual", "--adapter", "lora:2", "--thaw", "last:1"}, "last:1"},
		{nil, "head"},
	} {
		name := strings.Join(c.args, " ")
		out := string(rune('a' + i))
		fit := append([]string{"fit", "--model", "tiny.onnx", "--data", "photos", "--epochs", "3", "--out", out, "--json"}, c.args...)
		r := object(t, succeed(t, fit...))
		cfg, err := permafrost.LoadConfig(out + "/run.yaml")
		if err != nil || !slices.Equal(cfg.Thaw, []string{c.thaw}) {
			t.Errorf("%s: run.yaml says thaw %v, want %s (%v)", name, cfg.Thaw, c.thaw, err)
		}
		for _, p := range r["plan"].(map[string]any)["params"].([]any) {
			e := p.(map[string]any)
			if c.thaw == "head" && strings.HasPrefix(e["name"].(string), "blocks.") && !strings.Contains(e["name"].(string), "lora") && e["state"] != "frozen" {
				t.Errorf("%s: %s is %s", name, e["name"], e["state"])
			}
		}
		succeed(t, "fit", "--config", out+"/run.yaml", "--out", out+"-again")
		sameFiles(t, out+"/model.onnx", out+"-again/model.onnx")
	}
}
