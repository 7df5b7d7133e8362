package schedule

import "fmt"

func init() { register("badam", Kind{Make: newBAdam, Check: optional(wholeNumber)}) }

// badam trains one block at a time, and the head throughout. It goes from the head down to the
// input, over and over, and each turn begins with fresh optimiser state. A turn lasts as many steps
// as the argument says. Without an argument, each block gets three turns in a run, of at least ten
// steps.
//
// Source: Luo, Yu and Li, BAdam: A Memory Efficient Full Parameter Optimization Method for Large
// Language Models, NeurIPS 2024, algorithm 1. There the head is a block like the others. Here it
// trains throughout, since a fresh head is useless until it has trained.
type badam struct {
	base

	Turns int `json:"turns"` // that have begun
}

func newBAdam(r Run, arg string) (Schedule, error) {
	return &badam{base: base{r, number(arg, max(10, r.interval(3*r.blocks())))}}, nil
}

func (b *badam) Next(m Moment) (Decision, bool) {
	blocks := b.run.blocks()
	i := blocks - 1 - b.Turns%blocks
	b.Turns++
	live := b.run.last(0)
	live[i] = true
	return Decision{Live: live, Steps: b.every, Reason: fmt.Sprintf("the turn of %s", b.run.Units[i].Name)}, true
}
