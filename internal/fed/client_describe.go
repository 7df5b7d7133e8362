package fed

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/fed/mixture"
	"github.com/permafrost-ml/permafrost/internal/random"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// describe fits a mixture to the frozen features of each class that the client has. The bytes are,
// for each: the class and the length of the mixture, then the mixture.
func (c *Client) describe(ctx context.Context, j *joined) (*Answer, error) {
	a := &Answer{Examples: j.answer.Examples}
	err := c.o.Bench.With(ctx, j.kit, func(l *run.Local) error {
		s := l.Session()
		f, err := l.Features(ctx)
		if err != nil {
			return err
		}
		rows := map[int][][]float32{}
		for i, e := range s.Train.Examples {
			rows[e.Label] = append(rows[e.Label], f.Rows[i*f.Width:(i+1)*f.Width])
		}
		for class := range s.Train.Classes {
			if len(rows[class]) == 0 {
				continue
			}
			m, err := mixture.Fit(rows[class], j.kit.Components, random.For(seedOf(j.kit.Seed, c.o.Name), random.Clients, class))
			if err != nil {
				return err
			}
			b := m.Marshal()
			a.Payload = binary.AppendUvarint(a.Payload, uint64(class))
			a.Payload = binary.AppendUvarint(a.Payload, uint64(len(b)))
			a.Payload = append(a.Payload, b...)
		}
		return nil
	})
	if err != nil {
		return nil, refusal{err}
	}
	return a, nil
}

// described reads what describe writes, of d features and a number of classes. It errors on bytes
// that it cannot have written.
func described(b []byte, d, classes int) (map[int]*mixture.Mixture, error) {
	out := map[int]*mixture.Mixture{}
	for len(b) > 0 {
		class, n := binary.Uvarint(b)
		if n <= 0 || class >= uint64(classes) {
			return nil, errors.New("fed: a description of a class that is none")
		}
		b = b[n:]
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return nil, errors.New("fed: a description that is cut off")
		}
		m, err := mixture.Unmarshal(b[n:n+int(size)], d)
		if err != nil {
			return nil, fmt.Errorf("fed: class %d: %w", class, err)
		}
		if out[int(class)] != nil {
			return nil, fmt.Errorf("fed: class %d is described twice", class)
		}
		out[int(class)] = m
		b = b[n+int(size):]
	}
	return out, nil
}
