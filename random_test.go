package permafrost_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/internal/onnx"
)

var (
	randomCount = flag.Int("random", 80, "random configurations that TestRandom fits")
	randomSeed  = flag.Uint64("seed", 1, "seed of the configurations of TestRandom")
)

// TestRandom fits random configurations of every kind on tiny models and holds each to what
// Permafrost promises, whatever the options:
//
//   - a configuration that cannot be fitted gets an error that names an option, or what is wrong
//     with the data, and nothing is written;
//   - frozen weights keep every byte, and verify says so;
//   - neither the number of threads, nor the cache, nor a bound on memory, nor an interruption
//     changes a bit of what is written;
//   - the file that is written measures on the validation examples as the fit did.
//
// A failure prints its configuration and how to run it alone.
func TestRandom(t *testing.T) {
	all := subjects(t, t.TempDir())
	fitted, refused, count := 0, 0, *randomCount
	if testing.Short() {
		count = min(count, 20)
	}
	for i := range count {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			d := seeded(*randomSeed, i)
			trial := &trial{d: d, cfg: draw(d, all[i%len(all)]), dir: t.TempDir()}
			t.Setenv("PERMAFROST_CACHE", filepath.Join(trial.dir, "cache"))
			err := trial.hold()
			if trial.refused != nil {
				refused++
			} else {
				fitted++
			}
			if err != nil {
				t.Errorf("%v\n\n%s\nalone: go test . -run 'TestRandom/^%d$' -random %d -seed %d", err, strings.Join(given(trial.cfg), "\n"), i, i+1, *randomSeed)
			} else if trial.refused != nil {
				t.Log(trial.refused)
			}
		})
	}
	t.Logf("%d fitted, %d refused", fitted, refused)
	if count >= 80 && (fitted < refused || refused == 0) {
		t.Errorf("%d were fitted and %d refused: draw legal options more often, but not always", fitted, refused)
	}
}

// trial is one random configuration on its way through the promises.
type trial struct {
	d       dice
	cfg     permafrost.Config
	dir     string
	refused error // why it was not fitted
	runs    int
}

// hold errors on the first promise that is broken.
func (t *trial) hold() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	c := t.cfg
	c.Threads = 2
	base, err := t.fit(c)
	switch diverged := (*permafrost.DivergedError)(nil); {
	case errors.As(err, &diverged):
		t.refused = err
		return nil
	case err != nil:
		t.refused = err
		return t.refusal(err, base.out)
	}
	return errors.Join(t.frozen(base), t.measures(base), t.variations(base))
}

// outcome is a fit that was tried.
type outcome struct {
	cfg    permafrost.Config
	out    string
	result *permafrost.Result
	model  []byte // model.onnx
}

// fit fits into a folder of its own.
func (t *trial) fit(c permafrost.Config) (outcome, error) {
	t.runs++
	c.Out = filepath.Join(t.dir, fmt.Sprint("run", t.runs))
	r, err := fit(c, false, 0)
	return t.read(c, r, err)
}

func (t *trial) read(c permafrost.Config, r *permafrost.Result, err error) (outcome, error) {
	f := outcome{cfg: c, out: c.Out, result: r}
	if err == nil {
		f.model, err = os.ReadFile(filepath.Join(c.Out, "model.onnx"))
	}
	return f, err
}

// refusal holds the error of a configuration that was not fitted to name an option that was given,
// and to have left nothing.
func (t *trial) refusal(err error, out string) error {
	if entries, _ := os.ReadDir(out); len(entries) > 0 {
		return fmt.Errorf("refused (%w), but %s was written", err, entries[0].Name())
	}
	if !errors.Is(err, permafrost.ErrBadInput) {
		return fmt.Errorf("refused with an error that is not of bad input: %w", err)
	}
	if !namesOption(err.Error(), t.cfg) {
		return fmt.Errorf("refused without the name of an option that was given: %w", err)
	}
	return nil
}

