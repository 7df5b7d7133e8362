package trials

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/random"
	"github.com/permafrost-ml/permafrost/internal/search/space"
)

// shaping are the options that say what is left of the model and what a head reads of it. Values of
// two of them can contradict each other.
var shaping = []string{"cut", "skip", "attach"}

// contradiction errors where two values of a space can meet in a trial that no model allows, as a
// block that is skipped and lies behind a cut, and says how they are kept apart. Every value alone
// is for Check.
func (b *Bench) contradiction(s *space.Space) error {
	for i, first := range shaping {
		for _, second := range shaping[i+1:] {
			p, q := s.Param(first), s.Param(second)
			if p == nil || q == nil {
				continue
			}
			for _, v := range p.Values {
				for _, w := range q.Values {
					if err := b.together(s, space.Setting{Name: first, Value: v}, space.Setting{Name: second, Value: w}); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

func (b *Bench) together(s *space.Space, v, w space.Setting) error {
	both := space.NewPoint(v, w)
	if _, err := s.Complete(both, random.For(b.session.Config.Seed, random.Search, -1)); err != nil {
		return nil // conditions keep them apart
	}
	if b.allows(space.NewPoint(v)) != nil || b.allows(space.NewPoint(w)) != nil {
		return nil // one of them is wrong by itself
	}
	err := b.allows(both)
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %s with %s: %s: %w; let one exist only beside the values of the other that allow it, as in %s: {choice: [...], when: {%s: ...}}",
		v.Name, v.Value, w.Name, w.Value, err, w.Name, v.Name)
}

// allows prepares the fit of the options that all trials share and those of a point.
func (b *Bench) allows(p space.Point) error {
	_, err := b.prepare(p, b.session.Train, b.session.Val)
	return err
}
