// Package decode turns logits into answers.
//
// Comes in: logits. Goes out: sequences of labels, read by connectionist temporal classification
// (CTC); the next token of a text; and the edit distance of two sequences. It must not know which
// model gives the logits.
package decode

import (
	"math"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/kernel"
)

// Reading is a sequence of labels with its log probability.
type Reading struct {
	Labels  []int
	LogProb float64
}

// Greedy decodes rows of c logits along the most probable CTC path: the best class of each row,
// with repeats merged and blanks removed.
func Greedy(scores []float32, c, blank int) []int {
	labels, last := []int{}, blank
	for ; len(scores) >= c; scores = scores[c:] {
		best := 0
		for k, v := range scores[:c] {
			if v > scores[best] {
				best = k
			}
		}
		if best != last && best != blank {
			labels = append(labels, best)
		}
		last = best
	}
	return labels
}

// Beam decodes rows of c logits by prefix beam search (Hannun et al. 2014, without a language
// model). After each row it keeps the most probable prefixes, as many as width, each with the
// summed probability of the paths that it followed. It returns the remaining prefixes, the most
// probable first. Where no step exceeds the width, these are all readings with their exact
// probabilities. Equally probable ones stay in the order in which they were found.
func Beam(scores []float32, c, blank, width int) []Reading {
	root := &prefix{label: -1, ends: ends{0, math.Inf(-1)}}
	beam := []*prefix{root}
	logp := make([]float64, c)
	for ; len(scores) >= c; scores = scores[c:] {
		kernel.LogSoftmaxRow(logp, scores[:c])
		var found []*prefix
		reach := func(p *prefix) *ends {
			if !p.found {
				p.found, p.next = true, ends{math.Inf(-1), math.Inf(-1)}
				found = append(found, p)
			}
			return &p.next
		}
		for _, p := range beam {
			all := p.total()
			e := reach(p)
			e.blank = kernel.LogAddExp(e.blank, all+logp[blank])
			if p != root {
				e.said = kernel.LogAddExp(e.said, p.said+logp[p.label])
			}
			for k := range c {
				if k == blank {
					continue
				}
				from := all
				if k == p.label { // a repeated label needs a blank between
					from = p.blank
				}
				if from+logp[k] == math.Inf(-1) {
					continue
				}
				e := reach(p.child(k))
				e.said = kernel.LogAddExp(e.said, from+logp[k])
			}
		}
		for _, p := range found {
			p.ends, p.found = p.next, false
		}
		slices.SortStableFunc(found, func(a, b *prefix) int {
			switch x, y := a.total(), b.total(); {
			case x > y:
				return -1
			case x < y:
				return 1
			}
			return 0
		})
		beam = found[:min(max(1, width), len(found))]
		for _, p := range found[len(beam):] {
			if len(p.children) == 0 && p != root {
				delete(p.parent.children, p.label)
			}
		}
	}
	out := make([]Reading, len(beam))
	for i, p := range beam {
		out[i] = Reading{p.labels(), p.total()}
	}
	return out
}

// ends are the log probabilities of the paths that give a prefix: those that end in a blank, and
// those that end in its last label.
type ends struct{ blank, said float64 }

func (e ends) total() float64 { return kernel.LogAddExp(e.blank, e.said) }

// prefix is a sequence of labels, as a node in the tree of all of them.
type prefix struct {
	parent   *prefix
	label    int
	children map[int]*prefix
	ends
	next  ends // after the current row
	found bool // next is set
}

// child is the prefix extended by label k. One that fell out of the beam comes back empty.
func (p *prefix) child(k int) *prefix {
	if q := p.children[k]; q != nil {
		return q
	}
	if p.children == nil {
		p.children = map[int]*prefix{}
	}
	q := &prefix{parent: p, label: k, ends: ends{math.Inf(-1), math.Inf(-1)}}
	p.children[k] = q
	return q
}

func (p *prefix) labels() []int {
	out := []int{}
	for ; p.parent != nil; p = p.parent {
		out = append(out, p.label)
	}
	slices.Reverse(out)
	return out
}
