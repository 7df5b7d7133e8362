package fed

import (
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/fed/aggregate"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// deep is an update of a client that trained the units from one on.
type deep struct {
	aggregate.Update
	from int
}

// combine makes one change of all updates. Clients that trained fewer units have no say in the
// others: the rule combines each stretch of units over the clients that trained it. Where these are
// fewer than the rule needs, the stretch stays as it is, and untouched says so.
func combine(rule aggregate.Rule, pieces []run.Piece, updates []deep) (change aggregate.Change, untouched []string, err error) {
	depths := map[int]bool{}
	for _, u := range updates {
		depths[u.from] = true
	}
	if len(depths) <= 1 {
		change, err = rule.Combine(plain(updates))
		return change, nil, err
	}
	n := len(updates[0].Delta)
	change.Delta = make([]float32, n)
	var froms []int
	for f := range depths {
		froms = append(froms, f)
	}
	slices.Sort(froms)
	left := map[string]int{}
	for k, from := range froms {
		to := -1 // up to the end
		if k+1 < len(froms) {
			to = froms[k+1]
		}
		var part []deep
		for _, u := range updates {
			if u.from <= from {
				part = append(part, u)
			}
		}
		at := placesOf(pieces, from, to)
		if len(part) < rule.Needs() {
			untouched = append(untouched, fmt.Sprintf("units %d and on: %d of %d clients", from, len(part), rule.Needs()))
			continue
		}
		for i := range part {
			part[i].Delta = pick(part[i].Delta, at)
		}
		c, err := rule.Combine(plain(part))
		if err != nil {
			return change, nil, err
		}
		for i, v := range c.Delta {
			change.Delta[at[i]] = v
		}
		for _, name := range c.Left {
			left[name]++
		}
	}
	for _, u := range updates {
		if left[u.Client] == len(froms) {
			change.Left = append(change.Left, u.Client)
		}
	}
	if len(untouched) == len(froms) {
		return change, nil, fmt.Errorf("fed: too few clients for %s", strings.Join(untouched, "; "))
	}
	return change, untouched, nil
}

func plain(updates []deep) []aggregate.Update {
	out := make([]aggregate.Update, len(updates))
	for i, u := range updates {
		out[i] = u.Update
	}
	return out
}

// placesOf are the places in the vector of the units from one up to another; -1 is the end.
func placesOf(pieces []run.Piece, from, to int) []int {
	var out []int
	at := 0
	for _, p := range pieces {
		if p.Unit >= from && (to < 0 || p.Unit < to) {
			for i := range p.Len {
				out = append(out, at+i)
			}
		}
		at += p.Len
	}
	return out
}

func pick(x []float32, at []int) []float32 {
	out := make([]float32, len(at))
	for i, k := range at {
		out[i] = x[k]
	}
	return out
}
