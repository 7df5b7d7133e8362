package hub

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/hub/layout"
	"github.com/permafrost-ml/permafrost/internal/peft"
)

// Adapter fetches the two files of an adapter of the Python package peft, and returns their folder.
// The name's file is the folder in the repository; without one it is the repository itself, or its
// folder adapter.
func (h *Hub) Adapter(ctx context.Context, name string) (string, error) {
	n, err := layout.Parse(name)
	if err != nil {
		return "", err
	}
	if n.Kind != layout.Models {
		return "", fmt.Errorf("hub: %s is a data set, where an adapter is wanted: name it as peft:hf:owner/name", n.Short())
	}
	s, err := h.Open(ctx, n)
	if err != nil {
		return "", err
	}
	folders := []string{"", "adapter"}
	if n.File != "" {
		folders = []string{n.File}
	}
	for _, dir := range folders {
		config, weights := path.Join(dir, peft.ConfigFile), path.Join(dir, peft.WeightsFile)
		if !slices.Contains(s.Files, config) {
			continue
		}
		if !slices.Contains(s.Files, weights) {
			return "", fmt.Errorf("hub: %s has %s without %s: peft writes it with save_pretrained(..., safe_serialization=True)", n.Short(), config, weights)
		}
		at, err := s.Fetch(ctx, config, weights)
		return filepath.Dir(at), err
	}
	return "", fmt.Errorf("hub: %s holds no adapter of peft: it has no %s; of a folder in it, name that, as in peft:hf:owner/name:folder", n.Short(), peft.ConfigFile)
}
