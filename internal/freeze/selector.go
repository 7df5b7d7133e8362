package freeze

import (
	"fmt"
	"slices"
	"strings"
)

// Selector is a kind of selector, KIND:ARGUMENT or a word alone. Its file registers it.
type Selector struct {
	Kind     string
	Word     bool     // it takes no argument
	Examples []string // whole selectors for completion, as in last:2

	// Read says what a selector names of a model, by its argument. Errors say what is wrong and
	// give an example; they need not quote the selector.
	Read func(s *Set, arg string) (Named, error)
}

// Named is what a selector names: weights, some rows of weights, or a share of what others name.
type Named struct {
	Weights func(w *Weight) bool
	Rows    func(w *Weight) ([]bool, error) // those of the first axis that are named; nil: whole weights
	None    bool                            // it may name no weight at all
	Share   *Share                          // in place of all others
}

var selectors []Selector

// RegisterSelector makes a kind of selector known. It panics on a kind that is taken. It is called
// from init functions only.
func RegisterSelector(k Selector) {
	if slices.ContainsFunc(selectors, func(o Selector) bool { return o.Kind == k.Kind }) {
		panic(fmt.Sprintf("freeze: selector %q is registered twice", k.Kind))
	}
	selectors = append(selectors, k)
}

// SelectorExamples are selectors of all kinds, for completion.
func SelectorExamples() []string {
	var out []string
	for _, k := range selectors {
		out = append(out, k.Examples...)
	}
	return out
}

// read is what a selector names. One of no kind is a glob.
func (s *Set) read(sel string) (Named, error) {
	kind, arg, colon := strings.Cut(sel, ":")
	i := slices.IndexFunc(selectors, func(k Selector) bool { return k.Kind == kind && !(k.Word && colon) })
	var n Named
	var err error
	if i >= 0 {
		n, err = selectors[i].Read(s, arg)
	} else {
		n, err = s.readName(sel)
	}
	if err != nil {
		return Named{}, fmt.Errorf("selector %q: %w", sel, err)
	}
	return n, nil
}

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
//	layer3, /layer3/conv1  a layer, node, block or weight by its name, with all below it
//	layer3.*               a glob over the names of weights and layers and the paths of nodes; * matches
//	                       dots and slashes too
//	re:REGEX               a regular expression over the same names
//	kind:bias              bias, norm, weight, embedding or adapter; or shift, which a norm adds. Bias and
//	                       shift together are all bias terms, as in BitFit (Ben Zaken et al., ACL 2022)
//	kind:attention         matrices of attention, or some of them: query, key, value, output; and those of
//	                       feed-forward parts: feedforward
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
	for _, item := range SplitList(list) {
		sel, away := strings.CutPrefix(item, "!")
		named, err := s.read(sel)
		if err != nil {
			return nil, err
		}
		if named.Share != nil {
			if away || out.share != nil {
				return nil, fmt.Errorf("selector %q: a share is taken once, and not taken away", item)
			}
			out.share = named.Share
			continue
		}
		hit := 0
		for _, w := range s.Weights {
			if w.Role.Trains() && named.Weights(w) {
				var some []bool
				if named.Rows != nil {
					if some, err = named.Rows(w); err != nil {
						return nil, fmt.Errorf("selector %q: %w", sel, err)
					}
				}
				out.add(w, some, !away)
				hit++
			}
		}
		if hit == 0 && !named.None {
			return nil, s.nothing(sel)
		}
	}
	return out, nil
}

// SplitList splits selectors at commas, except inside brackets, braces and regular expressions.
func SplitList(list []string) []string {
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

// Selectors lists the blocks and layers of a model as selectors, sorted.
func (s *Set) Selectors() []string {
	var names []string
	for _, b := range s.Blocks {
		if _, err := s.Select([]string{b + ".*"}); err == nil {
			names = append(names, b+".*")
		}
	}
	for _, w := range s.Weights {
		if len(w.Module) > 0 {
			names = append(names, strings.Join(w.Module, ".")+".*")
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
