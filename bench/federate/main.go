// Federate runs simulated federations and the fits that they are compared with, and writes what they
// came to as tables and pictures.
//
//	go run ./bench/federate                       everything, an hour or two
//	go run ./bench/federate -sections bytes       one section: central, bytes, oneshot, scale, faults, privacy, secure or weak
//	go run ./bench/federate -report               the tables, of what is there
//
// What is finished is kept in federated.json of the output folder, so that it may run in pieces;
// federated-numbers.md there is written from it. Models and data are those of the shared folder.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// outcome is what is kept of a run.
type outcome struct {
	Accuracy float64 `json:"val_accuracy"`
	Loss     float64 `json:"val_loss"`
	Up       int64   `json:"bytes_up"`
	Down     int64   `json:"bytes_down"`
	Full     int64   `json:"bytes_full_model_exchange"`
	Clients  int     `json:"clients"`
	Rounds   int     `json:"rounds"`
	Epsilon  float64 `json:"epsilon"`
	Seconds  float64 `json:"seconds"`
	PeakRSS  int64   `json:"peak_rss_bytes"`
	Thawed   int     `json:"params_thawed"`
	Lost     int     `json:"lost"`
	Rejected int     `json:"rejected"`
	Command  string  `json:"command"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	only := flag.String("sections", "", "sections to run, with commas between them; all if empty")
	shared := flag.String("shared", "../shared", "folder of the models and data")
	binary := flag.String("binary", "", "permafrost to run; built if empty")
	out := flag.String("out", "docs", "folder of the results")
	report := flag.Bool("report", false, "run nothing: write the tables of what is there")
	again := flag.Bool("again", false, "run also what is there")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	have := map[string]outcome{}
	file := filepath.Join(*out, "federated.json")
	if b, err := os.ReadFile(file); err == nil {
		if err := json.Unmarshal(b, &have); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	if !*report {
		tmp, err := os.MkdirTemp("", "permafrost-federate-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp)
		if *binary == "" {
			*binary = filepath.Join(tmp, "permafrost")
			if b, err := exec.CommandContext(ctx, "go", "build", "-o", *binary, "./cmd/permafrost").CombinedOutput(); err != nil {
				return fmt.Errorf("go build: %w\n%s", err, b)
			}
		}
		for _, r := range rows() {
			if _, done := have[r.key()]; done && !*again || *only != "" && !slices.Contains(strings.Split(*only, ","), r.section) {
				continue
			}
			o, err := r.run(ctx, *binary, *shared, tmp)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				return fmt.Errorf("%s: %w", r.key(), err)
			}
			fmt.Printf("%-60s %6.2f%%  up %d  down %d  %.1f s\n", r.key(), 100*o.Accuracy, o.Up, o.Down, o.Seconds)
			have[r.key()] = *o
			b, err := json.MarshalIndent(have, "", " ")
			if err != nil {
				return err
			}
			if err := os.WriteFile(file, append(b, '\n'), 0o666); err != nil {
				return err
			}
		}
	}
	return write(*out, have)
}

// run runs a row in a process of its own, so that its memory is its own.
func (r *row) run(ctx context.Context, binary, shared, tmp string) (*outcome, error) {
	args := slices.Clone(r.args)
	command := "permafrost " + strings.Join(args, " ")
	for i, a := range args {
		args[i] = strings.ReplaceAll(a, "shared/", shared+"/")
	}
	dir := filepath.Join(tmp, fmt.Sprint(time.Now().UnixNano()))
	if args[0] == "fit" {
		args = append(args, "--out", dir)
	}
	cmd := exec.CommandContext(ctx, binary, append(args, "--json")...)
	cmd.Env = append(os.Environ(), "PERMAFROST_CACHE="+filepath.Join(tmp, "cache"))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		return nil, fmt.Errorf("%s: %w", lines[len(lines)-1], err)
	}
	o := &outcome{}
	if err := json.Unmarshal(stdout.Bytes(), o); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	o.Command = command
	return o, os.RemoveAll(dir)
}
