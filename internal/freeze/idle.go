package freeze

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Idle says which parts of the options thaw and freeze change nothing, or less than they say. fresh
// are the weights that are new and train whatever the options say. The selectors must be valid, see
// New.
func (s *Set) Idle(thaw, freeze, fresh []string) []string {
	if len(thaw) == 0 {
		thaw = []string{"head"}
	}
	var notes []string
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	items := SplitList(thaw)
	wide := func(item string) bool { return item == "all" || strings.Contains(item, ":") && s.byName[item] == nil }
	if q := s.quantised(); q != "" && slices.ContainsFunc(items, wide) {
		chosen, _ := s.Choose(items)
		if !slices.ContainsFunc(chosen.weights(s), func(w *Weight) bool { return !w.Head }) {
			note("%s, so option thaw %s trains the head alone", q, strings.Join(items, ","))
		} else if slices.Contains(items, "all") {
			note("%s; the others do", q)
		}
	}
	named := strings.Join(items, ",")
	before := false // something before the head is named
	for i, item := range items {
		sel, away := strings.CutPrefix(item, "!")
		switch {
		case away && s.same(items[:i], items[:i+1]):
			note("option thaw: %s takes nothing away from what stands before it", item)
		case away && s.all(sel, fresh):
			note("option thaw: %s takes nothing away: %s", item, s.why(sel))
		case !away && s.partOfHead(sel, fresh):
			note("option thaw: %s names nothing before the head, and a new head trains as a whole", item)
		}
		before = before || !away && s.trunk([]string{sel}, nil)
	}
	if before && !s.trunk(items, nil) {
		note("option thaw %s takes away all that it names before the head: only the head trains", named)
	}
	for _, item := range SplitList(freeze) {
		switch {
		case strings.HasPrefix(item, "!"):
		case s.same(items, append(slices.Clone(items), "!"+item)):
			note("option freeze %s does nothing: option thaw %s does not name these weights", item, named)
		case s.all(item, fresh):
			note("option freeze %s does nothing: %s", item, s.why(item))
		}
	}
	if s.trunk(items, nil) && !s.trunk(items, freeze) {
		note("option freeze %s takes away all that option thaw %s names before the head: only the head trains", strings.Join(freeze, ","), named)
	}
	return notes
}

// trunk reports whether thaw without freeze names anything before the head. A share names something
// there.
func (s *Set) trunk(thaw, freeze []string) bool {
	left, errA := s.Choose(thaw)
	taken, errB := s.Choose(freeze)
	if errA != nil || errB != nil {
		return false
	}
	share := left.share != nil && len(left.rows) == 0
	left.take(taken)
	return share || slices.ContainsFunc(left.weights(s), func(w *Weight) bool { return !w.Head })
}

// all reports whether a selector names some weights, and only such of a list.
func (s *Set) all(sel string, list []string) bool {
	weights, err := s.Select([]string{sel})
	return err == nil && len(weights) > 0 && !slices.ContainsFunc(weights, func(w *Weight) bool { return !slices.Contains(list, w.Name) })
}

// partOfHead reports whether a selector names a part of a new head and nothing else.
func (s *Set) partOfHead(sel string, fresh []string) bool {
	return s.all(sel, fresh) && !s.same([]string{sel}, []string{"head"}) && !s.trunk([]string{sel}, nil)
}

// why says for what reason weights that are new train.
func (s *Set) why(sel string) string {
	if s.trunk([]string{sel}, nil) {
		return "adapters always train"
	}
	return "a new head always trains; option head keep keeps the model's own"
}

// same reports whether two lists select the same.
func (s *Set) same(a, b []string) bool {
	x, errA := s.Choose(a)
	y, errB := s.Choose(b)
	return errA == nil && errB == nil && maps.EqualFunc(x.rows, y.rows, slices.Equal)
}
