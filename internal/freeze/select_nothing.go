package freeze

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/option"
)

// nothing is the error for a selector that matches no weight.
func (s *Set) nothing(sel string) error {
	full := sel
	if s.replaced(sel) {
		return fmt.Errorf("selector %q is the model's own classifier, which the new head replaces: head selects the new one, and option head keep keeps the model's", full)
	}
	if other := s.meant(sel); other != "" {
		return fmt.Errorf("selector %q matches no weight: is %s meant?", full, other)
	}
	if kind, arg, _ := strings.Cut(sel, ":"); kind == "rows" || kind == "channels" {
		sel = arg[:strings.LastIndexByte(arg, '[')]
	}
	if strings.Contains(sel, ":") && !strings.HasPrefix(sel, "re:") && !strings.Contains(sel, "::") {
		if q := s.quantised(); q != "" {
			return fmt.Errorf("selector %q matches no weight that can train: %s", full, q)
		}
		return fmt.Errorf("selector %q matches no weight of this model", full)
	}
	names := s.nearest(strings.TrimPrefix(sel, "re:"))
	return fmt.Errorf("selector %q matches no weight; the nearest names are %s (permafrost inspect lists all)", full, strings.Join(names, ", "))
}

// replaced reports whether a selector names weights that only the model's own classifier has.
func (s *Set) replaced(sel string) bool {
	if s.Original == nil {
		return false
	}
	old := Describe(s.Original, nil)
	named, err := old.read(sel)
	return err == nil && named.Weights != nil && slices.ContainsFunc(old.Weights, func(w *Weight) bool {
		return s.byName[w.Name] == nil && named.Weights(w)
	})
}

// meant is the selector that a slip in its kind was to be, as last:1 of last1 or lastt:1; "" for none.
func (s *Set) meant(sel string) string {
	kind, arg, colon := strings.Cut(sel, ":")
	for _, k := range selectors {
		if k.Word || k.Kind == kind {
			continue
		}
		rest, ok := arg, colon && option.EditDistance(kind, k.Kind) <= 2
		if !colon {
			rest, ok = strings.CutPrefix(sel, k.Kind)
			rest = strings.TrimLeft(rest, "-_= ")
		}
		other := k.Kind + ":" + rest
		if !ok || rest == "" {
			continue
		}
		if named, err := s.read(other); err == nil && named.Weights != nil && slices.ContainsFunc(s.Weights, named.Weights) {
			return other
		}
	}
	return ""
}

// nearest are the names of weights, layers, groups of layers, nodes and blocks that differ least.
func (s *Set) nearest(want string) []string {
	best := map[string]int{}
	for _, w := range s.Weights {
		if !w.Role.Trains() {
			continue
		}
		for _, n := range w.names() {
			best[n] = option.EditDistance(want, n)
		}
		for i := range w.Module {
			group := strings.Join(w.Module[:i+1], ".")
			best[group] = option.EditDistance(want, group)
		}
	}
	for _, b := range s.Blocks {
		best[b] = option.EditDistance(want, b)
	}
	for _, n := range []string{"", ".", "/"} {
		delete(best, n)
	}
	names := slices.SortedFunc(maps.Keys(best), func(a, b string) int { return cmp.Or(cmp.Compare(best[a], best[b]), cmp.Compare(a, b)) })
	return names[:min(4, len(names))]
}

func abbreviate(names []string) string {
	if len(names) <= 6 {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:3], ", ") + ", ..., " + strings.Join(names[len(names)-2:], ", ")
}
