package fed

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/permafrost-ml/permafrost/internal/fed/compress"
	"github.com/permafrost-ml/permafrost/internal/fed/freezing"
	"github.com/permafrost-ml/permafrost/internal/fed/privacy"
	"github.com/permafrost-ml/permafrost/internal/fed/secure"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// Bench lends a client what it trains with.
type Bench interface {
	// With calls fn with a Local of the kit that has the client's examples. It errors where the
	// client cannot have one: its model, data or plan are others.
	With(ctx context.Context, kit *Kit, fn func(l *run.Local) error) error
	// Affords gives the first unit of the plan that the client can train, and why not an earlier one.
	Affords(l *run.Local) (from int, why string, err error)
	// Fetched is how many bytes of the model the client had to get.
	Fetched() int64
}

// ClientOptions are those of a client.
type ClientOptions struct {
	Name  string
	Bench Bench
	World *World
	Dir   string       // where the client remembers what it carries from round to round; "": in memory
	Tell  func(string) // is given lines for a person; nil: none
	// Refused is told what the client cannot do, and whether it had joined the federation; nil: none.
	Refused func(err error, joined bool)
	// Alter changes what the client sends, as one does that lies; nil: nothing.
	Alter func(round int, delta []float32)
}

// Client answers the tasks of servers. It is for one goroutine.
type Client struct {
	o     ClientOptions
	store store
	in    map[string]*joined // by federation
}

// joined is a federation that the client takes part in.
type joined struct {
	kit     *Kit
	scheme  compress.Scheme
	pieces  []run.Piece
	units   int
	n       int
	answer  Answer // to Join
	version int    // of the weights that the client has
	mask    string // digest of the last mask that it got
	sums    map[string]*secure.Client
}

// NewClient is a client that knows no federation yet.
func NewClient(o ClientOptions) *Client {
	if o.Tell == nil {
		o.Tell = func(string) {}
	}
	return &Client{o: o, store: store{dir: o.Dir}, in: map[string]*joined{}}
}

// refusal is an error that the server is told; trying again would not help.
type refusal struct{ error }

// Handle does a task and returns the answer. An error says that another try may succeed.
func (c *Client) Handle(ctx context.Context, body []byte) ([]byte, error) {
	var t Task
	if err := json.Unmarshal(body, &t); err != nil {
		return nil, fmt.Errorf("fed: a task: %w", err)
	}
	a, err := c.do(ctx, &t)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if r, ok := err.(refusal); ok {
		c.o.Tell(fmt.Sprintf("refuses: %v", r.error))
		if c.o.Refused != nil {
			c.o.Refused(r.error, c.in[t.Federation] != nil)
		}
		a, err = &Answer{Refused: r.Error()}, nil
	}
	if err != nil {
		return nil, err
	}
	return a.pack()
}

func (c *Client) do(ctx context.Context, t *Task) (*Answer, error) {
	j, err := c.join(ctx, t)
	if err != nil {
		return nil, err
	}
	switch t.Kind {
	case Join:
		a := j.answer
		return &a, nil
	case Train:
		return c.train(ctx, t, j)
	case Describe:
		return c.describe(ctx, j)
	case Keys, Share, Reveal:
		return c.sum(t, j)
	}
	return nil, refusal{fmt.Errorf("the task %q is unknown: run one version of Permafrost on both sides", t.Kind)}
}

