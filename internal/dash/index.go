package dash

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"math"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/permafrost-ml/permafrost/internal/compare"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/trials"
)

// index knows every run below a folder. It lists folders again only where they have changed, and
// reads of a run only what was added since.
type index struct {
	folder *folder
	jobs   *jobs
	poll   time.Duration

	scanning sync.Mutex // one look at the folder at a time
	dirs     map[string]*dirent

	mu      sync.Mutex
	entries map[string]*entry
	version int           // changes with every item
	news    chan struct{} // closed when the version changes
	asked   time.Time     // when the list was last looked at
}

// dirent is a folder as it was listed.
type dirent struct {
	mod  time.Time
	subs []string
	kind string // of the run in it, "" for none
}

// entry is a run, and how far it was read.
type entry struct {
	path     string
	kind     string
	touched  time.Time
	size     int64
	item     *item         // nil: not read yet
	follower *run.Follower // of a run that goes on
}

// depthMost is how deep below the folder runs are looked for.
const depthMost = 5

// quiet is how long a run that goes on may write nothing.
const quiet = 2 * time.Minute

func newIndex(f *folder, j *jobs, poll time.Duration) *index {
	return &index{folder: f, jobs: j, poll: poll, dirs: map[string]*dirent{}, entries: map[string]*entry{}, news: make(chan struct{})}
}

// run keeps the index until ctx ends: it reads everything once, and then looks for changes while
// somebody looks at it.
func (x *index) run(ctx context.Context) {
	for ctx.Err() == nil {
		began := time.Now()
		x.scan()
		x.readAll(ctx)
		rest := max(x.poll, 10*time.Since(began)) // a tenth of a core at most
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(rest):
			}
			x.mu.Lock()
			watched := time.Since(x.asked) < 20*time.Second
			x.mu.Unlock()
			if watched {
				break
			}
		}
	}
}

// scan finds the runs, and what of them has changed.
func (x *index) scan() {
	x.scanning.Lock()
	defer x.scanning.Unlock()
	found := map[string]bool{}
	x.visit(".", 0, found)
	x.mu.Lock()
	defer x.mu.Unlock()
	for p := range x.entries {
		if !found[p] {
			delete(x.entries, p)
			delete(x.dirs, p)
			x.changed()
		}
	}
}

// changed tells those who wait. x.mu is held.
func (x *index) changed() {
	x.version++
	close(x.news)
	x.news = make(chan struct{})
}

// visit looks at a folder and those below it.
func (x *index) visit(dir string, depth int, found map[string]bool) {
	st, err := x.folder.root.Lstat(dir)
	if err != nil || !st.IsDir() && dir != "." {
		return
	}
	d := x.dirs[dir]
	if d == nil || !d.mod.Equal(st.ModTime()) || time.Since(d.mod) < 2*time.Second { // a clock may be coarse
		if d, err = x.listed(dir, st.ModTime()); err != nil {
			return
		}
		x.dirs[dir] = d
	}
	if d.kind != "" {
		found[dir] = true
		x.look(dir, d.kind)
	}
	if depth == depthMost || d.kind == kindFit || d.kind == kindFederation {
		return
	}
	for _, sub := range d.subs {
		x.visit(path.Join(dir, sub), depth+1, found)
	}
}

// listed lists a folder.
func (x *index) listed(dir string, mod time.Time) (*dirent, error) {
	f, err := x.folder.root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	d := &dirent{mod: mod}
	has := map[string]bool{}
	for _, n := range names {
		switch {
		case n.IsDir() && !strings.HasPrefix(n.Name(), "."):
			d.subs = append(d.subs, n.Name())
		case n.Type().IsRegular():
			has[n.Name()] = true
		}
	}
	slices.Sort(d.subs)
	switch {
	case has[trials.LogFile]:
		d.kind = kindSearch
	case has[compare.File]:
		d.kind = kindComparison
	case has[run.FederationFile]:
		d.kind = kindFederation
	case has[run.EventsFile] || has[run.RunFile]:
		d.kind = kindFit
	}
	return d, nil
}

// files are what a run of each kind writes as it goes on.
var files = map[string]string{kindSearch: trials.LogFile, kindComparison: compare.File, kindFederation: run.EventsFile, kindFit: run.EventsFile}

