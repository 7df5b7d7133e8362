package inspect

import (
	"fmt"
	"math"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/split"
)

// lengths describe how many steps examples have: 1 if all have one length.
type lengths struct {
	mean   float64 // mean without padding
	padded float64 // mean with padding
	// mean, over all steps, of the padded length of the step's example; time that grows with the
	// square of the length depends on it
	step    float64
	longest int // longest, with padding
	// how many lengths with padding there are, each of which is compiled for
	distinct int
}

// suppose sets lengths if there are no data: windows have one step, texts the length of an open
// axis.
func (p *probe) suppose() {
	n := 1
	if p.base.Form() != nil && !p.base.Form().Rows {
		n = p.base.Form().Bucket(min(split.OpenAxis, p.base.Form().Most))
	}
	p.steps = lengths{float64(n), float64(n), float64(n), n, 1}
}

// see takes the lengths of examples from data.
func (p *probe) see(sets ...*data.Dataset) {
	if p.base.Form() == nil {
		return
	}
	n, l, seen := 0, lengths{}, map[int]bool{}
	for _, d := range sets {
		for i := range d.Len() {
			b := d.Bucket(i)
			seen[b] = true
			l.mean, l.padded, l.step, l.longest = l.mean+float64(d.Length(i)), l.padded+float64(b), l.step+float64(b*b), max(l.longest, b)
		}
		n += d.Len()
	}
	if n > 0 {
		p.steps = lengths{l.mean / float64(n), l.padded / float64(n), l.step / l.padded, l.longest, len(seen)}
	}
}

// typical is the length that represents all examples: the bucket of lengths.step.
func (p *probe) typical() int {
	if p.base.Form() == nil {
		return 1
	}
	return p.base.Form().Bucket(int(math.Round(p.steps.step)))
}

// lengthNote says for which length operations are counted, if examples have different lengths.
func (p *probe) lengthNote(data bool) string {
	switch n := p.typical(); {
	case p.base.Form() == nil:
		return ""
	case data && p.base.Form().Rows:
		return fmt.Sprintf("operations are those of an example of %d windows; the examples have %.3g on average", n, p.steps.mean)
	case data:
		return fmt.Sprintf("operations are those of an example of %d steps; the examples have %.3g on average, %.3g with padding", n, p.steps.mean, p.steps.padded)
	case p.base.Form().Rows:
		return "an example is taken as one window; most have more"
	default:
		return fmt.Sprintf("an example is taken as %d steps; yours may have more or fewer", n)
	}
}