// join opens the kit of a federation, once.
func (c *Client) join(ctx context.Context, t *Task) (*joined, error) {
	if j := c.in[t.Federation]; j != nil {
		return j, nil
	}
	b, err := c.o.World.depot.Get(ctx, t.Kit.Digest)
	if err != nil {
		return nil, err
	}
	j := &joined{kit: &Kit{}, sums: map[string]*secure.Client{}}
	if err := json.Unmarshal(b, j.kit); err != nil {
		return nil, refusal{fmt.Errorf("the kit: %w", err)}
	}
	if j.scheme, err = compress.Parse(j.kit.Compress); err != nil {
		return nil, refusal{err}
	}
	err = c.o.Bench.With(ctx, j.kit, func(l *run.Local) error {
		j.pieces, j.units, j.n = l.Pieces(), len(l.Units()), l.Len()
		j.answer = Answer{Examples: l.Session().Train.Len(), Layout: layoutOf(l)}
		var err error
		j.answer.From, j.answer.Why, err = c.o.Bench.Affords(l)
		if !c.o.World.has(0) {
			c.o.World.start(l.Weights())
		}
		return err
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, refusal{err}
	}
	j.answer.Base = c.o.Bench.Fetched()
	c.in[t.Federation] = j
	if n := j.answer.Base; n > 0 {
		c.o.Tell(fmt.Sprintf("was sent the model, %s", report.ByteCount(n)))
	}
	c.o.Tell(fmt.Sprintf("takes part in federation %s with %d examples", t.Federation, j.answer.Examples))
	return j, nil
}

// train trains, and answers with what changed.
func (c *Client) train(ctx context.Context, t *Task, j *joined) (*Answer, error) {
	began := time.Now()
	down := c.costs(t, j)
	x, err := c.o.World.at(ctx, t, j.scheme, j.n)
	if err != nil {
		return nil, err
	}
	mask, err := c.o.World.maskOf(ctx, t.Mask, j.n)
	if err != nil {
		return nil, err
	}
	j.version, j.mask = t.Version, t.Mask.Digest
	key := t.Federation + "-" + c.o.Name
	m, err := c.store.load(key)
	if err != nil {
		return nil, err
	}
	state := m.at(t.Round, t.Counted)
	active := mask.And(depthMask(j.pieces, j.answer.From))
	a := &Answer{Examples: j.answer.Examples, Down: down}
	delta, own, err := c.leg(ctx, t, j, x, active, state.Statistics, a)
	if err != nil {
		return nil, err
	}
	loss := a.Loss // it may be hidden from the server, not from who runs the client
	if c.o.Alter != nil {
		c.o.Alter(t.Round, delta)
	}
	if j.kit.Clip > 0 {
		privacy.Clip(delta, j.kit.Clip)
	}
	if j.kit.Noise > 0 {
		src := privacy.Seeded(seedOf(j.kit.Seed, c.o.Name), t.Round)
		if !j.kit.Seeded {
			if src, err = privacy.Secret(); err != nil {
				return nil, err
			}
		}
		privacy.AddNoise(delta, j.kit.Noise, src)
		a.Loss, a.Accuracy, a.Before = 0, 0, 0 // without noise they would tell what the change does not
	}
	next := carried{Lost: state.Lost, Statistics: own}
	if t.Terms > 0 {
		if err := c.hide(t, j, active.Gather(delta), a); err != nil {
			return nil, err
		}
	} else if next.Lost, err = j.encode(a, sent(j.pieces, active, j.kit.Statistics), delta, state.Lost); err != nil {
		return nil, refusal{err}
	}
	a.Seconds = time.Since(began).Seconds()
	if next.Lost != nil || next.Statistics != nil {
		if err := c.store.save(key, memory{Round: t.Round, Before: state, After: next}); err != nil {
			return nil, err
		}
	}
	c.o.Tell(fmt.Sprintf("round %d: loss %.4g on %d examples, %d bytes up, %d down, %.1f s", t.Round+1, loss, a.Examples, len(a.Payload), down, a.Seconds))
	return a, nil
}

// leg trains from x, and gives what changed. Own are the client's statistics, where they are its own.
func (c *Client) leg(ctx context.Context, t *Task, j *joined, x []float32, active freezing.Mask, statistics []float32, a *Answer) (delta, own []float32, err error) {
	local := j.kit.Statistics == "local"
	err = c.o.Bench.With(ctx, j.kit, func(l *run.Local) error {
		from := x
		if local && statistics != nil {
			from = slices.Clone(x)
			putStatistics(j.pieces, from, statistics)
		}
		if err := l.SetWeights(from); err != nil {
			return err
		}
		if t.Loss {
			if a.Before, err = l.LossNow(ctx); err != nil {
				return err
			}
		}
		trained, err := l.Train(ctx, run.Leg{First: t.Round * j.kit.Epochs, Epochs: j.kit.Epochs, LR: t.LR, Seed: seedOf(j.kit.Seed, c.o.Name), Prox: j.kit.Prox, Active: active})
		if err != nil {
			return err
		}
		a.Examples, a.Loss, a.Accuracy, a.Steps = trained.Examples, trained.Loss, trained.Accuracy, trained.Steps
		delta = l.Weights()
		if local {
			own = getStatistics(j.pieces, delta)
		}
		for i := range delta {
			delta[i] -= from[i]
		}
		return nil
	})
	if err != nil && ctx.Err() == nil {
		err = refusal{err} // the same examples would meet it again
	}
	return delta, own, err
}

// costs are the bytes that a client without others must get for a task.
func (c *Client) costs(t *Task, j *joined) int64 {
	n := 0
	mask := j.mask
	need := func(b Blob) {
		if b.Digest != "" && b.Digest != mask {
			n += b.Size
			mask = b.Digest
		}
	}
	switch {
	case j.version == t.Version:
	case len(t.Steps) > 0 && j.version == t.Held:
		for _, s := range t.Steps {
			need(s.Mask)
			n += s.Change.Size
		}
	default:
		n += t.Full.Size
	}
	need(t.Mask)
	return int64(n)
}

// encode writes the numbers of a change that take part, with what earlier rounds lost of them, and
// gives what is lost now; nil where nothing can be.
func (j *joined) encode(a *Answer, mask freezing.Mask, delta, lost []float32) ([]float32, error) {
	if _, exact := j.scheme.(compress.None); exact {
		for i, v := range delta {
			if v-v != 0 {
				return nil, fmt.Errorf("number %d of the change is %g", i, v)
			}
		}
		a.Payload = j.scheme.Encode(nil, mask.Gather(delta))
		return nil, nil
	}
	if lost == nil {
		lost = make([]float32, len(delta))
	}
	f := compress.Feedback{Scheme: j.scheme}
	f.Restore(mask.Gather(lost))
	var err error
	if a.Payload, err = f.Encode(nil, mask.Gather(delta)); err != nil {
		return nil, err
	}
	left, err := mask.Scatter(f.Lost(), len(delta))
	if err != nil {
		return nil, err
	}
	for i := range left {
		if mask != nil && !mask[i] {
			left[i] = lost[i]
		}
	}
	return left, nil
}

// depthMask is what a client trains that can afford the units from one on; nil for all.
func depthMask(pieces []run.Piece, from int) freezing.Mask {
	if from == 0 {
		return nil
	}
	return maskWhere(pieces, func(p run.Piece) bool { return p.Unit >= from })
}

// sent is the part of what trains that travels.
func sent(pieces []run.Piece, active freezing.Mask, statistics string) freezing.Mask {
	if statistics != "local" || !slices.ContainsFunc(pieces, func(p run.Piece) bool { return p.Statistic }) {
		return active
	}
	return active.And(maskWhere(pieces, func(p run.Piece) bool { return !p.Statistic }))
}

func maskWhere(pieces []run.Piece, on func(p run.Piece) bool) freezing.Mask {
	m := freezing.Mask{}
	for _, p := range pieces {
		m = append(m, slices.Repeat([]bool{on(p)}, p.Len)...)
	}
	return m
}

func getStatistics(pieces []run.Piece, x []float32) []float32 {
	out := []float32{}
	at := 0
	for _, p := range pieces {
		if p.Statistic {
			out = append(out, x[at:at+p.Len]...)
		}
		at += p.Len
	}
	return out
}

func putStatistics(pieces []run.Piece, x, statistics []float32) {
	at := 0
	for _, p := range pieces {
		if p.Statistic {
			copy(x[at:at+p.Len], statistics)
			statistics = statistics[p.Len:]
		}
		at += p.Len
	}
}

// seedOf is a client's own seed: clients with the same examples meet them in other orders.
func seedOf(seed uint64, name string) uint64 {
	h := fnv.New64a()
	_ = binary.Write(h, binary.LittleEndian, seed)
	h.Write([]byte(name))
	return h.Sum64()
}
