package freeze

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// nothing is the error for a selector that matches no weight.
func (s *Set) nothing(sel string) error {
	full := sel
	if kind, arg, _ := strings.Cut(sel, ":"); kind == "rows" || kind == "channels" {
		sel = arg[:strings.LastIndexByte(arg, '[')]
	}
	if strings.Contains(sel, ":") && !strings.HasPrefix(sel, "re:") && !strings.Contains(sel, "::") {
		if q := s.quantised(); q != "" {
			return fmt.Errorf("selector %q matches no weight that can train: %s", full, q)
		}
		return fmt.Errorf("selector %q matches no weight of this model", full)
	}
	want := strings.TrimPrefix(sel, "re:")
	type near struct {
		name string
		d    int
	}
	best := map[string]int{}
	for _, w := range s.Weights {
		if !w.Role.Trains() {
			continue
		}
		for _, n := range w.names() {
			if n != "" && n != "." && n != "/" {
				best[n] = distance(want, n)
			}
		}
	}
	var all []near
	for n, d := range best {
		all = append(all, near{n, d})
	}
	slices.SortFunc(all, func(a, b near) int { return cmp.Or(cmp.Compare(a.d, b.d), cmp.Compare(a.name, b.name)) })
	var names []string
	for i := 0; i < len(all) && i < 4; i++ {
		names = append(names, all[i].name)
	}
	return fmt.Errorf("selector %q matches no weight; the nearest names are %s (permafrost inspect lists all)", full, strings.Join(names, ", "))
}

// distance is the Levenshtein distance.
func distance(a, b string) int {
	prev := make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diag := prev[0]
		prev[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diag
			if a[i-1] != b[j-1] {
				cost++
			}
			diag = prev[j]
			prev[j] = min(cost, prev[j]+1, prev[j-1]+1)
		}
	}
	return prev[len(b)]
}

func abbreviate(names []string) string {
	if len(names) <= 6 {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:3], ", ") + ", ..., " + strings.Join(names[len(names)-2:], ", ")
}
