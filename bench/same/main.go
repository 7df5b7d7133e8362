// Same runs the same fits with two binaries and says where their results differ. It shows that a
// change of the code left training as it was, to the bit.
//
//	go run ./bench/same -before FILE -after FILE [-only REGEX] [-keep DIR]
//
// Each binary runs the fits of runs.go, one after the other, in a folder and with a cache of its
// own. Then model.onnx, delta.safetensors, plan.json, seal.json and events.jsonl are compared byte
// for byte; of the events what cannot be equal is left out, by the keys that events.go lists. The
// exit status is 1 where something differs.
//
// Models and data are those of the demo and, for texts, sounds and bytes, of ../shared. Runs that
// need ../shared are skipped, and said to be, where it is missing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"text/tabwriter"
	"time"
)

// binary is one of the two that are compared.
type binary struct {
	file string // of the program
	dir  string // holds its runs and its cache
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	before := flag.String("before", "", "the one binary, a `FILE`")
	after := flag.String("after", "", "the other binary, a `FILE`")
	only := flag.String("only", "", "do only the runs whose names match a `REGEX`")
	keep := flag.String("keep", "", "do the runs in `DIR` and leave them there (default: a temporary folder)")
	shared := flag.String("shared", filepath.Join("..", "shared"), "`DIR` of the shared models and data")
	flag.Parse()
	same, err := compare(ctx, *before, *after, *only, *keep, *shared)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "same:", err)
		os.Exit(2)
	case !same:
		os.Exit(1)
	}
}

// compare does the runs and prints a line for each. It reports whether all that were done are the
// same.
func compare(ctx context.Context, before, after, only, keep, shared string) (bool, error) {
	if before == "" || after == "" || flag.NArg() > 0 {
		return false, errors.New("name two binaries with -before and -after")
	}
	wanted, err := regexp.Compile(only)
	if err != nil {
		return false, fmt.Errorf("-only: %w", err)
	}
	dir, err := folder(keep)
	if err != nil {
		return false, err
	}
	if keep == "" {
		defer os.RemoveAll(dir)
	}
	var both [2]binary
	for i, file := range []string{before, after} {
		b := binary{dir: filepath.Join(dir, []string{"before", "after"}[i])}
		if b.file, err = filepath.Abs(file); err != nil {
			return false, err
		}
		if err := os.RemoveAll(b.dir); err != nil {
			return false, err
		}
		if err := os.MkdirAll(b.dir, 0o755); err != nil {
			return false, err
		}
		both[i] = b
	}
	haveShared, err := makeInputs(ctx, both[0].file, filepath.Join(dir, "input"), shared)
	if err != nil {
		return false, err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	defer table.Flush()
	done, differ, skipped := 0, 0, 0
	for _, r := range runs {
		if !wanted.MatchString(r.name) {
			continue
		}
		if r.shared && !haveShared {
			skipped++
			fmt.Fprintf(table, "%s\tskipped: needs the models and data of %s\n", r.name, shared)
			continue
		}
		began := time.Now()
		found, err := r.differences(ctx, both)
		if err != nil {
			return false, fmt.Errorf("%s: %w", r.name, err)
		}
		done++
		if len(found) > 0 {
			differ++
		}
		fmt.Fprintf(os.Stderr, "%s: %.1f s\n", r.name, time.Since(began).Seconds())
		if len(found) == 0 {
			fmt.Fprintf(table, "%s\tequal\n", r.name)
		}
		for i, what := range found {
			name := r.name
			if i > 0 {
				name = ""
			}
			fmt.Fprintf(table, "%s\t%s\n", name, what)
		}
	}
	if done == 0 && skipped == 0 {
		return false, fmt.Errorf("-only: no run's name matches %q", only)
	}
	fmt.Fprintf(table, "\n%d runs, %d equal, %d differ, %d skipped\n", done, done-differ, differ, skipped)
	return differ == 0, nil
}

// folder is dir, made where it is missing, or a new temporary one.
func folder(dir string) (string, error) {
	if dir == "" {
		return os.MkdirTemp("", "permafrost-same")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o755)
}
