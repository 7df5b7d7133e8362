package schedule

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

func init() {
	register("lisa", Kind{Make: newLISA, Check: required(wholeNumber, "lisa:2"), Form: "lisa:K"})
}

// lisa trains the head, the embeddings, and as many of the other blocks as the argument says. It
// draws these at random, twenty times in a run.
//
// Source: Pan, Liu, Diao, Pi, Zhang, Han and Zhang, LISA: Layerwise Importance Sampling for
// Memory-Efficient Large Language Model Fine-Tuning, 2024, algorithm 1.
type lisa struct {
	base
	count  int
	middle []int // blocks to draw from

	Live []bool `json:"live"`
}

func newLISA(r Run, arg string) (Schedule, error) {
	l := &lisa{base: base{r, r.interval(20)}, count: number(arg, 1)}
	for i := range r.blocks() {
		if !r.Units[i].Embedding {
			l.middle = append(l.middle, i)
		}
	}
	if l.count > len(l.middle) {
		return nil, fmt.Errorf("schedule lisa:%d: only %s can be drawn: give a smaller number, or thaw more", l.count, plural(len(l.middle), "block"))
	}
	return l, nil
}

func (l *lisa) Next(m Moment) (Decision, bool) {
	r := rand.New(rand.NewPCG(l.run.Seed, 0x6c697361<<32|uint64(m.Step)))
	drawn := slices.Sorted(slices.Values(r.Perm(len(l.middle))[:l.count]))
	live := l.run.last(0)
	for i := range l.run.blocks() {
		live[i] = l.run.Units[i].Embedding
	}
	var names []string
	for _, k := range drawn {
		live[l.middle[k]] = true
		names = append(names, l.run.Units[l.middle[k]].Name)
	}
	if slices.Equal(live, l.Live) {
		return Decision{}, false
	}
	l.Live = live
	return Decision{Live: live, Steps: l.every, Reason: "drawn to train: " + strings.Join(names, ", ")}, true
}
