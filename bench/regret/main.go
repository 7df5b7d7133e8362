// Regret fits every plan of a grid at three learning rates on several pairs of model and data, lets
// fit --auto choose on the same, and says how far the choice falls behind the best of the grid, and
// at what part of its time.
//
//	go run ./bench/regret                                     everything, many hours
//	go run ./bench/regret -pairs resnet20 -for 30m            those pairs, as far as half an hour goes
//	go run ./bench/regret -grid                               without --auto
//	go run ./bench/regret -report                             the tables, of what is there
//
// What is finished is kept in regret.json of the output folder, so that it may run in pieces;
// regret.md there is written from it. The validation examples of a pair are its own folder, which
// --auto does not look at.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/permafrost-ml/permafrost/internal/demo"
)

// pair is a model and data to tune it for. Shares are those of the training examples that are used,
// in percent.
type pair struct {
	name, model, data string // in the shared folder; of the demo in what it leaves
	shares            []int
	change            change // made of the data; nil: as they are
}

var pairs = []pair{
	{"resnet20 sign-digits", "resnet20-cifar10.onnx", "sign-digits", []int{100, 30, 10, 5}, nil},
	{"resnet56 sign-digits", "resnet56-cifar10.onnx", "sign-digits", []int{100, 30, 10}, nil},
	{"mobilenetv1 ants-bees", "mobilenetv1-imagenet-trunk.onnx", "ants-bees", []int{100}, nil},
	{"mobilenetv1 sign-digits", "mobilenetv1-imagenet-trunk.onnx", "sign-digits", []int{100, 10}, nil},
	{"stories260k trec", "stories260k.onnx", "trec", []int{100, 5}, nil},
	{"stories260k sst2", "stories260k.onnx", "sst2", []int{100}, nil},
	{"speech-embedding spoken-digits", "speech-embedding.onnx", "spoken-digits", []int{100}, nil},
	{"letters greek", "", "greek", []int{100}, nil},
	{"letters cyrillic", "", "cyrillic", []int{100}, nil},

	{"letters greek, noisy labels", "", "greek", []int{100}, noisy(0.2)},
	{"letters cyrillic, uneven", "", "cyrillic", []int{100}, uneven},
	{"letters latin", "", "greek", []int{100}, drawn(demo.Latin, 10, 12)},
	{"letters of two classes", "", "greek", []int{100}, drawn(twoLetters, 25, 300)},
	{"letters greek in frames", "", "greek", []int{100}, frames(demo.Greek, 3, 5, 30)},
	{"resnet20 letters in frames", "resnet20-cifar10.onnx", "sign-digits", []int{100}, frames(demo.Latin, 3, 5, 12)},
	{"resnet20 sign-digits, noisy labels", "resnet20-cifar10.onnx", "sign-digits", []int{30}, noisy(0.2)},
	{"speech-embedding two digits", "speech-embedding.onnx", "spoken-digits", []int{100}, some(4, 2)},
}

// twoLetters differ by a tail.
var twoLetters = demo.Alphabet{Name: "two", Letters: []demo.Letter{{Name: "sha", Rune: 'Ш'}, {Name: "shcha", Rune: 'Щ'}}}

// plans of the grid, and the multiples of the recipe's learning rate that each is fitted with.
var (
	plans = []string{"head", "last:1", "last:2", "last:4", "all"}
	rates = []float64{1, 3, 1. / 3}
)

// driver is one run of this program.
type driver struct {
	binary, shared, tmp string
	threads             int
	state               *state
	gridOnly            bool      // --auto is left for another time
	until               time.Time // when no further fit begins; zero: never
}