// frozen holds what was not thawed to its bytes, by the proof of the run, by Verify, and by the two
// files themselves.
func (t *trial) frozen(f outcome) error {
	if f.result.FrozenDigestBefore != f.result.FrozenDigestAfter {
		return errors.New("the digests of the frozen weights differ")
	}
	tuned := filepath.Join(f.out, "model.onnx")
	for _, plan := range []string{"", filepath.Join(f.out, "plan.json")} {
		v, err := permafrost.Verify(f.cfg.Model, tuned, plan)
		if err != nil {
			return fmt.Errorf("verify: %w", err)
		}
		if !v.Identical && !f.cfg.AdapterMerge {
			return fmt.Errorf("verify (plan %q): %v changed", plan, v.Changed)
		}
	}
	if f.cfg.AdapterMerge {
		return nil // adapters are added to frozen weights, as it asks
	}
	before, err := weights(f.cfg.Model)
	if err != nil {
		return err
	}
	after, err := weights(tuned)
	if err != nil {
		return err
	}
	for _, p := range f.result.Plan.Params {
		if was, ok := before[p.Name]; ok && p.State == "frozen" && !bytes.Equal(was, after[p.Name]) {
			return fmt.Errorf("the frozen %s changed", p.Name)
		}
	}
	return nil
}

// weights are the bytes of a model's parameters by name.
func weights(path string) (map[string][]byte, error) {
	m, err := onnx.Open(path)
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for _, p := range m.Params {
		out[p.Name] = p.Tensor.Bytes
	}
	return out, nil
}

// measures holds the file that was written to what the fit measured.
func (t *trial) measures(f outcome) error {
	got, want, err := evaluate(filepath.Join(f.out, "model.onnx"), f.cfg.Data, f.result)
	if err != nil {
		return fmt.Errorf("eval: %w", err)
	}
	tolerance := 1e-3
	if f.cfg.CachePrecision == "float16" {
		tolerance = 2e-2
	}
	for i, what := range []string{"loss", "accuracy or metric"} {
		if math.Abs(got[i]-want[i]) > tolerance*(1+math.Abs(want[i])) {
			return fmt.Errorf("the tuned file has a %s of %g, the fit measured %g", what, got[i], want[i])
		}
	}
	return nil
}

