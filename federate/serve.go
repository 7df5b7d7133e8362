package federate

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/internal/cluster"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/failure"
	"github.com/permafrost-ml/permafrost/internal/fed"
	"github.com/permafrost-ml/permafrost/internal/fed/link"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// NATS says how a server is reached. With ServerOptions.Listen, Cert and Key are the server's.
type NATS = permafrost.NATS

func at(n NATS) cluster.Options {
	return cluster.Options{URL: n.URL, Credentials: n.Credentials, CA: n.CA, Cert: n.Cert, Key: n.Key}
}

// ServerOptions say where server and clients meet: at a server of NATS with JetStream, or at one that
// the federation's server runs itself.
type ServerOptions struct {
	NATS
	// Listen is the address, host:port, at which the federation's own server takes clients, where URL
	// is empty; port 0 is a free one. Default: 127.0.0.1:0, for clients of this machine only.
	Listen string
	// Clients are the names of those that may take part; nobody else may. At the federation's own
	// server each gets a password, and none can read what others send. Default: everybody may who
	// knows the address, which holds a token, and each could read what others send.
	Clients []string
	// OnURL is called with the addresses for clients, before the first round; nil for none. With
	// Clients it is called for each of them, and the file in Config.Out that has the address is given
	// instead, if there is one. Client is "" where all have the same.
	OnURL func(client, address string)
}

// The folders of a server, in that of the federation.
const (
	storeDir   = "nats"
	clientsDir = "clients"
)

// Lapses after which the task of a silent client is given to it again.
const (
	lapseHere = 10 * time.Second // on one machine no cable is slow
	lapse     = 30 * time.Second
)

// Serve makes the rounds of a federation with clients that Join, on any machine. It has no training
// examples: those of cfg.Val measure each round, and say how the features of a new head are
// standardised. When ctx ends it returns permafrost.ErrInterrupted, and Options.Resume goes on from
// there, also where the process was killed: in the middle of a round, with the answers that had come.
// Unusable input is permafrost.ErrBadInput, before anything is written.
func Serve(ctx context.Context, cfg permafrost.Config, o Options, so ServerOptions) (*Result, error) {
	defer kernel.Use(cfg.Threads)()
	began := time.Now()
	settings := o.settings()
	if err := settings.Check(); err != nil {
		return nil, failure.BadInput(err)
	}
	if err := so.check(&cfg); err != nil {
		return nil, failure.BadInput(err)
	}
	if err := (*config.Config)(&cfg).Fetch(ctx, noted(o.note)); err != nil {
		return nil, failure.BadInput(err)
	}
	shared, notes, err := training(config.Config(cfg), &settings)
	if err != nil {
		return nil, failure.BadInput(err)
	}
	s, more, err := validating(ctx, &shared, &settings)
	if err != nil {
		return nil, failure.BadInput(err)
	}
	notes = append(notes, more...)
	dir, log, err := folder(&s.Config, o.Resume)
	if err != nil {
		return nil, failure.BadInput(err)
	}
	home := cfg.Out // of the server's files
	if dir == nil {
		if home, err = os.MkdirTemp("", "permafrost-federation-"); err != nil {
			return nil, failure.Of(err)
		}
		defer os.RemoveAll(home)
	} else {
		defer log.Close()
	}
	o.note(notes...)
	id, err := idIn(dir)
	if err != nil {
		return nil, failure.BadInput(err)
	}
	carrier, err := so.open(ctx, home, id, func(text string) { o.note(text) })
	if err != nil {
		if dir != nil && !o.Resume {
			_ = os.RemoveAll(dir.Path)
		}
		return nil, failure.BadInput(err)
	}
	defer carrier.Close()
	pages := pages{dir: cfg.Out}
	in := fed.ServerOptions{Settings: settings, Carrier: carrier, ID: id, Dir: dir, Resume: o.Resume, Events: report.NewEvents(), Notes: notes, Tell: func(text string) { o.note(text) },
		LRs: shared.LRs(settings.Rounds).At, Ended: func(r *report.RoundEvent) {
			pages.next()
			if o.OnRound != nil {
				o.OnRound(roundOf(r, &settings))
			}
		}}
	if len(so.Clients) > 0 {
		in.Allowed = so.Clients
	}
	if log != nil {
		in.Events.Subscribe(log)
	}
	if in.Kit, err = link.Pack(ctx, carrier.Cluster(), s, shared); err != nil {
		return nil, failure.Of(err)
	}
	standard, err := s.Standard(ctx)
	if err != nil {
		return nil, failure.BadInput(err)
	}
	if in.Local, err = s.Local(standard); err != nil {
		return nil, failure.BadInput(err)
	}
	server, err := fed.NewServer(ctx, in)
	if err != nil {
		return nil, failure.BadInput(err)
	}
	out, err := server.Run(ctx)
	if err := pages.last(); err != nil {
		o.note(err.Error())
	}
	if err != nil {
		return nil, failure.BadInput(err)
	}
	if err := carrier.End(ctx); err != nil {
		o.note(fmt.Sprintf("what the server of NATS holds of the federation stays there: %v", err))
	}
	if so.URL == "" {
		carrier.Close()
		if err := os.RemoveAll(filepath.Join(home, storeDir)); err != nil {
			return nil, failure.Of(err)
		}
	}
	r := resultOf(out, s, &settings)
	r.Notes, r.Out, r.Seconds, r.PeakRSS = notes, cfg.Out, time.Since(began).Seconds(), report.PeakRSS()
	return r, nil
}

