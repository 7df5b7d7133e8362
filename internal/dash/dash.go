package dash

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/permafrost-ml/permafrost/internal/option"
)

// Options say what is shown and to whom.
type Options struct {
	Runs   string   // the folder of the runs
	Models []string // models that may be planned for: files, and folders with files
	Data   []string // data that a run may be started on: paths, and folders with some

	// Token is what a browser must present; empty: none is asked for. An address that other machines
	// can reach needs one.
	Token string
	// Hosts are names by which the page may be called, beside localhost and addresses in numbers.
	Hosts []string

	Program []string      // that fits: a command that takes the arguments of permafrost fit
	AtOnce  int           // runs started here that go on at once; default 2
	Poll    time.Duration // how often files are looked at; default 500 ms
	Grace   time.Duration // how long runs and requests may take to end; default 30 s
	Say     func(msg string)
}

// Server shows runs. It is safe for use from many goroutines.
type Server struct {
	o       Options
	folder  *folder
	index   *index
	pages   *pages
	jobs    *jobs
	plans   *plans
	streams chan struct{} // a place for each stream of events
	handler http.Handler
	ctx     context.Context // ends with the server
	stop    context.CancelFunc
	wg      sync.WaitGroup
}

// streamsMost is how many pages follow what happens at once.
const streamsMost = 64

// New opens the folder of the runs, which it makes where it does not exist. Close the server after
// use.
func New(o Options) (*Server, error) {
	o.AtOnce = cmp.Or(o.AtOnce, 2)
	o.Poll = cmp.Or(o.Poll, 500*time.Millisecond)
	o.Grace = cmp.Or(o.Grace, 30*time.Second)
	if o.Say == nil {
		o.Say = func(string) {}
	}
	s := &Server{o: o, streams: make(chan struct{}, streamsMost)}
	s.ctx, s.stop = context.WithCancel(context.Background())
	var err error
	if s.plans, err = newPlans(s.ctx, o.Models, o.Data); err != nil {
		s.stop()
		return nil, err
	}
	if s.folder, err = openFolder(o.Runs); err != nil {
		s.stop()
		s.plans.close()
		return nil, err
	}
	s.jobs = newJobs(o.Program, o.Runs, o.AtOnce)
	s.index = newIndex(s.folder, s.jobs, o.Poll)
	s.pages = &pages{folder: s.folder}
	s.handler = s.guarded(s.routes())
	s.wg.Go(func() { s.index.run(s.ctx) })
	return s, nil
}

// Handler answers requests.
func (s *Server) Handler() http.Handler { return s.handler }

func (s *Server) routes() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /{$}", s.list)
	m.HandleFunc("GET /rows", s.rows)
	m.HandleFunc("GET /events", s.events)
	m.HandleFunc("GET /run/{path...}", s.run)
	m.HandleFunc("GET /series/{path...}", s.series)
	m.HandleFunc("GET /epochs/{path...}", s.epochs)
	m.HandleFunc("GET /live/{path...}", s.live)
	m.HandleFunc("GET /report/{path...}", s.report)
	m.HandleFunc("GET /compare", s.compare)
	m.HandleFunc("POST /stop/{path...}", s.stopRun)
	m.HandleFunc("GET /plan", s.plan)
	m.HandleFunc("GET /plan/block", s.planBlock)
	m.HandleFunc("POST /plan/state", s.planState)
	m.HandleFunc("POST /plan/cost", s.planCost)
	m.HandleFunc("POST /plan/start", s.planStart)
	m.HandleFunc("GET /plan/fetch", s.planFetch)
	m.HandleFunc("POST /plan/fetch/stop", s.stopFetch)
	m.HandleFunc("POST /theme", s.theme)
	m.HandleFunc("GET /style.css", s.style)
	m.HandleFunc("GET /assets/{name}", s.asset)
	m.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, http.StatusNotFound, errors.New("there is no such page"))
	})
	return m
}

// The limits of a request.
const (
	headerTime = 5 * time.Second
	readTime   = 15 * time.Second
	writeTime  = time.Minute
	idleTime   = 2 * time.Minute
	headerMost = 32 << 10
	bodyMost   = 64 << 10
)

// Serve answers on a listener until ctx ends. It then interrupts the runs that were started here,
// and returns when these have saved a checkpoint and requests in work are answered. It errors if they
// take longer than Options.Grace. It closes the listener.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	h := &http.Server{Handler: s.handler, ReadHeaderTimeout: headerTime, ReadTimeout: readTime, WriteTimeout: writeTime, IdleTimeout: idleTime, MaxHeaderBytes: headerMost,
		BaseContext: func(net.Listener) context.Context { return s.ctx }, ErrorLog: log.New(io.Discard, "", 0)}
	ended := make(chan error, 1)
	go func() { ended <- h.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	late, cancel := context.WithTimeout(context.Background(), s.o.Grace)
	defer cancel()
	s.stop() // streams end
	err := errors.Join(h.Shutdown(late), s.jobs.close(late))
	<-ended
	return err
}

// Close ends what goes on. Runs that were started here are interrupted, and killed where they take
// longer than Options.Grace.
func (s *Server) Close() error {
	s.stop()
	late, cancel := context.WithTimeout(context.Background(), s.o.Grace)
	defer cancel()
	err := s.jobs.close(late)
	s.wg.Wait()
	s.plans.close()
	return errors.Join(err, s.folder.Close())
}

// Local reports whether only this machine can reach an address.
func Local(a net.Addr) bool {
	at, err := netip.ParseAddrPort(a.String())
	return err == nil && at.Addr().Unmap().IsLoopback()
}

// openFolder opens the folder of the runs.
func openFolder(dir string) (*folder, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, option.Errorf("runs", "%w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, option.Errorf("runs", "%w", err)
	}
	return &folder{dir: dir, root: root}, nil
}