// look notes what has changed of a run, without reading it.
func (x *index) look(dir, kind string) {
	st, err := x.folder.root.Lstat(path.Join(dir, files[kind]))
	if errors.Is(err, fs.ErrNotExist) && kind == kindFit {
		st, err = x.folder.root.Lstat(path.Join(dir, run.RunFile))
	}
	if err != nil || !st.Mode().IsRegular() {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	e := x.entries[dir]
	if e == nil || e.kind != kind {
		e = &entry{path: dir, kind: kind}
		x.entries[dir] = e
		x.changed()
	}
	if !e.touched.Equal(st.ModTime()) || e.size != st.Size() {
		e.touched, e.size = st.ModTime(), st.Size()
		if e.item != nil {
			was := *e.item
			was.Touched = time.Time{} // it is to be read again
			e.item = &was
		}
	}
}

// stale reports whether an entry is to be read. x.mu is held.
func (e *entry) stale() bool { return e.item == nil || e.item.Touched.IsZero() }

// readAll reads what has changed, the latest first.
func (x *index) readAll(ctx context.Context) {
	var stale []*entry
	x.mu.Lock()
	for _, e := range x.entries {
		if e.stale() {
			stale = append(stale, e)
		}
	}
	x.mu.Unlock()
	slices.SortFunc(stale, func(a, b *entry) int { return b.touched.Compare(a.touched) })
	for _, e := range stale {
		if ctx.Err() != nil {
			return
		}
		x.read(e)
	}
}

// read reads one entry.
func (x *index) read(e *entry) {
	x.scanning.Lock()
	defer x.scanning.Unlock()
	x.mu.Lock()
	touched, stale, follower := e.touched, e.stale(), e.follower
	x.mu.Unlock()
	if !stale {
		return
	}
	i, follower := x.describe(e, follower)
	i.Path, i.Kind, i.Touched = e.path, e.kind, touched
	x.mu.Lock()
	defer x.mu.Unlock()
	e.item, e.follower = i, follower
	x.changed()
}

// describe reads what a folder holds.
func (x *index) describe(e *entry, follower *run.Follower) (*item, *run.Follower) {
	p, err := x.folder.at(e.path)
	if err != nil {
		return damaged(err), nil
	}
	defer p.Close()
	switch e.kind {
	case kindSearch:
		return searchItem(p), nil
	case kindComparison:
		return comparisonItem(p), nil
	}
	if follower == nil {
		follower = run.Follow(p.out)
	}
	if err := follower.Update(p.FS, nil); err != nil {
		return damaged(err), nil
	}
	i := itemOf(follower.Listed)
	if follower.State != run.Unfinished {
		follower = nil
	}
	return i, follower
}

// query says what of the list is shown, and in which order.
type query struct {
	Words string
	State string
	Kind  string
	Sort  string
	Down  bool
}

// sorts are the columns that the list can be sorted by.
var sorts = map[string]func(a, b *item) int{
	"when":   func(a, b *item) int { return a.Touched.Compare(b.Touched) },
	"name":   func(a, b *item) int { return strings.Compare(a.Path, b.Path) },
	"state":  func(a, b *item) int { return strings.Compare(a.State, b.State) },
	"model":  func(a, b *item) int { return strings.Compare(a.Model, b.Model) },
	"data":   func(a, b *item) int { return strings.Compare(a.Data, b.Data) },
	"trains": func(a, b *item) int { return strings.Compare(a.Trains, b.Trains) },
	"metric": func(a, b *item) int { return numbers(a.Metric, b.Metric) },
	"loss":   func(a, b *item) int { return numbers(a.Loss, b.Loss) },
	"epochs": func(a, b *item) int { return cmp.Compare(a.Done, b.Done) },
	"share":  func(a, b *item) int { return cmp.Compare(a.Share, b.Share) },
	"time":   func(a, b *item) int { return cmp.Compare(a.Seconds, b.Seconds) },
}

func numbers(a, b float64) int {
	if math.IsNaN(a) || math.IsNaN(b) {
		return 0 // those without a number come last, see listing
	}
	return cmp.Compare(a, b)
}

// listing is a view of the index.
type listing struct {
	Items   []*item
	Total   int // runs in all
	Unread  int
	Running int
	Version int
}

// list returns the items of a query in its order. Items that were not read yet have no numbers.
func (x *index) list(q query) listing {
	x.mu.Lock()
	x.asked = time.Now()
	l := listing{Version: x.version, Total: len(x.entries)}
	words := strings.Fields(strings.ToLower(q.Words))
	for _, e := range x.entries {
		i := e.item
		if i == nil {
			l.Unread++
			i = &item{Path: e.path, Kind: e.kind, State: "reading", Metric: math.NaN(), Loss: math.NaN(), Touched: e.touched}
		} else {
			c := *i
			i = &c
			i.Touched = e.touched
		}
		if i.State == run.Unfinished && (x.jobs.runs(i.Path) || time.Since(e.touched) < quiet) {
			i.State = stateRunning
		}
		if i.State == stateRunning {
			l.Running++
		}
		text := i.words()
		if q.State != "" && i.State != q.State || q.Kind != "" && i.Kind != q.Kind || !all(words, func(w string) bool { return strings.Contains(text, w) }) {
			continue
		}
		l.Items = append(l.Items, i)
	}
	x.mu.Unlock()
	by := sorts[q.Sort]
	slices.SortFunc(l.Items, func(a, b *item) int {
		last := func(i *item) int {
			if q.Sort == "metric" && math.IsNaN(i.Metric) || q.Sort == "loss" && math.IsNaN(i.Loss) {
				return 1
			}
			return 0
		}
		c := by(a, b)
		if q.Down {
			c = -c
		}
		return cmp.Or(cmp.Compare(last(a), last(b)), c, b.Touched.Compare(a.Touched), strings.Compare(a.Path, b.Path))
	})
	return l
}

// need reads the first n of these items now, where they were not read yet.
func (x *index) need(items []*item, n int) (read bool) {
	for _, i := range items[:min(n, len(items))] {
		x.mu.Lock()
		e := x.entries[i.Path]
		stale := e != nil && e.stale()
		x.mu.Unlock()
		if stale {
			x.read(e)
			read = true
		}
	}
	return read
}

// wait returns when the version is another one, or when ctx ends.
func (x *index) wait(ctx context.Context, version int) {
	for {
		x.mu.Lock()
		x.asked = time.Now()
		news, now := x.news, x.version
		x.mu.Unlock()
		if now != version {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-news:
		case <-time.After(10 * time.Second): // it is still looked at
		}
	}
}

// version is that of the latest change.
func (x *index) latest() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.version
}

func all[T any](xs []T, f func(T) bool) bool {
	return !slices.ContainsFunc(xs, func(x T) bool { return !f(x) })
}
