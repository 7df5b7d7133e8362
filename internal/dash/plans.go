package dash

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/inspect"
)

// plans hold the models that the plan page has open.
type plans struct {
	ctx          context.Context // of the server: what opens a model serves others too
	models, data *grants
	mu           sync.Mutex
	open         []*planning // the latest last
	closed       bool        // nothing more is opened
	work         sync.WaitGroup
}

// planning is a model that is open, with its data if it has any.
type planning struct {
	key     string
	ready   chan struct{} // closed when it is open, or could not be opened
	err     error
	stop    context.CancelFunc // of opening it
	fetched fetched            // from a hub
	mu      sync.Mutex         // of what follows: one plan at a time
	planner *inspect.Planner
	rates   inspect.Rates // as last measured
	parts   map[string]*inspect.Outline
}

// planningsMost is how many models are open at once.
const planningsMost = 2

func newPlans(ctx context.Context, models, data []string) (*plans, error) {
	p := &plans{ctx: ctx}
	var err error
	if p.models, err = newGrants("models", models); err != nil {
		return nil, err
	}
	if p.data, err = newGrants("data", data); err != nil {
		p.models.close()
		return nil, err
	}
	return p, nil
}

// close waits until nothing is opened any more. The context has ended.
func (p *plans) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.work.Wait()
	p.models.close()
	p.data.close()
}

// request is what the plan page asks for.
type request struct {
	config.Config
	Examples int
	Classes  int
	Name     string // of the run
	Part     int
}

// requestOf reads the form of the plan page.
func requestOf(get func(string) string) (*request, error) {
	q := &request{Config: config.DefaultConfig(), Name: strings.TrimSpace(get("name")), Examples: 1000, Classes: 10}
	q.Model, q.Data = get("model"), strings.TrimSpace(get("data"))
	q.Thaw, q.Freeze = freeze.SplitList([]string{get("thaw")}), freeze.SplitList([]string{get("freeze")})
	for _, f := range []struct {
		name string
		to   *string
	}{{"head", &q.Head}, {"optimizer", &q.Optimizer}, {"batchnorm", &q.BatchNorm}, {"cache", &q.Cache}, {"augment", &q.Augment}} {
		if text := strings.TrimSpace(get(f.name)); text != "" {
			*f.to = text
		}
	}
	for _, f := range []struct {
		name string
		to   *int
	}{{"epochs", &q.Epochs}, {"batch", &q.Batch}, {"examples", &q.Examples}, {"classes", &q.Classes}, {"part", &q.Part}} {
		if text := strings.TrimSpace(get(f.name)); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 0 || n > 1e9 {
				return nil, errors.New(f.name + " " + text + ": a whole number from 0")
			}
			*f.to = n
		}
	}
	if text := strings.TrimSpace(get("lr")); text != "" {
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, errors.New("learning rate " + text + ": a number, as 0.001")
		}
		q.LR = x
	}
	c := q.Config
	if c.Data == "" {
		c.Data = "."
	}
	if q.Model == "" {
		return nil, errNone
	}
	if q.Examples < 1 || q.Classes < 2 {
		return nil, errors.New("at least 1 example and 2 classes")
	}
	return q, c.Validate()
}

// granted errors where a request names what the server was not given.
func (p *plans) granted(q *request) error {
	if err := p.models.check(q.Model); err != nil {
		return err
	}
	if q.Data == "" {
		return nil
	}
	return p.data.check(q.Data)
}

