package schedule

import "fmt"

func init() { register("badam", Kind{Make: newBAdam, Check: optional(wholeNumber)}) }

// badam trains one block at a time beside the head, from the head down to the input and over again, each time with fresh optimiser state.
// A block's turn is so many steps as the argument says; without one, each gets three turns in a run, of ten steps at least.
//
// Source: Luo, Yu and Li, BAdam: A Memory Efficient Full Parameter Optimization Method for Large Language Models, NeurIPS 2024, algorithm 1.
// There the head is a block like others; here it trains throughout, as a fresh one knows nothing while it waits.
type badam struct {
	base

	Turns int `json:"turns"` // begun
}

func newBAdam(r Run, arg string) (Schedule, error) {
	return &badam{base: base{r, number(arg, max(10, r.part(3*r.blocks())))}}, nil
}

func (b *badam) Next(m Moment) (Decision, bool) {
	blocks := b.run.blocks()
	i := blocks - 1 - b.Turns%blocks
	b.Turns++
	live := b.run.last(0)
	live[i] = true
	return Decision{Live: live, Steps: b.every, Reason: fmt.Sprintf("the turn of %s", b.run.Units[i].Name)}, true
}
