package freeze

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// partOf reads a selector of rows or channels. It returns which weights it names, and which rows of
// each. Ok is false for other selectors.
func (s *Set) partOf(sel string) (match func(*Weight) bool, rows func(*Weight) ([]bool, error), ok bool, err error) {
	kind, arg, _ := strings.Cut(sel, ":")
	if kind != "rows" && kind != "channels" {
		return nil, nil, false, nil
	}
	at := strings.LastIndexByte(arg, '[')
	if at < 1 || !strings.HasSuffix(arg, "]") {
		return nil, nil, true, fmt.Errorf("selector %q: give a name and which, as in %s:NAME[0:8]", sel, kind)
	}
	name, items := arg[:at], strings.Split(arg[at+1:len(arg)-1], ",")
	named, err := s.matcher(name)
	if err != nil {
		return nil, nil, true, err
	}
	match = named
	if kind == "channels" {
		conv := map[string]bool{} // nodes of convolutions that are named
		for _, w := range s.Weights {
			if w.op == "Conv" && len(w.Value.Type.Shape) > 2 && named(w) {
				for _, n := range w.Nodes {
					conv[n] = true
				}
			}
		}
		match = func(w *Weight) bool {
			return named(w) && len(w.Nodes) > 0 && conv[w.Nodes[0]]
		}
	}
	return match, func(w *Weight) ([]bool, error) {
		shape := w.Value.Type.Shape
		if len(shape) == 0 {
			return nil, fmt.Errorf("selector %q: %s is a single number", sel, w.Name)
		}
		out := make([]bool, shape[0])
		for _, item := range items {
			from, to, err := s.span(strings.TrimSpace(item), shape[0])
			if err != nil {
				return nil, fmt.Errorf("selector %q: %s, which has %d rows: %v", sel, w.Name, shape[0], err)
			}
			for i := from; i < to; i++ {
				out[i] = true
			}
		}
		return out, nil
	}, true, nil
}

// span reads one range of rows: "3", "2:5", ":5", "-2:" or "'token'". Ranges are half-open, and
// negative numbers count from the end.
func (s *Set) span(item string, n int) (from, to int, err error) {
	if len(item) > 1 && (item[0] == '\'' || item[0] == '"') && item[len(item)-1] == item[0] {
		token := item[1 : len(item)-1]
		if s.Tokens == nil {
			return 0, 0, fmt.Errorf("there is no tokenizer to look token %s up in", item)
		}
		id, ok := s.Tokens(token)
		if !ok {
			return 0, 0, fmt.Errorf("the tokenizer has no token %s (those within a text often begin with ▁ or Ġ)", item)
		}
		from, to = id, id+1
	} else {
		number := func(text string, absent int) int {
			if text == "" {
				return absent
			}
			v, e := strconv.Atoi(text)
			if e != nil && err == nil {
				err = fmt.Errorf("%q is neither a row, a range as in 0:8, nor a token in quotes", item)
			}
			if v < 0 {
				v += n
			}
			return v
		}
		a, b, isRange := strings.Cut(item, ":")
		if isRange {
			from, to = number(a, 0), number(b, n)
		} else {
			from = number(cmp.Or(a, "nothing"), 0)
			to = from + 1
		}
		if err != nil {
			return 0, 0, err
		}
	}
	if from < 0 || to > n || from >= to {
		return 0, 0, fmt.Errorf("%s is empty or lies outside", item)
	}
	return from, to, nil
}
