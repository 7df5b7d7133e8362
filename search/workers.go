package search

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/internal/cache"
	"github.com/permafrost-ml/permafrost/internal/cluster"
	"github.com/permafrost-ml/permafrost/internal/failure"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/trials"
	"github.com/permafrost-ml/permafrost/internal/trials/workers"
)

// Workers say where workers meet a search: at a server of NATS with JetStream, or at one that the
// search runs itself. Model and data travel to them; docs/scale.md says how.
type Workers struct {
	NATS
	// Replicas is how many servers of a cluster hold each message, 1 to 5. Default: 1.
	Replicas int

	// Listen is the address, host:port, at which the search's own server takes workers, where URL is
	// empty; port 0 is a free one. Default: 127.0.0.1:0, for workers of this machine only.
	Listen string
	// Here says that all workers find the model and the data at the same paths as the search, so
	// that neither travels.
	Here bool
	// OnURL is called with what workers connect to, before the first trial; nil for none. That of
	// the search's own server holds a token, which lets anybody work who has it.
	OnURL func(url string)
}

// NATS says how a server is reached. With Workers.Listen, Cert and Key are the server's.
type NATS = permafrost.NATS

func at(n NATS) cluster.Options {
	return cluster.Options{URL: n.URL, Credentials: n.Credentials, CA: n.CA, Cert: n.Cert, Key: n.Key}
}

// serverDir is the folder of a search's own server, in that of the search.
const serverDir = "nats"

// Lapses after which the task of a silent worker is given to another.
const (
	lapseHere = 10 * time.Second // on one machine no cable is slow
	lapse     = 30 * time.Second
)

// open opens the crew. Store is the folder of the server.
func (w *Workers) open(ctx context.Context, store string, tell func(string)) (*workers.Crew, error) {
	o := at(w.NATS)
	o.Replicas, o.Lapse = w.Replicas, lapse
	if o.URL == "" {
		o.Store, o.Listen = store, w.Listen
		if o.Listen == "" {
			o.Listen, o.Lapse = "127.0.0.1:0", lapseHere
		}
	}
	return workers.Open(ctx, workers.Options{Cluster: o, Here: w.Here, Tell: tell})
}

// check errors where the options cannot be.
func (o *Options) check() error {
	w := o.Workers
	switch {
	case o.Lag < 0:
		return option.Errorf("lag", "%d: want 0 or more", o.Lag)
	case w == nil:
		return nil
	case w.URL != "" && w.Listen != "":
		return option.Errorf("listen", "it is the address of a server of the search's own, and %s is another one: give one of the two", plainURL(w.URL))
	case w.URL == "" && w.Replicas > 1:
		return option.Errorf("replicas", "%d need as many servers, and the search's own is alone", w.Replicas)
	case w.URL == "" && w.Listen == "" && (w.CA != "" || w.Cert != "" || w.Key != ""):
		return option.Errorf("tlsca", "certificates are for workers of other machines: name a server by option nats, or an address by option listen")
	case w.URL == "" && w.Credentials != "":
		return option.Errorf("creds", "credentials are for a server of NATS, and none is named")
	}
	return nil
}

// plainURL is an address without its secrets.
func plainURL(address string) string {
	var out []string
	for _, a := range strings.Split(address, ",") {
		scheme, rest, found := strings.Cut(a, "://")
		if !found {
			scheme, rest = "nats", a
		}
		if at := strings.LastIndex(rest, "@"); at >= 0 {
			rest = rest[at+1:]
		}
		out = append(out, scheme+"://"+rest)
	}
	return strings.Join(out, ",")
}

// runOn runs the trials of s on workers.
func runOn(ctx context.Context, s *trials.Search, o *Options, out string, tell func(string)) error {
	store, err := serverStore(out)
	if err != nil {
		return err
	}
	if out == "" {
		defer os.RemoveAll(store)
	}
	crew, err := o.Workers.open(ctx, store, tell)
	if err != nil {
		return err
	}
	defer crew.Close()
	if o.Workers.OnURL != nil {
		o.Workers.OnURL(crew.URL())
	}
	r, err := crew.Runner(ctx, s, o.Budget > 0)
	if err != nil {
		return err
	}
	s.Use(r)
	if err := s.Run(ctx); err != nil {
		return err
	}
	if err := crew.Forget(ctx); err != nil {
		tell(fmt.Sprintf("what the server holds of the search stays there: %v", err))
	}
	if o.Workers.URL == "" {
		crew.Close()
		return os.RemoveAll(store)
	}
	return nil
}

// serverStore is where the search's own server keeps its files.
func serverStore(out string) (string, error) {
	if out != "" {
		return filepath.Join(out, serverDir), nil
	}
	return os.MkdirTemp("", "permafrost-nats-")
}

// WorkerOptions are those of a worker.
type WorkerOptions struct {
	NATS
	// Name tells people who did a trial: letters, digits, - and _. Default: host name and process.
	Name string
	// Threads is how many it computes with. Default: one a core. Results do not depend on it.
	Threads int
	// OnNote is called with what happens, from any goroutine; nil for none.
	OnNote func(string)
}

// Work runs trials of every search at a server, one at a time, until ctx ends, and then returns
// permafrost.ErrInterrupted; the trial that it has not finished goes to another worker. It waits for
// searches that have not begun. It errors where the server refuses it or cannot be reached for two
// minutes, and where a search has another version of Permafrost.
func Work(ctx context.Context, o WorkerOptions) error {
	if o.URL == "" {
		return failure.BadInput(option.Errorf("nats", "it is missing: name the server at which the search meets its workers"))
	}
	if o.Name == "" {
		o.Name = workerName()
	}
	tell := o.OnNote
	if tell == nil {
		tell = func(string) {}
	}
	dir, err := cache.DefaultDir()
	if err != nil || dir == "off" {
		dir = filepath.Join(os.TempDir(), "permafrost")
	}
	err = workers.Work(ctx, workers.WorkOptions{Cluster: at(o.NATS), Name: o.Name, Threads: o.Threads, Dir: filepath.Join(dir, "searches"), Tell: tell})
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return failure.BadInput(err)
}

// workerName is host name and process, of what a name may have.
func workerName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "worker"
	}
	clean := cluster.NameFrom(host)
	return fmt.Sprintf("%s-%d", clean, os.Getpid())
}
