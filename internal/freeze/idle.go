package freeze

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Idle says which parts of the options thaw and freeze change nothing, or less than they say. The selectors must be valid,
// see New.
func (s *Set) Idle(thaw, freeze []string) []string {
	if len(thaw) == 0 {
		thaw = []string{"head"}
	}
	var notes []string
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	items := splitList(thaw)
	wide := func(item string) bool { return item == "all" || strings.Contains(item, ":") && s.byName[item] == nil }
	if q := s.quantised(); q != "" && slices.ContainsFunc(items, wide) {
		chosen, _ := s.Choose(items)
		if !slices.ContainsFunc(chosen.weights(s), func(w *Weight) bool { return !w.Head }) {
			note("%s, so option thaw %s trains the head alone", q, strings.Join(items, ","))
		} else if slices.Contains(items, "all") {
			note("%s; the others do", q)
		}
	}
	for i, item := range items {
		if strings.HasPrefix(item, "!") && s.same(items[:i], items[:i+1]) {
			note("option thaw: %s takes nothing away from what stands before it", item)
		}
	}
	named := strings.Join(items, ",")
	for _, item := range splitList(freeze) {
		if !strings.HasPrefix(item, "!") && s.same(items, append(slices.Clone(items), "!"+item)) {
			note("option freeze %s does nothing: option thaw %s does not name these weights", item, named)
		}
	}
	if len(freeze) > 0 {
		left, _ := s.Choose(items)
		taken, _ := s.Choose(freeze)
		trunk := func() bool {
			return slices.ContainsFunc(left.weights(s), func(w *Weight) bool { return !w.Head })
		}
		had := trunk()
		if left.take(taken); had && !trunk() {
			note("option freeze %s takes away all that option thaw %s names before the head: only the head trains", strings.Join(freeze, ","), named)
		}
	}
	return notes
}

// same reports whether two lists select the same.
func (s *Set) same(a, b []string) bool {
	x, errA := s.Choose(a)
	y, errB := s.Choose(b)
	return errA == nil && errB == nil && maps.EqualFunc(x.rows, y.rows, slices.Equal)
}
