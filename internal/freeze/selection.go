package freeze

import (
	"slices"
)

// Selection is what a list of selectors names: weights, wholly or by rows, and the share of their
// elements that trains.
type Selection struct {
	rows  map[*Weight][]bool // nil: the whole weight
	share *Share
}

// add adds rows of a weight, or removes them where take is false. Nil stands for all rows.
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

// set replaces what is selected of a weight by rows.
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

// take removes another selection.
func (s *Selection) take(o *Selection) {
	for w, rows := range o.rows {
		s.add(w, rows, false)
	}
}

// entry is the plan's entry of a weight that trains as selected.
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
