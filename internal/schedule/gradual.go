package schedule

import "fmt"

func init() { register("gradual", Kind{Make: newGradual, Check: optional(wholeNumber)}) }

// gradual thaws from the head down: the head alone in the first epoch, then one more block in each
// epoch, until everything trains. Where the run has too few epochs for that, the blocks are spread
// evenly over its first half, or over as many epochs as the argument says.
//
// Source: Howard and Ruder, Universal Language Model Fine-tuning for Text Classification, ACL 2018,
// section 3.3.
type gradual struct {
	base
	over int // epochs after which everything trains

	Thawed int `json:"thawed"` // blocks
}

func newGradual(r Run, arg string) (Schedule, error) {
	over := min(r.blocks(), max(1, r.Epochs/2))
	over = min(number(arg, over), r.Epochs-1)
	return &gradual{base: base{r, r.Steps}, over: over}, nil
}

func (g *gradual) Next(m Moment) (Decision, bool) {
	epoch, blocks := m.Step/g.run.Steps, g.run.blocks()
	n := blocks
	if epoch < g.over {
		n = epoch * blocks / g.over
	}
	if n == g.Thawed && m.Step > 0 {
		return Decision{}, false
	}
	g.Thawed = n
	d := Decision{Live: g.run.last(n)}
	if n == blocks {
		d.Reason = "gradual thawing has reached the input: everything trains"
		return d, true
	}
	until := epoch + 1
	for until < g.over && until*blocks/g.over == n {
		until++
	}
	d.Steps = (until - epoch) * g.run.Steps
	d.Reason = fmt.Sprintf("gradual thawing: %d of %d blocks train, from %s up", n, blocks, g.run.Units[blocks-n].Name)
	return d, true
}
