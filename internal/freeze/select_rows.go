package freeze

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

func init() {
	RegisterSelector(Selector{
		Kind: "rows", Examples: []string{"rows:"},
		Read: func(s *Set, arg string) (Named, error) { return s.readRows(arg, "rows:NAME[0:8]") },
	})
	RegisterSelector(Selector{
		Kind: "channels", Examples: []string{"channels:"},
		Read: func(s *Set, arg string) (Named, error) {
			n, err := s.readRows(arg, "channels:NAME[0:8]")
			if err == nil {
				n.Weights = s.ofConvolutions(n.Weights)
			}
			return n, err
		},
	})
}

// readRows reads NAME[ROWS].
func (s *Set) readRows(arg, example string) (Named, error) {
	at := strings.LastIndexByte(arg, '[')
	if at < 1 || !strings.HasSuffix(arg, "]") {
		return Named{}, fmt.Errorf("give a name and which, as in %s", example)
	}
	items := strings.Split(arg[at+1:len(arg)-1], ",")
	n, err := s.read(arg[:at])
	if err != nil {
		return Named{}, err
	}
	if n.Share != nil || n.Rows != nil {
		return Named{}, fmt.Errorf("%s names no whole weights: give a name and which, as in %s", arg[:at], example)
	}
	n.None = false
	n.Rows = func(w *Weight) ([]bool, error) {
		shape := w.Value.Type.Shape
		if len(shape) == 0 {
			return nil, fmt.Errorf("%s is a single number", w.Name)
		}
		out := make([]bool, shape[0])
		for _, item := range items {
			from, to, err := s.span(strings.TrimSpace(item), shape[0])
			if err != nil {
				return nil, fmt.Errorf("%s, which has %d rows: %w", w.Name, shape[0], err)
			}
			for i := from; i < to; i++ {
				out[i] = true
			}
		}
		return out, nil
	}
	return n, nil
}

// ofConvolutions are the weights of convolutions of which the weight is named, and their biases.
func (s *Set) ofConvolutions(named func(*Weight) bool) func(*Weight) bool {
	conv := map[string]bool{} // nodes
	for _, w := range s.Weights {
		if w.op == "Conv" && len(w.Value.Type.Shape) > 2 && named(w) {
			for _, n := range w.Nodes {
				conv[n] = true
			}
		}
	}
	return func(w *Weight) bool { return named(w) && len(w.Nodes) > 0 && conv[w.Nodes[0]] }
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
