package fed

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/option"
)

// goOn takes up the state in the folder.
func (s *Server) goOn() error {
	path := s.o.Dir.File(StateFile)
	st, err := loadState(path)
	if err != nil || st == nil {
		return err
	}
	settings := st.Settings
	settings.Rounds, settings.Deadline, settings.Wait = s.o.Settings.Rounds, s.o.Settings.Deadline, s.o.Settings.Wait // may change
	settings.MinClients = s.o.Settings.MinClients
	if s.o.Settings.Epsilon > 0 {
		settings.Rounds = st.Settings.Rounds // the noise was made for them
	}
	switch {
	case settings != s.o.Settings:
		return option.Errorf("resume", "the federation in %s began %s: give the options that it began with, or another folder", s.o.Dir.Path, differing(settings, s.o.Settings))
	case s.o.Settings.Rounds < st.Round:
		return option.Errorf("rounds", "%d: the federation in %s has made %d", s.o.Settings.Rounds, s.o.Dir.Path, st.Round)
	case len(st.weights) != s.n:
		return option.Errorf("resume", "the federation in %s thaws %d numbers, this one %d: give the plan that it began with", s.o.Dir.Path, len(st.weights), s.n)
	}
	st.Steps, st.Settings = nil, s.o.Settings // their bytes may be gone
	s.st = st
	of := func(prefix string) map[string][]float32 {
		out := map[string][]float32{}
		for name, x := range st.memory {
			if rest, ok := strings.CutPrefix(name, prefix); ok {
				out[rest] = x
			}
		}
		return out
	}
	if err := s.optimizer.Restore(of("optimizer/")); err != nil {
		return err
	}
	if s.apf != nil && st.Round > 0 {
		if err := s.apf.Restore(of("apf/")); err != nil {
			return err
		}
	}
	if s.o.Settings.Epsilon > 0 && len(st.Records) > 0 {
		return s.accountant.Add(s.mechanism(), len(st.Records))
	}
	return nil
}

// differing says which setting began otherwise.
func differing(began, given Settings) string {
	values := func(s Settings) (out map[string]any) {
		b, err := json.Marshal(s)
		if err == nil {
			err = json.Unmarshal(b, &out)
		}
		if err != nil {
			panic(err) // they have been checked
		}
		return out
	}
	old, other := values(began), values(given)
	for _, name := range slices.Sorted(maps.Keys(old)) {
		switch v := old[name]; {
		case v == other[name]:
		case name == "seeded_noise":
			return "with noise of another kind (option secret_noise)"
		case v == "" || v == false || v == 0.0:
			return "without option " + name
		case v == true:
			return "with option " + name
		default:
			return fmt.Sprintf("with option %s %v", name, v)
		}
	}
	return "with other options"
}

// save writes the state, where there is a folder.
func (s *Server) save() error {
	if s.o.Dir == nil {
		return nil
	}
	s.st.memory = map[string][]float32{}
	for name, x := range s.optimizer.State() {
		s.st.memory["optimizer/"+name] = x
	}
	if s.apf != nil {
		for name, x := range s.apf.State() {
			s.st.memory["apf/"+name] = x
		}
	}
	return s.st.save(s.o.Dir.File(StateFile))
}
