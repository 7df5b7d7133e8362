package fed

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/fed/secure"
)

// sum takes the steps of a secure sum that need no training.
func (c *Client) sum(t *Task, j *joined) (*Answer, error) {
	name := t.Sum
	if t.Kind == Keys {
		s := j.sums[name]
		if s == nil {
			var err error
			if s, err = secure.NewClient(c.o.Name, name); err != nil {
				return nil, err
			}
			clear(j.sums) // a new sum ends those before it
			j.sums[name] = s
		}
		k := s.Keys()
		return &Answer{Keys: &k}, nil
	}
	s := j.sums[name]
	if s == nil {
		return nil, refusal{fmt.Errorf("the keys of the sum %s are gone, as this client began again", name)}
	}
	if t.Kind == Share {
		sealed, err := s.Share(t.Roster, secure.MinThreshold(len(t.Roster)))
		if err != nil {
			return nil, refusal{err}
		}
		return &Answer{Sealed: sealed}, nil
	}
	r, err := s.Reveal(t.Left)
	if err != nil {
		return nil, refusal{err}
	}
	return &Answer{Revealed: &r}, nil
}

// hide masks a change, and behind it the weight with which it counts.
func (c *Client) hide(t *Task, j *joined, change []float32, a *Answer) error {
	s := j.sums[t.Sum]
	if s == nil {
		return refusal{fmt.Errorf("the keys of the sum %s are gone, as this client began again", t.Sum)}
	}
	for i, v := range change {
		if !(float64(max(v, -v)) <= j.kit.Limit) {
			return refusal{fmt.Errorf("number %d changes by %g, and the sum takes up to %g: give the server a larger secure_limit, or a lower learning rate", i, v, j.kit.Limit)}
		}
	}
	weight := 1.0
	if t.Cap > 0 {
		weight = min(1, float64(a.Examples)/float64(t.Cap))
	}
	f := secure.Fixed{Limit: max(1, j.kit.Limit), Terms: t.Terms}
	x, err := f.Encode(append(change[:len(change):len(change)], 1), weight)
	if err != nil {
		return refusal{err}
	}
	masked, err := s.Mask(x, t.Sealed)
	if err != nil {
		return refusal{err}
	}
	a.Payload = words(masked)
	a.Loss, a.Accuracy, a.Before = 0, 0, 0 // what is told of one client would be known of it
	return nil
}
