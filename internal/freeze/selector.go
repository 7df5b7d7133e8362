package freeze

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Select reads a list of selectors, see Choose, and returns the weights that it names, wholly or in
// part, in the set's order. It errors on selectors of a share, which do not name weights.
func (s *Set) Select(list []string) ([]*Weight, error) {
	sel, err := s.Choose(list)
	if err != nil {
		return nil, err
	}
	if sel.share != nil {
		return nil, fmt.Errorf("%s: name weights here, not a share of them", sel.share)
	}
	return sel.weights(s), nil
}

// weights are those of which anything is selected, in the set's order.
func (s *Selection) weights(set *Set) []*Weight {
	var out []*Weight
	for _, w := range set.Weights {
		if _, ok := s.rows[w]; ok {
			out = append(out, w)
		}
	}
	return out
}

// Choose reads a list of selectors. They apply from left to right, and one that begins with !
// removes what it names.
//
//	all, none, head        every weight, no weight, the classifier
//	layer3.*               a glob over the names of weights and layers and the paths of nodes; * matches
//	                       dots and slashes too
//	re:REGEX               a regular expression over the same names
//	kind:bias              bias, norm, weight, embedding or adapter; or shift, which a norm adds. Bias and
//	                       shift together are all bias terms, as in BitFit (Ben Zaken et al., ACL 2022)
//	first:N, last:N        blocks, counted from the input or from the head
//	depth:60%-100%         the blocks in that part of the network
//	rows:NAME[0:8,-2:,5]   these rows, along the first axis, of the weights that NAME names; of a table of
//	                       embeddings also the rows of tokens: rows:NAME['token']
//	channels:NAME[0:8]     these output channels of convolutions, with their biases
//	fisher:0.5%            this share of all elements that the other selectors name outside the head, or
//	                       of all weights where they name none: those with the largest squared gradients
//	magnitude:0.5%         the same for the largest absolute values
//
// A selector that matches nothing is an error, which lists the nearest names. Running statistics
// are never selected. They follow their layer.
func (s *Set) Choose(list []string) (*Selection, error) {
	out := &Selection{rows: map[*Weight][]bool{}}
	for _, item := range splitList(list) {
		sel, away := strings.CutPrefix(item, "!")
		share, err := shareOf(sel)
		if err != nil {
			return nil, err
		}
		if share != nil {
			if away || out.share != nil {
				return nil, fmt.Errorf("selector %q: a share is taken once, and not taken away", item)
			}
			out.share = share
			continue
		}
		match, rows, part, err := s.partOf(sel)
		if err == nil && !part {
			match, err = s.matcher(sel)
		}
		if err != nil {
			return nil, err
		}
		hit := 0
		for _, w := range s.Weights {
			if w.Role.Trains() && match(w) {
				var some []bool
				if part {
					if some, err = rows(w); err != nil {
						return nil, err
					}
				}
				out.add(w, some, !away)
				hit++
			}
		}
		if hit == 0 && sel != "none" && sel != "head" {
			return nil, s.nothing(sel)
		}
	}
	return out, nil
}

// splitList splits selectors at commas, except inside brackets, braces and regular expressions.
func splitList(list []string) []string {
	var out []string
	for _, l := range list {
		depth, start := 0, 0
		for i, r := range l {
			switch r {
			case '(', '[', '{':
				depth++
			case ')', ']', '}':
				depth--
			case ',':
				if depth <= 0 {
					out = append(out, strings.TrimSpace(l[start:i]))
					start = i + 1
				}
			}
		}
		out = append(out, strings.TrimSpace(l[start:]))
	}
	return slices.DeleteFunc(out, func(s string) bool { return s == "" })
}

