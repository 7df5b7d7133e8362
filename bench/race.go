package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// contender is one way to do a piece of work.
type contender struct {
	name string
	cmd  []string
	env  []string
	// before makes each turn start alike, such as from an empty cache; nil for nothing to do.
	before func() error
	// read takes what is measured from a turn.
	read func(t turn) (float64, error)
	// alike says that the command differs from a listed one in its model only, so that the report
	// need not list it.
	alike bool
}

// turn is one finished process.
type turn struct {
	seconds float64 // from its start to its end
	rss     int64   // the largest memory it had, in bytes
	began   time.Time
	stdout  []byte
}

// race gives every contender its turn, round by round, and returns the median of each by name. One
// that fails is left out with its reason.
func (b *bench) race(ctx context.Context, what string, cs []contender) (map[string]float64, error) {
	got := map[string][]float64{}
	failed := map[string]bool{}
	for round := range b.rounds {
		for _, c := range cs {
			if failed[c.name] {
				continue
			}
			v, err := b.turn(ctx, c)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				failed[c.name] = true
				b.say("%s: %s is left out: %v", what, c.name, err)
				continue
			}
			b.say("%s: round %d: %s: %.4g", what, round+1, c.name, v)
			got[c.name] = append(got[c.name], v)
		}
	}
	medians := map[string]float64{}
	for name, vs := range got {
		if !failed[name] {
			medians[name] = median(vs)
		}
	}
	return medians, nil
}

func (b *bench) turn(ctx context.Context, c contender) (float64, error) {
	if c.before != nil {
		if err := c.before(); err != nil {
			return 0, err
		}
	}
	if !c.alike {
		b.results.command(c)
	}
	cmd := exec.CommandContext(ctx, c.cmd[0], c.cmd[1:]...)
	cmd.Env = append(os.Environ(), c.env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	began := time.Now()
	err := cmd.Run()
	t := turn{seconds: time.Since(began).Seconds(), began: began, stdout: stdout.Bytes()}
	if err != nil {
		return 0, fmt.Errorf("%s: %w: %s", c.cmd[0], err, lastLine(stderr.String()))
	}
	t.rss = peakRSS(cmd.ProcessState)
	var o struct{ Version string }
	if json.Unmarshal(t.stdout, &o) == nil && o.Version != "" {
		b.results.version(o.Version)
	}
	return c.read(t)
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// number reads one key of the JSON object that the turn printed.
func number(key string) func(turn) (float64, error) {
	return func(t turn) (float64, error) {
		var o map[string]any
		if err := json.Unmarshal(t.stdout, &o); err != nil {
			return 0, fmt.Errorf("its output is no JSON object: %w", err)
		}
		v, ok := o[key].(float64)
		if !ok {
			return 0, fmt.Errorf("no number %q in its output", key)
		}
		return v, nil
	}
}

func seconds(t turn) (float64, error) { return t.seconds, nil }

func megabytes(t turn) (float64, error) {
	if t.rss == 0 {
		return 0, errors.New("this system does not tell a process's largest memory")
	}
	return float64(t.rss) / 1e6, nil
}

// torchModes are the ways in which PyTorch runs: as installed, and at its best, for which convolutions
// are faster with channels last.
var torchModes = []struct {
	name, mode string
	best       bool
}{
	{"PyTorch as installed", "plain", false},
	{"PyTorch channels last", "channels_last", true},
}

// torch lists PyTorch's contenders for a script of peers/ and its arguments.
func (b *bench) torch(read func(turn) (float64, error), script string, args ...string) []contender {
	if b.python == "" {
		return nil
	}
	var cs []contender
	for _, m := range torchModes {
		if b.mode != "" && b.mode != m.mode {
			continue
		}
		env := torchLimits()
		if m.best {
			env = append(env, "OPENBLAS_CORETYPE="+blasType())
		}
		cmd := append([]string{b.python, filepath.Join("bench", "peers", script)}, args...)
		cs = append(cs, contender{name: m.name, env: env, read: read,
			cmd: append(cmd, "--threads", strconv.Itoa(b.threads), "--mode", m.mode)})
	}
	return cs
}
