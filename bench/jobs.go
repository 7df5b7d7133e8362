package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// jobNetwork is what the jobs fine-tune.
const jobNetwork = "resnet18"

// fit is permafrost fit as a contender: its run folder is new at every turn, and so is its cache
// unless warm.
func (b *bench) fit(tmp, model string, warm bool, read func(turn) (float64, error), args ...string) contender {
	run, cache := filepath.Join(tmp, "run"), filepath.Join(tmp, "cache")
	cmd := []string{b.permafrost, "fit", "--model", model, "--data", b.data, "--threads", strconv.Itoa(b.threads), "--out", run, "--json"}
	return contender{
		name: "Permafrost", cmd: append(cmd, args...), env: []string{"XDG_CACHE_HOME=" + cache}, read: read,
		before: func() error {
			if warm {
				return os.RemoveAll(run)
			}
			return errors.Join(os.RemoveAll(run), os.RemoveAll(cache))
		},
	}
}

// firstStep is the time from the start of the process to the end of its first training step.
func firstStep(tmp string) func(turn) (float64, error) {
	return func(t turn) (float64, error) {
		text, err := os.ReadFile(filepath.Join(tmp, "run", "events.jsonl"))
		if err != nil {
			return 0, err
		}
		for s := bufio.NewScanner(bytes.NewReader(text)); s.Scan(); {
			var e struct {
				Time time.Time
				Type string
			}
			if err := json.Unmarshal(s.Bytes(), &e); err != nil {
				return 0, fmt.Errorf("events.jsonl: %w", err)
			}
			if e.Type == "step" {
				return e.Time.Sub(t.began).Seconds(), nil
			}
		}
		return 0, errors.New("events.jsonl: no training step")
	}
}

// jobs compares whole fine-tuning jobs, from the start of the process to its end.
func (b *bench) jobs(ctx context.Context) error {
	model, tmp, err := b.job(ctx, "jobs")
	if err != nil || model == "" {
		return err
	}
	defer os.RemoveAll(tmp)
	epochs := []string{"--epochs", strconv.Itoa(b.epochs)}
	put := func(name, against string, least, aim float64, values map[string]float64) {
		b.results.put("jobs", row{Name: fmt.Sprintf("%s, %s", jobNetwork, name), Unit: "s", Values: values, Against: against, Least: least, Aim: aim})
	}
	peer := func(args ...string) []contender {
		return b.torch(seconds, "torch_fit.py", append([]string{jobNetwork, b.data}, append(args, epochs...)...)...)
	}

	s, err := b.race(ctx, "last stage", append([]contender{b.fit(tmp, model, false, seconds, append(epochs, "--thaw", "layer4.*", "--thaw", "head")...)}, peer("--what", "stage")...))
	if err != nil {
		return err
	}
	put(fmt.Sprintf("last stage and head, %d epochs", b.epochs), "PyTorch", 4, 6, s)

	head := b.fit(tmp, model, false, seconds, epochs...)
	if s, err = b.race(ctx, "head", append([]contender{head}, peer("--what", "head")...)); err != nil {
		return err
	}
	put(fmt.Sprintf("head, %d epochs", b.epochs), "PyTorch", 20, 50, s)
	if s, err = b.race(ctx, "head, features cached by hand", append([]contender{head}, peer("--what", "head", "--cached")...)); err != nil {
		return err
	}
	put(fmt.Sprintf("head, %d epochs, PyTorch's features cached by hand", b.epochs), "PyTorch", 2, 4, s)

	first := b.fit(tmp, model, false, seconds, append(epochs, "--cache", "disk")...)
	again := b.fit(tmp, model, true, seconds, append(epochs, "--cache", "disk", "--lr", "0.02")...)
	first.name = "Permafrost, first run"
	if s, err = b.race(ctx, "second run", []contender{first, again}); err != nil {
		return err
	}
	put(fmt.Sprintf("head, %d epochs, run again at another rate", b.epochs), first.name, 30, 50, s)

	start := b.fit(tmp, model, true, firstStep(tmp), append(epochs, "--cache", "disk")...)
	if s, err = b.race(ctx, "first step", []contender{start}); err != nil {
		return err
	}
	b.results.put("jobs", row{Name: jobNetwork + ", head, warm cache: start to first step", Unit: "s", Values: s, Most: 0.3, Aim: 0.1})
	return nil
}

// memory compares the largest memory of a job.
func (b *bench) memory(ctx context.Context) error {
	model, tmp, err := b.job(ctx, "memory")
	if err != nil || model == "" {
		return err
	}
	defer os.RemoveAll(tmp)
	for _, j := range []struct {
		name, what string
		thaw       []string
		most, aim  float64
	}{
		{"head", "head", nil, 0.3, 0.25},
		{"last stage and head", "stage", []string{"--thaw", "layer4.*", "--thaw", "head"}, 0.4, 0.35},
		{"everything", "full", []string{"--thaw", "all"}, 0.7, 0.6},
	} {
		args := append([]string{"--epochs", "1", "--batch", "32"}, j.thaw...)
		cs := append([]contender{b.fit(tmp, model, false, megabytes, args...)},
			b.torch(megabytes, "torch_fit.py", jobNetwork, b.data, "--what", j.what, "--epochs", "1", "--batch", "32")...)
		mb, err := b.race(ctx, j.name+" memory", cs)
		if err != nil {
			return err
		}
		b.results.put("memory", row{Name: jobNetwork + ", " + j.name, Unit: "MB", Values: mb, Against: "PyTorch", Most: j.most, Aim: j.aim})
	}
	return nil
}

// job finds what a job needs: the model ("" when it is missing) and a folder to work in.
func (b *bench) job(ctx context.Context, section string) (model, tmp string, err error) {
	if _, err := os.Stat(b.data); err != nil {
		b.say("%s: no pictures at %s (-data names others)", section, b.data)
		return "", "", nil
	}
	model, err = b.model(ctx, networkOf(jobNetwork), true)
	if errors.Is(err, errMissing) {
		b.say("%s: %v", section, err)
		return "", "", nil
	} else if err != nil {
		return "", "", err
	}
	tmp, err = os.MkdirTemp("", "permafrost-bench-")
	return model, tmp, err
}
