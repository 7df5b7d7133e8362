package fed

import (
	"fmt"
	"strings"
	"time"
)

// Word is a setting in words.
type Word struct{ Name, Value string }

// Words are the settings in words, without those that do nothing.
func (s *Settings) Words() []Word {
	var out []Word
	add := func(name, format string, args ...any) { out = append(out, Word{name, fmt.Sprintf(format, args...)}) }
	add("rounds", "%d", s.Rounds)
	who := "all that are there"
	if s.Fraction < 1 {
		who = fmt.Sprintf("%g%% of them, drawn anew", 100*s.Fraction)
	}
	add("clients of a round", "%s; at least %d", who, s.MinClients)
	add("strategy", "%s", s.Strategy)
	if s.OneShot() {
		return out
	}
	compress := map[string]string{"none": "32 bits a number"}[s.Compress]
	if compress == "" {
		compress = s.Compress
	}
	add("weights travel as", "%s", compress)
	switch {
	case s.Freeze == "apf":
		add("takes part in a round", "weights that have not settled (apf)")
	case strings.HasPrefix(s.Freeze, "fedpart"):
		add("takes part in a round", "the blocks in turn (%s)", s.Freeze)
	}
	if s.Statistics == "local" {
		add("running statistics", "stay with each client")
	}
	if s.Secure {
		add("secure aggregation", "on; a number changes by %g at most", s.Limit)
	}
	if s.Epsilon > 0 {
		whose := "added by the server"
		if s.LocalDP {
			whose = "added by each client"
		}
		add("differential privacy", "epsilon %g at delta %g; changes clipped to length %g, noise %s", s.Epsilon, s.Delta, s.ClipNorm, whose)
		if s.Seeded {
			add("noise", "drawn by seed: it protects nobody")
		}
	}
	if s.MaxNorm > 0 {
		add("longest change that counts", "%g", s.MaxNorm)
	}
	add("waits", "%v for answers, %v for clients", time.Duration(s.Deadline), time.Duration(s.Wait))
	return out
}

// Seen says what the server sees of the clients.
func (s *Settings) Seen() string {
	const also = "its name and its number of examples"
	switch {
	case s.OneShot():
		return "of every client Gaussian mixtures of its frozen features, class by class, and how many examples each class has"
	case s.Secure && s.Epsilon > 0:
		return "only the sum of the clients' changes, to which it adds noise; of each client " + also
	case s.Secure:
		return "only the sum of the clients' changes; of each client " + also
	case s.LocalDP:
		return "every client's change with that client's own noise, " + also
	case s.Epsilon > 0:
		return "every client's change before the noise, and its loss and accuracy: privacy holds for those who get the model, not for the server; also " + also
	}
	return "every client's change of the weights, its loss and accuracy, " + also
}
