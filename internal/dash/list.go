package dash

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// rowsMost is how many rows are sent at once.
const rowsMost = 100

// listBody is what the list shows.
type listBody struct {
	listing
	Query  query
	Rows   rowsBody
	Sorts  []heading
	States []string
	Kinds  []string
	Folder string
}

// heading is one of the list, with the address that sorts by it.
type heading struct {
	Name, Key, Href, Class string
	Sorted                 string // for aria-sort
}

// rowsBody is a part of the list.
type rowsBody struct {
	Items []*item
	More  string // address of what follows; empty at the end
	Rest  int    // rows that follow
}

func queryOf(r *http.Request) query {
	v := r.URL.Query()
	q := query{Words: v.Get("q"), State: v.Get("state"), Kind: v.Get("kind"), Sort: v.Get("sort"), Down: v.Get("down") != ""}
	if sorts[q.Sort] == nil {
		q.Sort, q.Down = "when", true
	}
	return q
}

// values is the query of an address.
func (q query) values() url.Values {
	v := url.Values{}
	for name, text := range map[string]string{"q": q.Words, "state": q.State, "kind": q.Kind} {
		if text != "" {
			v.Set(name, text)
		}
	}
	v.Set("sort", q.Sort)
	if q.Down {
		v.Set("down", "1")
	}
	return v
}

// columns are those of the list, and the order that a first click gives.
var columns = []struct {
	name, key, class string
	down             bool
}{
	{"run", "name", "", false}, {"state", "state", "", false}, {"model", "model", "wide", false}, {"data", "data", "wide", false}, {"trains", "trains", "wide", false},
	{"trained", "share", "number wide", false}, {"metric", "metric", "number", true}, {"loss", "loss", "number wide", false}, {"epochs", "epochs", "number", true}, {"time", "time", "number wide", false}, {"last change", "when", "number", true},
}

func (q query) headings() []heading {
	var out []heading
	for _, c := range columns {
		to, h := q, heading{Name: c.name, Key: c.key, Class: c.class}
		to.Sort, to.Down = c.key, c.down
		if q.Sort == c.key {
			to.Down, h.Sorted = !q.Down, "ascending"
			if q.Down {
				h.Sorted = "descending"
			}
		}
		h.Href = "/?" + to.values().Encode()
		out = append(out, h)
	}
	return out
}

// listing is the list for a request, with its first rows read.
func (s *Server) listing(q query, from int) (listing, rowsBody) {
	s.index.scan()
	l := s.index.list(q)
	if s.index.need(l.Items[min(from, len(l.Items)):], rowsMost) {
		l = s.index.list(q)
	}
	end := min(from+rowsMost, len(l.Items))
	b := rowsBody{Items: l.Items[min(from, end):end], Rest: len(l.Items) - end}
	if b.Rest > 0 {
		v := q.values()
		v.Set("from", strconv.Itoa(end))
		b.More = "/rows?" + v.Encode()
	}
	return l, b
}

// list shows the runs.
func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	q := queryOf(r)
	l, rows := s.listing(q, 0)
	s.render(w, r, http.StatusOK, "list", page{Title: "Runs", Section: "runs", Body: listBody{listing: l, Query: q, Rows: rows, Sorts: q.headings(), Folder: s.o.Runs,
		States: []string{stateRunning, "done", "interrupted", "failed", "unfinished", "damaged"}, Kinds: []string{kindFit, kindSearch, kindFederation, kindComparison}}})
}

// rows shows more of them. Of a list that has changed it shows as many as before.
func (s *Server) rows(w http.ResponseWriter, r *http.Request) {
	from, _ := strconv.Atoi(r.URL.Query().Get("from"))
	until, _ := strconv.Atoi(r.URL.Query().Get("until"))
	from = max(0, from)
	l, b := s.listing(queryOf(r), from)
	for from+len(b.Items) < min(until, 5000) && b.Rest > 0 {
		at := from + len(b.Items)
		_, more := s.listing(queryOf(r), at)
		if len(more.Items) == 0 {
			break
		}
		b.Items, b.Rest, b.More = append(b.Items[:len(b.Items):len(b.Items)], more.Items...), more.Rest, more.More
	}
	w.Header().Set("X-Shown", strconv.Itoa(len(l.Items)))
	s.part(w, "rows", b)
}

// news is what the list is told.
type news struct {
	Version int `json:"version"`
	Total   int `json:"total"`
	Unread  int `json:"unread"`
	Running int `json:"running"`
}

// events tells the list that something has changed, once a second at most.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	out, end := s.stream(w, r)
	if out == nil {
		return
	}
	defer end()
	version, _ := strconv.Atoi(r.URL.Query().Get("version"))
	for {
		ctx, cancel := context.WithTimeout(r.Context(), beat)
		stop := context.AfterFunc(s.ctx, cancel)
		s.index.wait(ctx, version)
		stop()
		cancel()
		if r.Context().Err() != nil || s.ctx.Err() != nil {
			return
		}
		if now := s.index.latest(); now == version {
			if out.alive() != nil {
				return
			}
			continue
		}
		l := s.index.list(query{Sort: "when"})
		version = l.Version
		if out.send("list", news{l.Version, l.Total, l.Unread, l.Running}) != nil {
			return
		}
		select {
		case <-r.Context().Done():
		case <-s.ctx.Done():
		case <-time.After(time.Second):
		}
	}
}