// errTime ends a run whose time is over.
var errTime = errors.New("the time is over")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "regret:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	d := &driver{}
	only := flag.String("pairs", "", "pairs whose name has one of these `WORDS` in it, separated by commas (default: all)")
	share := flag.Int("share", 0, "the `PERCENT` of training examples to use (default: each that a pair is listed with)")
	seeds := flag.Int("seeds", 3, "fits of everything, with the seeds from 1 on")
	limit := flag.Duration("for", 0, "begin no further fit after this `TIME` (default: none)")
	flag.BoolVar(&d.gridOnly, "grid", false, "fit the grids only, not --auto")
	report := flag.Bool("report", false, "fit nothing, write the tables")
	out := flag.String("out", "docs", "`DIR` of regret.json and regret.md")
	flag.StringVar(&d.binary, "permafrost", "", "binary to run (default: built from ./cmd/permafrost)")
	flag.StringVar(&d.shared, "shared", filepath.Join("..", "shared"), "`DIR` with models and data")
	flag.StringVar(&d.tmp, "tmp", filepath.Join(os.TempDir(), "permafrost-regret"), "`DIR` for caches and subsets of data")
	flag.IntVar(&d.threads, "threads", 2, "threads of every fit")
	flag.Parse()
	var err error
	if d.state, err = load(filepath.Join(*out, "regret.json")); err != nil {
		return err
	}
	if *limit > 0 {
		d.until = time.Now().Add(*limit)
	}
	if !*report {
		if err := d.prepare(ctx); err != nil {
			return err
		}
		for seed := 1; seed <= *seeds; seed++ { // every pair once before any again
			for _, p := range pairs {
				if !wanted(p.name, *only) {
					continue
				}
				shares := p.shares
				if *share != 0 {
					shares = []int{*share}
				}
				for _, s := range shares {
					if err := d.pair(ctx, p, s, seed); err != nil && !errors.Is(err, errTime) {
						return err
					} else if err != nil {
						fmt.Fprintln(os.Stderr, "regret:", err)
						return d.state.report(filepath.Join(*out, "regret.md"))
					}
				}
			}
		}
	}
	return d.state.report(filepath.Join(*out, "regret.md"))
}

func wanted(name, words string) bool {
	for w := range strings.SplitSeq(words, ",") {
		if strings.Contains(name, w) {
			return true
		}
	}
	return false
}

// prepare finds the binary.
func (d *driver) prepare(ctx context.Context) error {
	if err := os.MkdirAll(d.tmp, 0o777); err != nil {
		return err
	}
	if d.binary != "" {
		return nil
	}
	d.binary = filepath.Join(d.tmp, "permafrost")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", d.binary, "./cmd/permafrost").CombinedOutput(); err != nil {
		return fmt.Errorf("building permafrost: %w\n%s", err, out)
	}
	return nil
}

// pair does what is missing of a pair for one seed: the grid, whose fits share a cache as a
// person's would, Auto-RGN's rates, and --auto with a cache of its own.
func (d *driver) pair(ctx context.Context, p pair, share, seed int) error {
	name := p.name
	if share != 100 {
		name = fmt.Sprintf("%s %d%%", p.name, share)
	}
	model, tr, val, err := d.files(ctx, p, share)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if _, err := os.Stat(model); err != nil {
		fmt.Fprintf(os.Stderr, "%s: no %s (-shared names the folder of models and data)\n", name, model)
		return nil
	}
	fit := func(plan, rate, cache string, args ...string) (*fit, error) {
		return d.fit(ctx, key{name, seed, plan, rate}, cache, append([]string{"fit", "--model", model, "--data", tr, "--val", val, "--seed", strconv.Itoa(seed)}, args...)...)
	}
	folder := strings.NewReplacer(" ", "-", "%", "").Replace(fmt.Sprintf("%s-%d", name, seed))
	cache := folder + "-grid"
	for _, plan := range plans {
		base, err := fit(plan, "1", cache, "--thaw", "head", "--thaw", plan)
		if err != nil {
			return err
		}
		for _, rate := range rates[1:] {
			if base.Failed == "" {
				if _, err := fit(plan, figures(rate), cache, "--thaw", "head", "--thaw", plan, "--lr", strconv.FormatFloat(rate*base.LR, 'g', -1, 64)); err != nil {
					return err
				}
			}
		}
	}
	if _, err := fit("auto-rgn", "", cache, "--thaw", "all", "--rates", "auto-rgn"); err != nil {
		return err
	}
	if !d.gridOnly {
		_, err = fit("auto", "", folder+"-auto", "--auto")
	}
	return errors.Join(err, os.RemoveAll(filepath.Join(d.tmp, cache)), os.RemoveAll(filepath.Join(d.tmp, folder+"-auto")))
}

func figures(v float64) string { return strconv.FormatFloat(v, 'g', 2, 64) }
