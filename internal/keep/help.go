package keep

import (
	"bytes"
	"context"
	"math/rand/v2"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/split"
)

// Helpers are other processes that compute a part of the values of a pass. What they send has the
// bits of what is computed here, so nothing depends on whether they are there.
type Helpers interface {
	// Help offers them a pass. It does not wait for any.
	Help(ctx context.Context, p *Pass) Help
}

// Pass is a run of the frozen region over examples whose values are not kept.
type Pass struct {
	Net     *split.Network
	Data    *data.Dataset
	At      *split.Cut        // the values to compute
	Half    []bool            // by value: rounded to float16
	Variant int               // of the examples, see data.Dataset.Read
	Groups  []data.Group      // what the frozen region takes at once
	Size    func(i int) []int // sizes in bytes of the values of example i
	Seconds float64           // that an example takes here
}

// Help is the help with one pass. It is for one goroutine.
type Help interface {
	// Next gives what is to be done: groups to compute here, or else values that came. With neither,
	// the pass is over. Calling it again says that it is done. It waits only while others compute all
	// that is left, and gives that to be computed here where they take long.
	Next(ctx context.Context) (here []data.Group, came *Came, err error)
	// Refuse says that values that came are wrong: they are computed again, and nothing more is taken
	// from who sent them.
	Refuse(c *Came)
	// Close takes back what others have not computed.
	Close()
}

// Came are values that another process computed.
type Came struct {
	Worker  string
	Indices []int
	Rows    [][]byte // by example: its values one after the other, of the sizes of Pass.Size
}

// withHelp computes a pass together with others. Of what comes from them it computes one example in
// each lot again, and refuses the lot where a bit differs.
func (e *Encoder) withHelp(ctx context.Context, help Help, p *Pass, step func(n int), computed func(seconds float64)) error {
	defer help.Close()
	for {
		here, came, err := help.Next(ctx)
		switch {
		case err != nil:
			return err
		case here != nil:
			if err := e.compute(ctx, here, p.Variant, step, computed); err != nil {
				return err
			}
		case came != nil:
			k := rand.IntN(len(came.Indices)) // nobody can know which
			own, err := e.one(ctx, came.Indices[k], p.Variant)
			if err != nil {
				return err
			}
			if !bytes.Equal(own, came.Rows[k]) {
				help.Refuse(came)
				continue
			}
			for k, i := range came.Indices {
				e.store.Put(e.slot(i, p.Variant), parted(came.Rows[k], e.sizeOf(i)))
			}
			step(len(came.Indices))
		default:
			return nil
		}
	}
}

// one computes the values of one example, one after the other.
func (e *Encoder) one(ctx context.Context, i, variant int) (row []byte, err error) {
	for b, err := range e.ds.Loader(1).Groups(ctx, e.chunks([]int{i}), variant) {
		if err != nil {
			return nil, err
		}
		if e.shares == nil {
			values, err := e.frozen(ctx, b)
			if err != nil {
				return nil, err
			}
			return bytes.Join(e.slice(values, 0), nil), nil
		}
		values, err := e.frozenAt(ctx, b)
		if err != nil {
			return nil, err
		}
		return bytes.Join(e.cutToLength(i, values, 0, b.Length), nil), nil
	}
	return nil, ctx.Err()
}

// sizeOf gives the sizes in bytes of the kept values of example i.
func (e *Encoder) sizeOf(i int) []int {
	if e.shares == nil {
		return e.bytes
	}
	sizes := make([]int, len(e.shares))
	for k, s := range e.shares {
		sizes[k] = s.Bytes(e.ds.Length(i))
	}
	return sizes
}

func total(sizes []int) int {
	n := 0
	for _, size := range sizes {
		n += size
	}
	return n
}

// parted cuts a row into values.
func parted(row []byte, sizes []int) (values [][]byte) {
	for _, n := range sizes {
		values, row = append(values, row[:n]), row[n:]
	}
	return values
}
