package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// results is what benchmarks.json holds: the newest measurement of every row.
type results struct {
	Machine  string           `json:"machine"`
	Versions []string         `json:"versions"`
	Commands []string         `json:"commands"` // one a contender and piece of work, without folders
	Sections map[string][]row `json:"sections"`
	Curves   []curve          `json:"curves,omitempty"`

	rounds int // of what is measured now
}

// row is one piece of work, done by every contender.
type row struct {
	Name    string             `json:"name"`
	Unit    string             `json:"unit"`
	Values  map[string]float64 `json:"values"`            // medians by contender
	Against string             `json:"against,omitempty"` // the peer, by the beginning of its name; its best mode counts
	Least   float64            `json:"least,omitempty"`   // the bar of the ratio, or without a peer of the value
	Most    float64            `json:"most,omitempty"`    // likewise where less is better
	Aim     float64            `json:"aim,omitempty"`
	Rounds  int                `json:"rounds,omitempty"` // turns that every contender had
	Day     string             `json:"day"`
}

// curve is a quantity against another.
type curve struct {
	Name   string       `json:"name"`
	X      string       `json:"x"`
	Y      string       `json:"y"`
	Points [][2]float64 `json:"points"`
}

func load(path string) (*results, error) {
	r := &results{Sections: map[string][]row{}}
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// put takes in a row in place of an older one of the same name.
func (r *results) put(section string, w row) {
	w.Rounds, w.Day = r.rounds, time.Now().Format(time.DateOnly)
	rows := r.Sections[section]
	if i := slices.IndexFunc(rows, func(o row) bool { return o.Name == w.Name }); i >= 0 {
		rows[i] = w
		return
	}
	r.Sections[section] = append(rows, w)
}

func (r *results) curve(c curve) {
	if i := slices.IndexFunc(r.Curves, func(o curve) bool { return o.Name == c.Name }); i >= 0 {
		r.Curves[i] = c
		return
	}
	r.Curves = append(r.Curves, c)
}

func (r *results) version(v string) {
	if !slices.Contains(r.Versions, v) {
		r.Versions = append(r.Versions, v)
	}
}

// command notes how a contender is started, with file names in place of paths.
func (r *results) command(c contender) {
	words := make([]string, len(c.cmd))
	for i, w := range c.cmd {
		words[i] = w
		if filepath.IsAbs(w) {
			words[i] = filepath.Base(w)
		}
	}
	if strings.HasPrefix(c.name, "Permafrost") {
		words[0] = "permafrost"
	}
	var env string
	for _, e := range c.env {
		if !strings.HasPrefix(e, "PERMAFROST_ORT") && !strings.HasPrefix(e, "XDG") {
			env += e + " "
		}
	}
	if line := env + strings.Join(words, " "); !slices.Contains(r.Commands, line) {
		r.Commands = append(r.Commands, line)
	}
}

// machine notes the processor, the system and this module's version.
func (r *results) machine(threads int) {
	cpu := "unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
				cpu = strings.TrimSpace(v)
				if avx512(string(text)) {
					cpu += " with AVX-512"
				}
				if l := os.Getenv("PERMAFROST_CPU"); l != "" {
					cpu += ", Permafrost and PyTorch kept to " + l + " (ONNX Runtime takes no such limit)"
				}
				break
			}
		}
	} else if out, err := exec.Command("sysctl", "-n", "machdep.cpu.brand_string").Output(); err == nil {
		cpu = strings.TrimSpace(string(out))
	}
	r.Machine = fmt.Sprintf("%s, %d threads of %d, %s/%s", cpu, threads, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
	v := "Permafrost"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v += " at revision " + s.Value[:min(12, len(s.Value))]
			}
		}
	}
	r.Versions = slices.DeleteFunc(r.Versions, func(s string) bool { return strings.HasPrefix(s, "Permafrost") })
	r.version(v + ", " + runtime.Version())
}

// ours is Permafrost's value, NaN without one.
func (w row) ours() float64 {
	if v, ok := w.Values["Permafrost"]; ok {
		return v
	}
	return math.NaN()
}

// peer is the best mode of the contender that the row is measured against.
func (w row) peer() (name string, v float64) {
	v = math.NaN()
	if w.Against == "" {
		return "", v
	}
	for n, x := range w.Values {
		if strings.HasPrefix(n, w.Against) && !(x >= v) {
			name, v = n, x
		}
	}
	return name, v
}

// score is what the bar is about: how many times as fast as the peer, or where Most is set the
// share of the peer's; without a peer the value itself. NaN where something is missing.
func (w row) score() float64 {
	_, p := w.peer()
	switch {
	case w.Against == "":
		return w.ours()
	case w.Most > 0:
		return w.ours() / p
	}
	return p / w.ours()
}

// bar is "at least 1.3, aim 2".
func (w row) bar() string {
	switch {
	case w.Most > 0:
		return fmt.Sprintf("at most %g, aim %g", w.Most, w.Aim)
	case w.Least > 0:
		return fmt.Sprintf("at least %g, aim %g", w.Least, w.Aim)
	}
	return ""
}

// met reports whether the row is within its bar.
func (w row) met() bool {
	s := w.score()
	return w.Most > 0 && s <= w.Most || w.Most == 0 && s >= w.Least
}
