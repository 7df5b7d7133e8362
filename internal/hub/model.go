package hub

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/hub/layout"
	"github.com/permafrost-ml/permafrost/internal/onnx"
)

// Model fetches a model, with the files that it reads beside it and those that say how it is fed, and
// returns its path. The name's file is the model; without one it is onnx/model.onnx, model.onnx or
// the only ONNX file. A file that is no ONNX model is fetched alone.
func (h *Hub) Model(ctx context.Context, n layout.Name) (string, error) {
	s, err := h.Open(ctx, n)
	if err != nil {
		return "", err
	}
	file, err := s.model()
	if err != nil {
		return "", err
	}
	at, err := s.Fetch(ctx, file)
	if err != nil || path.Ext(file) != ".onnx" {
		return at, err
	}
	for _, f := range s.Files {
		if !feed.IsBeside(filepath.FromSlash(file), filepath.FromSlash(f)) {
			continue
		}
		beside, err := s.Fetch(ctx, f)
		if err != nil {
			return "", err
		}
		if front := s.name(feed.FrontEndOf(beside)); slices.Contains(s.Files, front) {
			if _, err := s.Fetch(ctx, front); err != nil {
				return "", err
			}
		}
	}
	if !s.mayBeExternal(file) {
		return at, nil
	}
	external, err := onnx.ExternalFiles(at)
	if err != nil {
		return at, nil // whoever opens the model says it better
	}
	for _, e := range external {
		if f := s.name(e); slices.Contains(s.Files, f) {
			if _, err := s.Fetch(ctx, f); err != nil {
				return "", err
			}
		}
	}
	return at, nil
}

// name is the name of a path in the snapshot, "" for a path that is elsewhere.
func (s *Snapshot) name(at string) string {
	rel, err := filepath.Rel(s.dir(), at)
	if err != nil || at == "" {
		return ""
	}
	return filepath.ToSlash(rel)
}

// model is the file of the model.
func (s *Snapshot) model() (string, error) {
	if s.Name.File != "" {
		return s.Name.File, nil
	}
	var found []string
	for _, f := range s.Files {
		if path.Ext(f) == ".onnx" && path.Base(f) != feed.FrontEndFile {
			found = append(found, f)
		}
	}
	for _, usual := range []string{"onnx/model.onnx", "model.onnx"} {
		if slices.Contains(found, usual) {
			return usual, nil
		}
	}
	where := ""
	if s.cached {
		where = " in the cache"
	}
	switch of := s.Name.Short(); len(found) {
	case 0:
		return "", fmt.Errorf("hub: %s has no ONNX file%s: name a repository that has one; many have been exported by onnx-community and Xenova", of, where)
	case 1:
		return found[0], nil
	default:
		const most = 8
		more := ""
		if len(found) > most {
			more = fmt.Sprintf(" and %d more", len(found)-most)
		}
		return "", fmt.Errorf("hub: %s has %d ONNX files%s: name one, as in %s:%s; there are %s%s", of, len(found), where, of, found[0],
			strings.Join(found[:min(most, len(found))], ", "), more)
	}
}

// mayBeExternal reports whether there is a file that could hold tensors of a model.
func (s *Snapshot) mayBeExternal(model string) bool {
	dir := path.Dir(model)
	return slices.ContainsFunc(s.Files, func(f string) bool {
		below := dir == "." || strings.HasPrefix(f, dir+"/")
		return below && !slices.Contains([]string{".onnx", ".json", ".txt", ".md", ".gitattributes"}, path.Ext(f))
	})
}

// Find fetches what a name says, which must be of a kind, and returns its path.
func (h *Hub) Find(ctx context.Context, kind layout.Kind, name string) (string, error) {
	n, err := layout.Parse(name)
	if err != nil {
		return "", err
	}
	switch {
	case n.Kind != kind && kind == layout.Models:
		return "", fmt.Errorf("hub: %s is a data set, where a model is wanted: name one as hf:owner/name", n.Short())
	case n.Kind != kind:
		return "", fmt.Errorf("hub: %s is a model, where data are wanted: name a data set as hf:datasets/owner/name", n.Short())
	}
	if kind == layout.Datasets {
		return h.Data(ctx, n)
	}
	return h.Model(ctx, n)
}
