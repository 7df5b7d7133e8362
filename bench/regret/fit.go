package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// key names a fit.
type key struct {
	Pair string `json:"pair"`
	Seed int    `json:"seed"`
	Plan string `json:"plan"`           // "auto" for what --auto chooses, "auto-rgn" for everything by those rates
	Rate string `json:"rate,omitempty"` // multiple of the recipe's learning rate
}

// fit is what came of it.
type fit struct {
	key
	Accuracy float64  `json:"val_accuracy"`
	Train    float64  `json:"train_accuracy"`
	Seconds  float64  `json:"seconds"` // of the whole command
	CPU      float64  `json:"cpu_seconds"`
	LR       float64  `json:"lr"`
	Epochs   int      `json:"epochs"`
	Params   int      `json:"params_thawed"`
	Thaw     []string `json:"thaw,omitempty"`   // that --auto chose
	Why      string   `json:"why,omitempty"`    // likewise
	Failed   string   `json:"failed,omitempty"` // a plan that the model does not have, or whose loss became NaN or infinite
}

var lrLine = regexp.MustCompile(`(?m)^lr: (\S+)$`)

// fit runs permafrost unless it has run, and keeps the result. A command that permafrost refuses is
// kept as failed.
func (d *driver) fit(ctx context.Context, k key, cache string, args ...string) (*fit, error) {
	if f := d.state.find(k); f != nil {
		return f, nil
	}
	if !d.until.IsZero() && time.Now().After(d.until) {
		return nil, errTime
	}
	run, err := os.MkdirTemp(d.tmp, "run-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(run)
	out := filepath.Join(run, "run")
	cmd := exec.CommandContext(ctx, d.binary, append(args, "--threads", strconv.Itoa(d.threads), "--out", out, "--json")...)
	cmd.Env = append(os.Environ(), "PERMAFROST_CACHE="+filepath.Join(d.tmp, cache))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	began := time.Now()
	err = cmd.Run()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	f := &fit{key: k, Seconds: time.Since(began).Seconds()}
	if s := cmd.ProcessState; s != nil {
		f.CPU = (s.UserTime() + s.SystemTime()).Seconds()
	}
	var refused *exec.ExitError
	if err != nil {
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		if f.Failed = lines[len(lines)-1]; f.Failed == "" {
			return nil, fmt.Errorf("%v: %w", args, err)
		}
		if k.Plan == "auto" || !asExit(err, &refused) {
			return nil, fmt.Errorf("%s: %s", strings.Join(args, " "), f.Failed)
		}
	} else if err := f.read(stdout.Bytes(), out); err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "%-32s seed %d  %-8s %-4s  %6.2f%%  %.1f s  %s%s\n", k.Pair, k.Seed, k.Plan, k.Rate, 100*f.Accuracy, f.Seconds, strings.Join(f.Thaw, ","), f.Failed)
	return f, d.state.add(f)
}

// read takes the numbers from what fit --json printed and from its run folder.
func (f *fit) read(stdout []byte, out string) error {
	var r struct {
		Val    float64 `json:"val_accuracy"`
		Train  float64 `json:"train_accuracy"`
		Epochs int     `json:"epochs"`
		Params int     `json:"params_thawed"`
		Auto   *struct {
			Thaw []string `json:"thaw"`
			Why  string   `json:"why"`
		} `json:"auto"`
	}
	if err := json.Unmarshal(stdout, &r); err != nil {
		return fmt.Errorf("fit --json: %w", err)
	}
	f.Accuracy, f.Train, f.Epochs, f.Params = r.Val, r.Train, r.Epochs, r.Params
	if r.Auto != nil {
		f.Thaw, f.Why = r.Auto.Thaw, r.Auto.Why
	}
	text, err := os.ReadFile(filepath.Join(out, "run.yaml"))
	if err != nil {
		return err
	}
	m := lrLine.FindSubmatch(text)
	if m == nil {
		return fmt.Errorf("%s: no line lr", filepath.Join(out, "run.yaml"))
	}
	f.LR, err = strconv.ParseFloat(string(m[1]), 64)
	return err
}

func asExit(err error, to **exec.ExitError) bool {
	e, ok := err.(*exec.ExitError)
	*to = e
	return ok
}
