package freeze

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/option"
)

// Selection is what a list of selectors names: weights, whole or some of their rows, and the share of single numbers that is taken of
// them.
type Selection struct {
	rows  map[*Weight][]bool // nil: the whole weight
	share *Share
}

// Share says that of all numbers that a plan may train only those of the largest measure do.
type Share struct {
	By       string  `json:"by"`                 // fisher or magnitude, see Set.Choose
	Share    float64 `json:"share"`              // above 0, up to 1
	Elements int     `json:"elements,omitempty"` // how many it came to, once they are known
}

// String is the selector that takes the share.
func (s *Share) String() string { return fmt.Sprintf("%s:%g%%", s.By, 100*s.Share) }

// of is how many numbers the share of total is. It errors on none.
func (s *Share) of(total int) (int, error) {
	n := int(math.Round(s.Share * float64(total)))
	if n == 0 {
		return 0, option.Errorf("thaw", "%s of %d numbers is none: it is taken of the pretrained weights that the other selectors thaw; thaw or take more", s, total)
	}
	return n, nil
}

// The measures of shares.
const (
	ByFisher    = "fisher"    // mean square of the gradients of single examples: the diagonal of the empirical Fisher information
	ByMagnitude = "magnitude" // absolute value
)

// add takes rows of a weight, all for nil, in or away.
func (s *Selection) add(w *Weight, rows []bool, take bool) {
	was, in := s.rows[w]
	switch {
	case rows == nil && take:
		s.rows[w] = nil
	case rows == nil:
		delete(s.rows, w)
	case !in && !take || in && was == nil && take:
	default:
		now := make([]bool, len(rows))
		for i := range now {
			has := in && (was == nil || was[i])
			now[i] = has && !rows[i] || take && rows[i]
		}
		s.set(w, now)
	}
}

// set makes rows all that is selected of a weight.
func (s *Selection) set(w *Weight, rows []bool) {
	switch {
	case !slices.Contains(rows, true):
		delete(s.rows, w)
	case !slices.Contains(rows, false):
		s.rows[w] = nil
	default:
		s.rows[w] = rows
	}
}

// take removes what another selection holds.
func (s *Selection) take(o *Selection) {
	for w, rows := range o.rows {
		s.add(w, rows, false)
	}
}

// entry is the plan's word on a weight of which this is trained.
func (s *Selection) entry(w *Weight) Entry {
	e := Entry{Name: w.Name, State: Frozen}
	rows, in := s.rows[w]
	switch {
	case !in:
	case rows == nil:
		e.State = Thaw
	default:
		e.State = Partly
		for i := 0; i < len(rows); i++ {
			if rows[i] {
				from := i
				for i < len(rows) && rows[i] {
					i++
				}
				e.Rows = append(e.Rows, [2]int{from, i})
			}
		}
	}
	return e
}

// partOf reads a selector of rows or channels: which weights, and which rows of one. Ok is false for selectors of other kinds.
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

// span reads one of "3", "2:5", ":5", "-2:", "'token'": half-open, negative numbers counted from the end.
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

// shareOf reads a selector of a share; nil for selectors of other kinds.
func shareOf(sel string) (*Share, error) {
	by, arg, _ := strings.Cut(sel, ":")
	if by != ByFisher && by != ByMagnitude {
		return nil, nil
	}
	x, err := percent(arg)
	if err != nil || !strings.HasSuffix(arg, "%") || !(x > 0 && x <= 1) {
		return nil, fmt.Errorf("selector %q: give a share above 0%% and up to 100%%, as in %s:0.5%%", sel, by)
	}
	return &Share{By: by, Share: x}, nil
}

// Pending reports whether the plan trains a share that is not known yet: see Mask.
func (p *Plan) Pending() bool { return p.Share != nil && p.Share.Elements == 0 }

// Masked reports whether the plan's share is taken of a weight: it trains, and is neither the head's nor an adapter's.
func (p *Plan) Masked(w *Weight) bool {
	return p.Share != nil && p.Of(w.Name).Trains() && !w.Head && w.Role != RoleAdapter
}

// maskable is how many numbers the plan's share is taken of.
func (p *Plan) maskable(set *Set) int {
	n := 0
	for _, w := range set.Weights {
		if p.Masked(w) {
			n += p.Of(w.Name).trains(w.Value.Type.Shape)
		}
	}
	return n
}

// Mask takes the plan's share: of all numbers of the weights that are Masked, those with the largest scores go on training, ties going
// to the first ones. Scores has one number an element, NaN counting least; a weight without is frozen. It errors where there is nothing
// to take a share of.
func (p *Plan) Mask(set *Set, scores map[string][]float32) error {
	type candidate struct {
		e    *Entry
		mask []uint8 // may train; nil: all
		s    []float32
	}
	var all []candidate
	var flat []float32
	total := p.maskable(set)
	for i := range p.Params {
		e := &p.Params[i]
		w := set.ByName(e.Name)
		if w == nil || !p.Masked(w) {
			continue
		}
		c := candidate{e, e.ElementMask(w.Value.Type.Shape), scores[e.Name]}
		if c.s != nil && len(c.s) != w.Len() {
			return fmt.Errorf("%s: %d scores for the %d numbers of %s", p.Share, len(c.s), w.Len(), e.Name)
		}
		for k, v := range c.s {
			if c.mask == nil || c.mask[k] == 1 {
				flat = append(flat, order(v))
			}
		}
		all = append(all, c)
	}
	n, err := p.Share.of(total)
	if err != nil {
		return err
	}
	if n = min(n, len(flat)); n == 0 {
		return option.Errorf("thaw", "%s: the head reads nothing of the %d numbers that it is taken of", p.Share, total)
	}
	slices.Sort(flat)
	least := flat[len(flat)-n]
	ties := n // of the numbers that score least, as many as there is room for
	for _, v := range flat {
		if v > least {
			ties--
		}
	}
	for _, c := range all {
		bits := make(Bits, (len(c.s)+7)/8)
		any := false
		for k, v := range c.s {
			v = order(v)
			if c.mask != nil && c.mask[k] == 0 || v < least || v == least && ties == 0 {
				continue
			}
			if v == least {
				ties--
			}
			bits[k/8] |= 1 << (k % 8)
			any = true
		}
		c.e.State, c.e.Rows, c.e.Mask = Partly, nil, bits
		if !any {
			*c.e = Entry{Name: c.e.Name, State: Frozen, Tied: c.e.Tied}
		}
	}
	p.Share.Elements = n
	p.track(set)
	return nil
}

// order puts numbers that are none at the end.
func order(v float32) float32 {
	if v != v {
		return float32(math.Inf(-1))
	}
	return v
}

// Adopt takes the share from a plan in which it was taken before. It errors where that plan is another one.
func (p *Plan) Adopt(set *Set, was *Plan) error {
	if p.Share == nil || was.Share == nil || was.Pending() || was.Share.By != p.Share.By || was.Share.Share != p.Share.Share || was.Model != p.Model {
		return fmt.Errorf("the recorded plan does not hold the share %s of this model", p.Share)
	}
	for i := range p.Params {
		e := &p.Params[i]
		if w := set.ByName(e.Name); w != nil && p.Masked(w) {
			o := was.Of(e.Name)
			e.State, e.Rows, e.Mask = o.State, o.Rows, o.Mask
			p.byName = nil
		}
	}
	s := *was.Share
	p.Share = &s
	p.track(set)
	return nil
}
