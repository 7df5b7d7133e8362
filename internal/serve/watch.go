package serve

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// watch looks at the models' files now and then and reloads those that have changed.
func (s *Server) watch() {
	seen := map[string]stamp{}   // what each file had when last looked at
	failed := map[string]stamp{} // what could not be loaded
	tick := time.NewTicker(s.o.Poll)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		var changed []File
		for _, m := range s.state.Load().models {
			at, err := m.file.stamp()
			if err != nil { // it is gone, or on its way: what is loaded goes on
				continue
			}
			quiet := at == seen[m.file.Name] // nobody writes to it any more
			seen[m.file.Name] = at
			if at != m.stamp && quiet && at != failed[m.file.Name] {
				changed = append(changed, m.file)
			}
		}
		slices.SortFunc(changed, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
		s.reload(changed, func(f File) { failed[f.Name] = seen[f.Name] })
	}
}

// reload replaces models whose files have changed. What cannot be loaded stays as it is.
func (s *Server) reload(changed []File, fail func(File)) {
	if len(changed) == 0 {
		return
	}
	s.loading.Lock()
	defer s.loading.Unlock()
	fresh := map[string]*loaded{}
	refuse := func(f File, err error) {
		fail(f)
		s.numbers.reloads.WithLabelValues(f.Name, "failed").Inc()
		s.say("model %s stays as it is: its file has changed, and cannot be used: %v", f.Name, err)
	}
	for _, f := range changed {
		m, err := s.load(f)
		if err != nil {
			refuse(f, err)
			continue
		}
		fresh[f.Name] = m
	}
	if s.swap(fresh) != nil { // one of them does not compile: one at a time
		for name, m := range fresh {
			if err := s.swap(map[string]*loaded{name: m}); err != nil {
				delete(fresh, name)
				refuse(m.file, err)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fresh)) {
		s.numbers.reloads.WithLabelValues(name, "done").Inc()
		s.say("model %s was reloaded: version %s", name, fresh[name].version)
	}
	s.tensors.sweep()
}

// swap puts models in the place of those of the same names, all or none.
func (s *Server) swap(fresh map[string]*loaded) error {
	files := map[string]*loaded{}
	for name, m := range s.state.Load().models {
		files[name] = m.loaded
	}
	maps.Copy(files, fresh)
	st, err := s.arrange(files)
	if err == nil {
		s.state.Store(st)
	}
	return err
}
