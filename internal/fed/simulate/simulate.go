package simulate

import (
	"context"
	"fmt"
	"os"

	"github.com/permafrost-ml/permafrost/internal/fed"
	"github.com/permafrost-ml/permafrost/internal/fed/partition"
	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/random"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// Options are those of a simulation.
type Options struct {
	Session   *run.Session // on all training examples; its Val are the server's
	Settings  fed.Settings
	Clients   int
	Partition string  // iid or dirichlet:A
	Drop      float64 // share of the clients whose answer gets lost, drawn anew in each round
	Malicious float64 // share of the clients that lie in every round
	Lie       string  // what they send; see Lies
	Memory    []int64 // what clients can spend on training, in turn; 0 or none: any amount
	Dir       *run.RunDir
	Resume    bool
	Events    *report.Events
	Notes     []string // for the log
	Tell      func(string)
	Ended     func(r *report.RoundEvent)

	tamper func(client string, t *fed.Task, answer []byte) []byte
}

// Run simulates a federation.
func Run(ctx context.Context, o Options) (*fed.Outcome, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	parts, err := o.divide()
	if err != nil {
		return nil, err
	}
	cfg := o.Session.Config
	server, err := o.Session.With(cfg, o.Session.Val, o.Session.Val)
	if err != nil {
		return nil, err
	}
	standard, err := server.Standard(ctx)
	if err != nil {
		return nil, err
	}
	local, err := server.Local(standard)
	if err != nil {
		return nil, err
	}
	beside := min(kernel.Threads(), o.Clients)
	if need, err := local.TrainBytes(0); err == nil && need > 0 {
		beside = max(1, min(beside, int(besideMemory/need)))
	}
	carrier := newCarrier(ctx, beside)
	defer carrier.close()
	p := &pool{idle: make(chan *run.Local, beside)}
	for i := range beside {
		s, err := o.Session.With(cfg, o.Session.Train, o.Session.Val)
		if err != nil {
			return nil, err
		}
		l, err := s.Local(standard)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			if p.kept, err = keep.NewShelf(o.Session.Train).At(ctx, s.Net, s.KeepOptions()); err != nil {
				return nil, err
			}
		}
		p.idle <- l
	}
	dir, err := os.MkdirTemp("", "permafrost-clients-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	world := fed.NewWorld(carrier)
	index := map[string]int{}
	lying := map[int]bool{}
	for _, i := range liars(cfg.Seed, o.Clients, o.Malicious) {
		lying[i] = true
	}
	for i, at := range parts {
		name := fmt.Sprintf("c%0*d", len(fmt.Sprint(o.Clients-1)), i)
		index[name] = i
		b := &bench{pool: p, examples: o.Session.Train.Subset(at), at: at}
		if len(o.Memory) > 0 {
			b.memory = o.Memory[i%len(o.Memory)]
		}
		c := fed.ClientOptions{Name: name, Bench: b, World: world, Dir: dir}
		if lying[i] {
			if c.Alter, err = lie(o.Lie, cfg.Seed, i); err != nil {
				return nil, option.Errorf("lie", "%w", err)
			}
		}
		carrier.names = append(carrier.names, name)
		carrier.clients[name] = fed.NewClient(c)
	}
	carrier.tamper = o.tamper
	carrier.drop = dropping(cfg.Seed, o.Drop, index)
	rates := cfg.LRs(o.Settings.Rounds)
	s, err := fed.NewServer(ctx, fed.ServerOptions{Local: local, Settings: o.Settings, Carrier: carrier, ID: "simulation", Dir: o.Dir, Resume: o.Resume,
		Events: o.Events, Notes: o.Notes, World: o.world(), Tell: o.Tell, Many: true, Closed: true, Ended: o.Ended, LRs: rates.At})
	if err != nil {
		return nil, err
	}
	return s.Run(ctx)
}

// besideMemory limits the memory of clients that train beside each other, in bytes.
const besideMemory = 4 << 30

// Check errors where the options cannot be.
func (o *Options) Check() error {
	switch {
	case o.Clients < 1:
		return option.Errorf("clients", "%d: want 1 or more", o.Clients)
	case !(o.Drop >= 0 && o.Drop < 1):
		return option.Errorf("drop", "%g: want a share from 0 to below 1", o.Drop)
	case !(o.Malicious >= 0 && o.Malicious < 1):
		return option.Errorf("malicious", "%g: want a share from 0 to below 1", o.Malicious)
	case o.Settings.MinClients > o.Clients:
		return option.Errorf("min_clients", "%d: there are %d clients", o.Settings.MinClients, o.Clients)
	case o.Settings.Needs() > o.Clients:
		return option.Errorf("strategy", "%s needs %d clients or more, and there are %d", o.Settings.Strategy, o.Settings.Needs(), o.Clients)
	}
	if _, err := lie(o.Lie, 0, 0); err != nil {
		return option.Errorf("lie", "%w", err)
	}
	return nil
}

// world says in words what is simulated.
func (o *Options) world() string {
	text := fmt.Sprintf("%d clients, examples divided %s", o.Clients, o.Partition)
	if o.Drop > 0 {
		text += fmt.Sprintf(", %g%% of the answers of a round get lost", 100*o.Drop)
	}
	if o.Malicious > 0 {
		text += fmt.Sprintf(", %g%% of the clients lie (%s)", 100*o.Malicious, o.Lie)
	}
	if len(o.Memory) > 0 {
		text += ", some with little memory"
	}
	return text
}

// divide gives each client its examples.
func (o *Options) divide() ([][]int, error) {
	p, err := partition.Parse(o.Partition)
	if err != nil {
		return nil, option.Errorf("partition", "%w", err)
	}
	train := o.Session.Train
	var labels []int
	if len(train.Classes) > 0 {
		for _, e := range train.Examples {
			labels = append(labels, e.Label)
		}
	}
	parts, err := p.Divide(labels, train.Len(), o.Clients, 1, random.For(o.Session.Config.Seed, random.Clients, -2, 0))
	if err != nil {
		return nil, option.Errorf("partition", "%w", err)
	}
	return parts, nil
}
