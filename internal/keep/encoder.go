package keep

import (
	"context"
	"fmt"
	"iter"
	"math/bits"
	"slices"
	"time"

	"github.com/permafrost-ml/permafrost/internal/compile"
	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Encoder turns examples into what the live region reads: frontier values, from the store where they
// are kept, else by running the frozen region over the pictures. What the store keeps may be an earlier cut, from
// which the rest of the frozen region is run every time.
type Encoder struct {
	net   *split.Network
	ds    *data.Dataset
	store Store      // nil: compute every time
	cut   *split.Cut // what the store keeps; nil: the frontier
	near  *near      // nil: nothing to start from but the pictures
	kept  *split.Cut // what the store keeps, the frontier too; nil without a store

	before *Encoder // the same under the plan before, while this one is being filled; nil: none
	parts  map[string]*compile.Program
	half   []bool    // by kept value: float32 that is rounded to float16, as the store keeps it; nil: none
	bytes  []int     // size of each kept value of one example; of several lengths: of the shortest
	shape  []ir.Type // of them, for one example
	chunk  int       // examples that the frozen region takes at once

	shares []split.Share // of the kept values; nil where all examples have one length
	direct []int         // where nothing is computed of examples of several lengths: the inputs that are at the frontier

	// variants is how many augmented forms each example has; epochs use them in turn, whether they are kept or computed anew, and a store
	// has them one behind the other. 0: kept examples are as they are, and others are new in every epoch.
	variants int
}

// variant is the form in which an epoch sees the examples.
func (e *Encoder) variant(epoch int) int {
	if e.variants == 0 {
		return data.Plain
	}
	return max(epoch, 0) % e.variants
}

// slot is where the store keeps a variant of an example.
func (e *Encoder) slot(example, variant int) int { return max(variant, 0)*e.ds.Len() + example }

// near is an earlier cut that other runs have kept, from which a missing frontier is reached sooner than
// from the pictures.
type near struct {
	cut   *split.Cut
	store Store
}

func NewEncoder(net *split.Network, ds *data.Dataset, store Store) (*Encoder, error) {
	one, _, err := net.FrontierTypes(1)
	if err != nil {
		return nil, err
	}
	e := &Encoder{net: net, ds: ds, store: store, chunk: Chunk(net.Base.Feed.Form()), parts: map[string]*compile.Program{}}
	e.keeps(one)
	if net.Form != nil {
		err = e.varies()
	}
	return e, err
}

// keeps sets the types of what the store keeps for one example.
func (e *Encoder) keeps(one []ir.Type) {
	e.shape, e.bytes = one, nil
	for _, t := range one {
		e.bytes = append(e.bytes, t.Bytes())
	}
}

// filled says where the values of a store came from.
type filled struct {
	hits, near, misses int // examples: kept before, computed from nearer values, computed from pictures
}

// fill computes what the store lacks, in the order of the files, and calls progress with the number
// of examples that it has. Before each chunk is put, computed is told what an example took, in seconds.
func (e *Encoder) fill(ctx context.Context, progress func(done int), computed func(seconds float64)) (filled, error) {
	var f filled
	row := e.row()
	for v := range max(1, e.variants) {
		variant := e.variant(v)
		var missing []int
		for i := range e.ds.Len() {
			if e.shares != nil {
				row = e.room(i)
			}
			if e.store.Get(e.slot(i, variant), row) {
				f.hits++
			} else {
				missing = append(missing, i)
			}
		}
		if e.near != nil && len(missing) > 0 {
			var err error
			if missing, err = e.fillNear(ctx, missing, func(n int) { f.near += n; progress(f.hits + f.near + f.misses) }, computed); err != nil {
				return f, err
			}
		}
		if len(missing) > 0 && e.shares == nil {
			if _, err := e.whole(min(e.chunk, e.ds.Len())); err != nil { // compiled before the clock starts
				return f, err
			}
		}
		began := time.Now()
		for b, err := range e.ds.Loader(e.chunk).Groups(ctx, e.chunks(missing), variant) {
			if err != nil {
				return f, err
			}
			values, err := e.frozenChunk(ctx, b)
			if err != nil {
				return f, err
			}
			computed(time.Since(began).Seconds() / float64(len(b.Indices)))
			for k, i := range b.Indices {
				e.put(i, variant, values, k, b.Length)
			}
			f.misses += len(b.Indices)
			progress(f.hits + f.near + f.misses)
			began = time.Now()
		}
	}
	return f, nil
}

// fillNear computes those of the missing examples whose nearer values are kept, and returns the others.
func (e *Encoder) fillNear(ctx context.Context, missing []int, step func(n int), computed func(seconds float64)) (rest []int, err error) {
	staged := stageCut(e.near.cut, e.chunk)
	var have []int
	flush := func() error {
		for len(have) > 0 {
			n := power(min(len(have), e.chunk))
			in := stageCut(e.near.cut, n)
			at := len(have) - n // from the end of what is staged
			for k := range in {
				size := len(in[k].Bytes)
				copy(in[k].Bytes, staged[k].Bytes[at*size/n:])
			}
			began := time.Now()
			values, err := e.between(ctx, e.near.cut, in)
			if err != nil {
				return err
			}
			computed(time.Since(began).Seconds() / float64(n))
			for k, i := range have[at:] {
				e.store.Put(i, e.slice(values, k))
			}
			have = have[:at]
			step(n)
		}
		return nil
	}
	for _, i := range missing {
		if !e.near.store.Get(i, sliceOf(staged, sizesOf(e.near.cut), len(have))) {
			rest = append(rest, i)
			continue
		}
		if have = append(have, i); len(have) == e.chunk {
			if err := flush(); err != nil {
				return nil, err
			}
		}
	}
	return rest, flush()
}

// power is the largest power of two up to n: odd numbers of examples are computed in such pieces, so that few programs are
// compiled.
func power(n int) int { return 1 << (bits.Len(uint(n)) - 1) }

// row is room for the values of one example.
func (e *Encoder) row() [][]byte {
	row := make([][]byte, len(e.bytes))
	for i, n := range e.bytes {
		row[i] = make([]byte, n)
	}
	return row
}

// slice views example k of a batch's values.
func (e *Encoder) slice(values []*tensor.Tensor, k int) [][]byte { return sliceOf(values, e.bytes, k) }

func sliceOf(values []*tensor.Tensor, sizes []int, k int) [][]byte {
	row := make([][]byte, len(values))
	sliceInto(row, values, sizes, k)
	return row
}

func sliceInto(row [][]byte, values []*tensor.Tensor, sizes []int, k int) {
	for i, v := range values {
		n := sizes[i]
		row[i] = v.Bytes[k*n : (k+1)*n]
	}
}

// whole is the program from the pictures to what is kept.
func (e *Encoder) whole(n int) (*compile.Program, error) {
	if e.cut == nil {
		return e.net.Frozen(n)
	}
	return e.part(n, nil, e.cut)
}

// frozen computes what is kept from the inputs.
func (e *Encoder) frozen(ctx context.Context, b *data.Batch) ([]*tensor.Tensor, error) {
	return e.run(ctx, b.Inputs, len(b.Indices))
}

// frozenChunk does the same for a batch that may fall short of a chunk: it is filled up, so that one
// program, with one set of packed weights and one arena, serves a whole data set.
func (e *Encoder) frozenChunk(ctx context.Context, b *data.Batch) ([]*tensor.Tensor, error) {
	n := len(b.Indices)
	if e.shares != nil {
		return e.frozenAt(ctx, b)
	}
	if n >= e.chunk || e.ds.Len() < e.chunk {
		return e.frozen(ctx, b)
	}
	values, err := e.run(ctx, e.fillUp(b.Inputs, n), e.chunk)
	if err != nil {
		return nil, err
	}
	values = slices.Clone(values)
	for i, v := range values {
		s := v.Shape.Clone()
		s[0] = s[0] / e.chunk * n
		values[i] = &tensor.Tensor{DType: v.DType, Shape: s, Bytes: v.Bytes[:len(v.Bytes)/e.chunk*n]}
	}
	return values, nil
}

func (e *Encoder) run(ctx context.Context, inputs []*tensor.Tensor, n int) ([]*tensor.Tensor, error) {
	p, err := e.whole(n)
	if err != nil {
		return nil, err
	}
	values, err := p.Run(ctx, inputs...)
	for i, v := range values {
		if e.half != nil && e.half[i] {
			widen(v.Bytes, narrow(v.Bytes))
		}
	}
	return values, err
}

// fillUp copies n examples to the front of a chunk; what follows them does not matter.
func (e *Encoder) fillUp(in []*tensor.Tensor, n int) []*tensor.Tensor {
	out := make([]*tensor.Tensor, len(in))
	for i, t := range in {
		s := t.Shape.Clone()
		s[0] = s[0] / n * e.chunk
		out[i] = tensor.New(t.DType, s...)
		copy(out[i].Bytes, t.Bytes)
	}
	return out
}

// between computes what is kept from the values of an earlier cut.
func (e *Encoder) between(ctx context.Context, from *split.Cut, in []*tensor.Tensor) ([]*tensor.Tensor, error) {
	p, err := e.part(in[0].Shape[0]/from.Points[0].One.Shape[0], from, e.cut)
	if err != nil {
		return nil, err
	}
	return p.Run(ctx, in...)
}

// rest completes a batch from the cut that is kept to the frontier.
func (e *Encoder) rest(ctx context.Context, b *split.Batch) (*split.Batch, error) {
	if e.cut == nil {
		return b, nil
	}
	p, err := e.part(len(b.Indices), e.cut, nil)
	if err != nil {
		return nil, err
	}
	values, err := p.Run(ctx, b.Values...)
	return &split.Batch{Values: values, Indices: b.Indices, Length: b.Length, Lengths: b.Lengths}, err
}

// part compiles the network between two cuts for n examples, once. From nil are the inputs, to nil is the frontier.
func (e *Encoder) part(n int, from, to *split.Cut) (*compile.Program, error) {
	key := partKey(n, from, to)
	if p := e.parts[key]; p != nil {
		return p, nil
	}
	p, err := e.net.Between(n, from, to)
	if err == nil {
		e.parts[key] = p
	}
	return p, err
}

// EvalBatch is how many examples are run at once as inference, where a step has batch.
func (e *Encoder) EvalBatch(batch int) int {
	if e.shares != nil {
		return batch
	}
	return max(batch, min(e.chunk, e.ds.Len()))
}

// Batches yields groups of examples at the frontier, as they are in an epoch. What it yields is valid until the next batch.
func (e *Encoder) Batches(ctx context.Context, groups []data.Group, epoch int) iter.Seq2[*split.Batch, error] {
	if e.variants > 0 {
		epoch = e.variant(epoch)
	}
	if e.direct != nil || e.store == nil && e.shares == nil {
		return e.computed(ctx, groups, epoch)
	}
	return func(yield func(*split.Batch, error) bool) {
		for b, missing := range e.stored(groups, e.variant(epoch)) {
			err := e.recompute(ctx, b, missing, epoch)
			if err == nil {
				b, err = e.rest(ctx, b)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(b, nil) {
				return
			}
		}
	}
}

// stored yields batches as the store holds them, with the positions of the examples that it lacks. Where it reads from the disk it
// reads the next batch while this one is in use.
func (e *Encoder) stored(groups []data.Group, variant int) iter.Seq2[*split.Batch, []int] {
	type found struct {
		batch   *split.Batch
		missing []int
	}
	type size struct{ n, length int }
	staged := [2]map[size][]*tensor.Tensor{{}, {}}
	read := func(turn int) found {
		g := groups[0]
		groups = groups[1:]
		at := size{len(g.Indices), g.Length}
		if staged[turn][at] == nil {
			if e.shares == nil { // only the last batch has another size
				clear(staged[turn])
			}
			staged[turn][at] = e.stageAt(at.n, at.length)
		}
		b := found{batch: e.encoded(g, staged[turn][at])}
		row := make([][]byte, len(e.bytes))
		for k, i := range b.batch.Indices {
			if !e.get(i, variant, b.batch.Values, k, g.Length, row) {
				b.missing = append(b.missing, k)
			}
		}
		return b
	}
	if r, ok := e.store.(interface{ full() bool }); e.store == nil || ok && r.full() {
		return func(yield func(*split.Batch, []int) bool) {
			for len(groups) > 0 {
				if b := read(0); !yield(b.batch, b.missing) {
					return
				}
			}
		}
	}
	return func(yield func(*split.Batch, []int) bool) {
		turn := 0
		next := make(chan found, 1)
		ahead := func() {
			if len(groups) == 0 {
				close(next)
				return
			}
			turn = 1 - turn
			next <- read(turn)
		}
		go ahead()
		for b := range next {
			go ahead()
			if !yield(b.batch, b.missing) {
				for range next { // the read under way ends before this does
					break
				}
				return
			}
		}
	}
}

// encoded is a group with its values at the frontier.
func (e *Encoder) encoded(g data.Group, values []*tensor.Tensor) *split.Batch {
	b := &split.Batch{Values: values, Indices: g.Indices, Length: g.Length, Lengths: make([]int, len(g.Indices))}
	for k, i := range g.Indices {
		b.Lengths[k] = e.ds.Length(i)
	}
	return b
}

// stage makes room for the values of n examples.
func (e *Encoder) stage(n int) []*tensor.Tensor { return stageOf(e.shape, n) }

// stageCut makes room for the values of n examples at a cut.
func stageCut(c *split.Cut, n int) []*tensor.Tensor { return stageOf(c.Types(), n) }

// sizesOf are the sizes of a cut's values for one example, in bytes.
func sizesOf(c *split.Cut) []int {
	var sizes []int
	for _, p := range c.Points {
		sizes = append(sizes, p.One.Bytes())
	}
	return sizes
}

// partKey names the program between two cuts.
func partKey(n int, from, to *split.Cut) string {
	positions := func(c *split.Cut) (at []int) {
		if c != nil {
			for _, p := range c.Points {
				at = append(at, p.At)
			}
		}
		return at
	}
	return fmt.Sprint(n, positions(from), positions(to))
}

func stageOf(one []ir.Type, n int) []*tensor.Tensor {
	out := make([]*tensor.Tensor, len(one))
	for i, t := range one {
		s := t.Shape.Clone()
		s[0] *= n
		out[i] = tensor.New(t.DType, s...)
	}
	return out
}

// recompute fills in the examples of a batch, by position, that the store does not have.
func (e *Encoder) recompute(ctx context.Context, b *split.Batch, missing []int, epoch int) error {
	if e.shares != nil {
		return e.recomputeAt(ctx, b, missing, epoch)
	}
	variant := e.variant(epoch)
	for len(missing) > 0 {
		n := power(min(len(missing), e.chunk))
		indices := make([]int, n)
		for k, at := range missing[:n] {
			indices[k] = b.Indices[at]
		}
		for got, err := range e.ds.Loader(n).Batches(ctx, indices, variant) {
			if err != nil {
				return err
			}
			values, err := e.frozen(ctx, got)
			if err != nil {
				return err
			}
			for k, at := range missing[:n] {
				src, dst := e.slice(values, k), e.slice(b.Values, at)
				for i := range dst {
					copy(dst[i], src[i])
				}
				e.store.Put(e.slot(indices[k], variant), src)
			}
		}
		missing = missing[n:]
	}
	return nil
}

// computed runs the frozen region over every batch anew.
func (e *Encoder) computed(ctx context.Context, groups []data.Group, epoch int) iter.Seq2[*split.Batch, error] {
	size := 1
	for _, g := range groups {
		size = max(size, len(g.Indices))
	}
	return func(yield func(*split.Batch, error) bool) {
		for b, err := range e.ds.Loader(size).Groups(ctx, groups, epoch) {
			if err != nil {
				yield(nil, err)
				return
			}
			var values []*tensor.Tensor
			if e.direct != nil {
				for _, k := range e.direct {
					values = append(values, b.Inputs[k])
				}
			} else if values, err = e.frozen(ctx, b); err != nil {
				yield(nil, err)
				return
			}
			out := e.encoded(data.Group{Indices: b.Indices, Length: b.Length}, values)
			if e.direct == nil {
				if out, err = e.rest(ctx, out); err != nil {
					yield(nil, err)
					return
				}
			}
			if !yield(out, nil) {
				return
			}
		}
	}
}