// validating prepares the session of a server: its examples of validation are all that it has.
func validating(ctx context.Context, cfg *config.Config, f *fed.Settings) (*run.Session, []string, error) {
	cfg.Data = cfg.Val
	s, err := run.PrepareOn(ctx, *cfg, run.Sets{Both: true})
	if err != nil {
		return nil, nil, err
	}
	notes := s.Notes
	if s, err = s.With(*cfg, s.Val, s.Val); err != nil {
		return nil, nil, err
	}
	chosen, err := settle(ctx, cfg, s, f)
	if err != nil {
		return nil, nil, err
	}
	notes = append(notes, chosen...)
	if s, err = s.With(*cfg, s.Val, s.Val); err != nil {
		return nil, nil, err
	}
	return s, notes, s.Check()
}

// idIn is the ID of the federation in a folder, or a new one.
func idIn(dir *run.RunDir) (string, error) {
	if dir != nil {
		if id, err := fed.IDIn(dir); id != "" || err != nil {
			return id, err
		}
	}
	return strings.ToLower(rand.Text()[:10]), nil
}

// check errors where the options cannot be.
func (o *ServerOptions) check(cfg *permafrost.Config) error {
	switch {
	case cfg.Data != "":
		return option.Errorf("data", "the server has no training examples: they stay with the clients")
	case cfg.Val == "":
		return option.Errorf("val", "it is missing: the server measures each round on examples of its own")
	case o.URL != "" && o.Listen != "":
		return option.Errorf("listen", "it is the address of a server of the federation's own, and option nats names another one: give one of the two")
	case o.URL == "" && o.Credentials != "":
		return option.Errorf("creds", "credentials are for a server of NATS, and none is named")
	case o.URL == "" && o.Listen == "" && (o.CA != "" || o.Cert != "" || o.Key != ""):
		return option.Errorf("tlscert", "certificates are for clients of other machines: name an address by option listen")
	}
	for i, name := range o.Clients {
		if err := cluster.CheckName("client", name); err != nil {
			return option.Errorf("client", "%w", err)
		}
		if slices.Contains(o.Clients[:i], name) {
			return option.Errorf("client", "%s is named twice", name)
		}
	}
	return o.cluster("store", nil).Check()
}

// cluster are the options of the connection, with a server whose files are in a folder.
func (o *ServerOptions) cluster(store string, users []cluster.User) cluster.Options {
	c := at(o.NATS)
	c.Lapse = lapse
	if c.URL == "" {
		c.Store, c.Listen, c.Users = store, o.Listen, users
		if c.Listen == "" {
			c.Listen, c.Lapse = "127.0.0.1:0", lapseHere
		}
	}
	return c
}

// open opens the carrier of a federation, and says how clients join.
func (o *ServerOptions) open(ctx context.Context, home, id string, note func(string)) (*link.Carrier, error) {
	var users []cluster.User
	if o.URL == "" {
		var err error
		if users, err = passwords(filepath.Join(home, clientsDir), o.Clients); err != nil {
			return nil, err
		}
	}
	c, err := link.Open(ctx, link.Options{Cluster: o.cluster(filepath.Join(home, storeDir), users), ID: id, Tell: note})
	if err != nil {
		return nil, err
	}
	if o.OnURL == nil {
		o.OnURL = func(string, string) {}
	}
	switch {
	case o.URL != "":
	case len(users) == 0:
		note("each client could read what others send, as all have one password: name them by option client, and each gets its own")
		o.OnURL("", reachable(c.Cluster().URL()))
	default:
		for _, u := range users {
			path, err := writeAddress(filepath.Join(home, clientsDir), u.Name, reachable(c.Cluster().URLFor(u)))
			if err != nil {
				c.Close()
				return nil, err
			}
			o.OnURL(u.Name, path)
		}
	}
	return c, nil
}