// variations holds fits that differ in what must not matter to the bits of the first.
func (t *trial) variations(base outcome) error {
	rounded := base.cfg.CachePrecision == "float16" // what is kept is rounded, and only that
	for _, v := range []struct {
		name   string
		skip   bool
		option string // it may be refused for
		change func(c *permafrost.Config)
	}{
		{"one thread", false, "", func(c *permafrost.Config) { c.Threads = 1 }},
		{"cache off", rounded, "cache", func(c *permafrost.Config) { c.Cache = "off" }},
		{"cache ram", rounded && base.cfg.Cache == "off", "cache", func(c *permafrost.Config) { c.Cache = "ram" }},
		{"cache disk", rounded && base.cfg.Cache == "off", "cache", func(c *permafrost.Config) { c.Cache = "disk" }},
		{"cache disk, filled before", rounded && base.cfg.Cache == "off", "cache", func(c *permafrost.Config) { c.Cache = "disk" }},
		{"bounded memory", false, "", func(c *permafrost.Config) { c.Memory = 1 << 10 }},
	} {
		if v.skip {
			continue
		}
		c := base.cfg
		v.change(&c)
		f, err := t.fit(c)
		if err != nil && v.option != "" && strings.Contains(err.Error(), v.option) {
			if err := t.refusal(err, c.Out); err != nil {
				return fmt.Errorf("%s: %w", v.name, err)
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
		if !bytes.Equal(f.model, base.model) {
			return fmt.Errorf("%s: other bits", v.name)
		}
	}
	return errors.Join(t.afterOthers(base), t.resumed(base))
}

// afterOthers holds a fit that finds what one by another plan has kept to the bits of the first.
func (t *trial) afterOthers(base outcome) error {
	if base.cfg.CachePrecision == "float16" && base.cfg.Cache == "off" {
		return nil
	}
	if err := os.Setenv("PERMAFROST_CACHE", filepath.Join(t.dir, "others")); err != nil {
		return err
	}
	c := base.cfg
	c.Cache, c.Schedule, c.Start = "disk", "", "none"
	c.Thaw = []string{of(t.d, "all", "head", "last:1", "kind:weight", "kind:norm", "kind:bias")}
	if _, err := t.fit(c); err != nil { // not every plan suits
		return nil
	}
	thaw := c.Thaw
	c = base.cfg
	c.Cache = "disk"
	f, err := t.fit(c)
	if err == nil && !bytes.Equal(f.model, base.model) {
		err = errors.New("other bits")
	}
	if err != nil {
		return fmt.Errorf("cache disk, after a fit that thaws %v: %w", thaw, err)
	}
	return nil
}

// resumed interrupts a fit once or twice, goes on with another number of threads, and holds it to
// the bits of the unbroken one.
func (t *trial) resumed(base outcome) error {
	stops := make([]int, 1+t.d.IntN(2))
	for i := range stops {
		stops[i] = 1 + t.d.IntN(12)
	}
	return t.resumedAfter(base, stops...)
}

// resumedAfter does that after so many steps of each part.
func (t *trial) resumedAfter(base outcome, stops ...int) error {
	c := base.cfg
	t.runs++
	c.Out = filepath.Join(t.dir, fmt.Sprint("broken", t.runs))
	resume := false
	for _, after := range stops {
		r, err := fit(c, resume, after)
		if err == nil { // it was over before
			f, err := t.read(c, r, nil)
			if err == nil && !bytes.Equal(f.model, base.model) {
				err = errors.New("other bits")
			}
			return err
		}
		if !errors.Is(err, permafrost.ErrInterrupted) {
			return fmt.Errorf("interrupted after %v steps: %w", stops, err)
		}
		resume = true
		c.Threads = 1 + t.d.IntN(2)
	}
	r, err := fit(c, true, 0)
	if err != nil {
		return fmt.Errorf("resumed after %v steps: %w", stops, err)
	}
	f, err := t.read(c, r, nil)
	if err == nil && !bytes.Equal(f.model, base.model) {
		err = fmt.Errorf("resumed after %v steps: other bits", stops)
	}
	return err
}

// namesOption reports whether a message names an option that c gives, besides those that every one
// gives, or the data.
func namesOption(message string, c permafrost.Config) bool {
	if strings.Contains(message, c.Data) {
		return true
	}
	plain := strings.NewReplacer("-", " ", "_", " ")
	message = plain.Replace(strings.ToLower(message))
	for _, line := range given(c) {
		key, _, _ := strings.Cut(line, ":")
		if !slices.Contains([]string{"model", "data", "seed"}, key) && !strings.HasPrefix(line, "-") && strings.Contains(message, plain.Replace(key)) {
			return true
		}
	}
	return false
}

// given is what c's YAML says besides the defaults.
func given(c permafrost.Config) []string {
	byDefault := strings.Split(asYAML(permafrost.DefaultConfig()), "\n")
	lines := strings.Split(asYAML(c), "\n")
	var out []string
	for i, line := range lines {
		list := strings.HasPrefix(line, "-") || i+1 < len(lines) && strings.HasPrefix(lines[i+1], "-")
		if list || !slices.Contains(byDefault, line) {
			out = append(out, line)
		}
	}
	return out
}

// The rest is how the test uses the library.

// fit fits, or goes on with the run in c.Out, and is interrupted after some steps, 0 for never.
func fit(c permafrost.Config, resume bool, steps int) (*permafrost.Result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	count := func(e permafrost.Event) {
		if _, ok := e.(*permafrost.Step); ok {
			if steps--; steps == 0 {
				cancel()
			}
		}
	}
	if resume {
		return permafrost.Resume(ctx, c, permafrost.OnEvent(count))
	}
	return permafrost.Fit(ctx, c, permafrost.OnEvent(count))
}

// evaluate measures a tuned file: its loss, and its accuracy or the metric of its task. With it
// comes what the fit found.
func evaluate(model, data string, r *permafrost.Result) (got, found [2]float64, err error) {
	m, err := permafrost.Open(model)
	if err != nil {
		return got, found, err
	}
	defer m.Close()
	e, err := m.Eval(context.Background(), permafrost.Folder(data))
	if err != nil {
		return got, found, err
	}
	got, found = [2]float64{e.Loss, e.Accuracy}, [2]float64{r.ValLoss, r.ValAccuracy}
	if e.Metric != nil && r.ValMetric != nil {
		got[1], found[1] = e.Metric.Value, r.ValMetric.Value
	}
	return got, found, nil
}

// asYAML is the configuration as run.yaml has it.
func asYAML(c permafrost.Config) string {
	b, err := c.YAML()
	if err != nil {
		return err.Error()
	}
	return string(b)
}
