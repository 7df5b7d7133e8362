package schedule

import "fmt"

func init() { register("lpft", Kind{Make: newLPFT, Check: optional(wholeNumber), Peak: 1 / lpftRate}) }

// lpft trains the head alone, at the full rate, for the first third of the epochs or as many as the
// argument says. Then it trains everything, at a tenth of that rate. A fresh head sends large,
// random gradients through the pretrained weights; a head that has converged does not.
//
// Source: Kumar, Raghunathan, Jones, Ma and Liang, Fine-Tuning can Distort Pretrained Features and
// Underperform Out-of-Distribution, ICLR 2022.
type lpft struct {
	base
	probe int // epochs of the head alone

	Tuning bool `json:"tuning"` // everything trains
}

// lpftRate is the learning rate of fine-tuning, as a share of that of the head alone.
const lpftRate = 0.1

func newLPFT(r Run, arg string) (Schedule, error) {
	if !r.Units[r.blocks()].Head {
		return nil, fmt.Errorf("schedule lpft: the head is frozen, and there is nothing to begin with: add option thaw head")
	}
	return &lpft{base: base{r, r.Steps}, probe: min(number(arg, max(1, r.Epochs/3)), r.Epochs-1)}, nil
}

func (l *lpft) Next(m Moment) (Decision, bool) {
	if m.Step >= l.probe*l.run.Steps {
		if l.Tuning {
			return Decision{}, false
		}
		l.Tuning = true
		return l.all(fmt.Sprintf("the head has trained alone for %d epochs: everything trains at %g of its rate", l.probe, lpftRate)), true
	}
	if m.Step > 0 {
		return Decision{}, false
	}
	return Decision{Live: l.run.last(0), Steps: l.probe * l.run.Steps, Reason: fmt.Sprintf("the head alone for %d epochs", l.probe)}, true
}

func (l *lpft) Rate(_, step int) float64 {
	if step >= l.probe*l.run.Steps {
		return lpftRate
	}
	return 1
}