func (s *Set) matcher(sel string) (func(*Weight) bool, error) {
	switch sel {
	case "all":
		return func(*Weight) bool { return true }, nil
	case "none":
		return func(*Weight) bool { return false }, nil
	case "head":
		return func(w *Weight) bool { return w.Head }, nil
	}
	kind, arg, _ := strings.Cut(sel, ":")
	switch {
	case kind == "re":
		re, err := regexp.Compile(arg)
		if err != nil {
			return nil, fmt.Errorf("selector %q: %v", sel, err)
		}
		return func(w *Weight) bool { return slices.ContainsFunc(w.names(), re.MatchString) }, nil
	case kind == "kind":
		r := Role(arg)
		switch r {
		case RoleBias, RoleNorm, RoleWeight, RoleEmbedding, RoleAdapter:
			return func(w *Weight) bool { return w.Role == r }, nil
		}
		if arg == "shift" {
			return func(w *Weight) bool { return w.Role == RoleNorm && w.shift }, nil
		}
		return nil, fmt.Errorf("selector %q: kinds are bias, norm, shift, weight, embedding, adapter", sel)
	case kind == "first" || kind == "last":
		n, err := strconv.Atoi(arg)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("selector %q: give a number of blocks, as in %s:2", sel, kind)
		}
		if n > len(s.Blocks) {
			return nil, fmt.Errorf("selector %q: the model has %d blocks: %s", sel, len(s.Blocks), abbreviate(s.Blocks))
		}
		if kind == "first" {
			return func(w *Weight) bool { return w.Block >= 0 && w.Block < n }, nil
		}
		return func(w *Weight) bool { return w.Block >= len(s.Blocks)-n }, nil
	case kind == "depth":
		lo, hi, err := depthRange(arg)
		if err != nil {
			return nil, fmt.Errorf("selector %q: %v", sel, err)
		}
		n := float64(len(s.Blocks))
		return func(w *Weight) bool {
			mid := (float64(w.Block) + 0.5) / n
			return w.Block >= 0 && mid >= lo && mid <= hi
		}, nil
	}
	re, err := globRegexp(sel)
	if err != nil {
		return nil, fmt.Errorf("selector %q: %v", sel, err)
	}
	return func(w *Weight) bool { return slices.ContainsFunc(w.names(), re.MatchString) }, nil
}

// names are those that select the weight: its own, its layer's, and the paths of the nodes that
// read it.
func (w *Weight) names() []string {
	out := []string{w.Name, strings.Join(w.Module, ".")}
	for _, n := range w.Nodes {
		out = append(out, n, path.Dir(n))
	}
	return out
}

func depthRange(arg string) (lo, hi float64, err error) {
	a, b, ok := strings.Cut(arg, "-")
	if !ok {
		return 0, 0, fmt.Errorf("give a range, as in depth:60%%-100%%")
	}
	if lo, err = percent(a); err != nil {
		return 0, 0, err
	}
	if hi, err = percent(b); err != nil {
		return 0, 0, err
	}
	if lo >= hi || lo < 0 || hi > 1 {
		return 0, 0, fmt.Errorf("the range runs from 0%% to 100%%, smaller end first")
	}
	return lo, hi, nil
}

func percent(s string) (float64, error) {
	v, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(s), "%"), 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no percentage", s)
	}
	return v / 100, nil
}

// globRegexp translates a glob: * is any sequence of characters, ? is one character, [..] is a
// class.
func globRegexp(glob string) (*regexp.Regexp, error) {
	var b strings.Builder
	b.WriteByte('^')
	for i := 0; i < len(glob); i++ {
		switch c := glob[i]; c {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteByte('.')
		case '[':
			end := strings.IndexByte(glob[i:], ']')
			if end < 2 {
				return nil, fmt.Errorf("unclosed [")
			}
			b.WriteString(strings.Replace(glob[i:i+end+1], "[!", "[^", 1))
			i += end
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	b.WriteByte('$')
	return regexp.Compile(b.String())
}

// nothing is the error for a selector that matches no weight.
func (s *Set) nothing(sel string) error {
	full := sel
	if kind, arg, _ := strings.Cut(sel, ":"); kind == "rows" || kind == "channels" {
		sel = arg[:strings.LastIndexByte(arg, '[')]
	}
	if strings.Contains(sel, ":") && !strings.HasPrefix(sel, "re:") && !strings.Contains(sel, "::") {
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

// Selectors lists the blocks and layers of a model as selectors, sorted.
func (s *Set) Selectors() []string {
	var names []string
	for _, b := range s.Blocks {
		names = append(names, b+".*")
	}
	for _, w := range s.Weights {
		if len(w.Module) > 0 {
			names = append(names, strings.Join(w.Module, ".")+".*")
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