// of opens the model of a request, or finds it open.
func (p *plans) of(ctx context.Context, q *request) (*planning, error) {
	o, err := p.begin(q)
	if err != nil {
		return nil, err
	}
	select {
	case <-o.ready:
		return o, o.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// keyOf names what a request opens.
func keyOf(q *request) string {
	return strings.Join([]string{q.Model, q.Data, stampText(q.Model), stampText(q.Data), q.Augment}, "\x00")
}

// find is what a request has opened, or is opening; nil for none.
func (p *plans) find(q *request) *planning {
	key := keyOf(q)
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.IndexFunc(p.open, func(o *planning) bool { return o.key == key }); i >= 0 {
		return p.open[i]
	}
	return nil
}

// begin begins to open the model of a request, or finds it. It does not wait.
func (p *plans) begin(q *request) (*planning, error) {
	if err := p.granted(q); err != nil {
		return nil, err
	}
	key := keyOf(q)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errors.New("the server is stopping")
	}
	i := slices.IndexFunc(p.open, func(o *planning) bool { return o.key == key })
	if i >= 0 {
		o := p.open[i]
		p.open = append(slices.Delete(p.open, i, i+1), o)
		return o, nil
	}
	o := &planning{key: key, ready: make(chan struct{}), parts: map[string]*inspect.Outline{}}
	if len(p.open) == planningsMost {
		p.open = slices.Delete(p.open, 0, 1)
	}
	p.open = append(p.open, o)
	var ctx context.Context
	ctx, o.stop = context.WithCancel(p.ctx)
	c := q.Config
	c.Threads = 0
	p.work.Go(func() {
		defer close(o.ready)
		defer o.stop()
		if o.err = c.Fetch(ctx, &o.fetched); o.err == nil {
			o.planner, o.err = inspect.Open(ctx, inspect.InspectOptions{Config: c})
		}
		if o.err != nil { // another request may try again
			p.mu.Lock()
			p.open = slices.DeleteFunc(p.open, func(x *planning) bool { return x == o })
			p.mu.Unlock()
		}
	})
	return o, nil
}

// stampText says when a file was changed.
func stampText(name string) string {
	st, err := os.Stat(name)
	if err != nil {
		return ""
	}
	return strconv.FormatInt(st.Size(), 10) + st.ModTime().Format(time.RFC3339Nano)
}

// How a cost is found.
const (
	unpriced = iota // it is not
	guessed         // from the rates of an earlier plan
	measured        // from runs of a few examples
)

// inspect makes the plan of a request and predicts what it costs.
func (o *planning) inspect(ctx context.Context, q *request, how int) (*inspect.Inspection, *inspect.Outline, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	options := inspect.InspectOptions{Config: q.Config, Examples: q.Examples, Classes: q.Classes, Measure: how == measured}
	if how == guessed {
		rates := o.rates
		options.Guess = &rates
	}
	outline := o.parts[q.Head]
	options.Outline = outline == nil
	in, err := o.planner.Inspect(ctx, options)
	if err != nil {
		return nil, nil, err
	}
	if outline == nil {
		outline = in.Outline
		o.parts[q.Head] = outline
	}
	if how == measured {
		if in.Rates.Frozen > 0 {
			o.rates.Frozen = in.Rates.Frozen
		}
		if in.Rates.Live > 0 {
			o.rates.Live = in.Rates.Live
		}
	}
	return in, outline, nil
}

// args are the arguments of the fit of a request, without its folder.
func (q *request) args() []string {
	c := q.Config
	c.Out = ""
	for _, list := range []*[]string{&c.Thaw, &c.Freeze} {
		if len(*list) > 0 {
			*list = []string{strings.Join(*list, ",")}
		}
	}
	return c.Args()
}

// freePath is a path below the folder of the runs that no run has.
func (s *Server) freePath(q *request) (string, error) {
	name := q.Name
	taken := func(name string) bool {
		_, err := os.Lstat(filepath.Join(s.o.Runs, name))
		return err == nil || s.jobs.runs(name)
	}
	if name != "" {
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != "" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "-") || len(name) > 100 {
			return "", errors.New("name " + name + ": letters, digits, . _ and - only")
		}
		if taken(name) {
			return "", errors.New("name " + name + ": a run has it already")
		}
		return name, nil
	}
	stem := strings.TrimSuffix(base(q.Model), filepath.Ext(q.Model)) + "-" + base(q.Data)
	stem = strings.Map(func(r rune) rune {
		if r == '.' || r == '_' || r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '-'
	}, stem)
	for n := 1; ; n++ {
		if name := strings.TrimLeft(stem, ".-") + "-" + strconv.Itoa(n); !taken(name) {
			return name, nil
		}
	}
}
