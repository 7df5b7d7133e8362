// Package data turns what a user has into batches of a model's inputs and right answers. In comes a
// Place: class folders, a table, rows in memory; out comes a Dataset. It knows no kind of data:
// what a kind's files are called and how they are prepared is its Media and its Source.
//
// Open lists the examples, leaves out what is damaged and splits off a validation set. A Dataset
// then yields examples in any order, each prepared by its Source, which writes its steps into
// tensors; batches are made of examples of about one length (Groups), padded to it by the Loader,
// which prepares them in parallel, ahead of who reads. Whatever is random is seeded by (run, epoch,
// example), so that the number of threads changes nothing. What a right answer is depends on the
// task: Example.Label is the class and Example.Answer what a table says, from which others are read
// (Target).
package data

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Options say how data are opened. The zero value keeps nothing in memory and does not augment.
type Options struct {
	Val     Place  // where the validation examples are; none for val beside train, else a tenth is held out
	Seed    uint64 // the run's seed: what is held out, the augmentation
	Workers int    // goroutines that decode; 0 for one per processor

	// Task is what the labels are for, as the option task names it; "" finds it from them.
	Task string
	// Own are the classes of the model where its own scores are learned on; nil where the data say
	// what the classes are.
	Own *Own
	// Table names the columns of tables.
	Table Columns
	// Augment is how the examples to train with are varied, in the words of their kind; "" and
	// "none" for not at all.
	Augment string
	// Budget is how many bytes of what was prepared may be kept in memory, training and validation
	// together. The check for damaged files fills it, so that what fits is decoded once in a run.
	Budget int64
	// Trusted says of a file's digest that the content is known to decode (a cache holds what was
	// computed from it), which spares decoding it for the check. Nil trusts nothing.
	Trusted func([sha256.Size]byte) bool
	// Index remembers between runs the files that passed the check, which spares reading them for
	// it. Nil remembers none.
	Index Index
	// Kept keeps between runs what was prepared. Nil keeps none.
	Kept Blocks
}

// Augmented reports whether Augment varies anything.
func (o Options) Augmented() bool { return o.Augment != "" && o.Augment != "none" }

func (o Options) workers() int {
	if o.Workers > 0 {
		return o.Workers
	}
	return runtime.GOMAXPROCS(0)
}

// Example is one file, or row of a table, and its class.
type Example struct {
	Path   string
	Label  int    // an index into the classes; -1 where it is not known
	Answer string // the right answer as a table, or the name of a folder, has it; "" where a folder is a class
}

// Skipped is a file that was left out and why.
type Skipped struct {
	Path string
	Err  error
}

// Dataset is a list of examples in the order of their classes and paths. It is safe for concurrent
// use.
type Dataset struct {
	Root     string
	Classes  []string // sorted (see SortNames), or as given
	Examples []Example
	Skipped  []Skipped // damaged files
	Remarks  []string  // further Notes
	HeldOut  bool      // these examples were taken from the training folder
	Task     string    // what the labels are for; "" is classify

	own     *Own
	media   *Media
	seed    uint64
	workers int
	source  Source
	at      []int          // the examples' places in source
	other   map[string]int // files of other kinds, by extension
	plain   bool           // examples are not augmented, though their source could
}

// New makes a Dataset of what a Source prepares, one example each in the order of the Source.
func New(root string, classes []string, examples []Example, source Source, m *Media, opt Options) *Dataset {
	return &Dataset{Root: root, Classes: classes, Examples: examples, Task: opt.Task,
		own: opt.Own, media: m, seed: opt.Seed, workers: opt.workers(), source: source, at: FileOrder(len(examples))}
}

// opened makes a Dataset of files.
type opened struct {
	fs     fs.FS
	media  *Media
	opt    Options
	budget *Budget
}

func open(p Place, m *Media, opt Options) *opened {
	return &opened{p.files(), m, opt, NewBudget(opt.Budget)}
}

func (o *opened) dataset(root string, classes []string, examples []Example, task string, varied bool) *Dataset {
	s := Setting{Files: newFiles(o.fs, examples, o.opt.Index), Budget: o.budget, Kept: o.opt.Kept, Trusted: o.opt.Trusted, Varied: varied && o.opt.Augmented()}
	d := New(root, classes, examples, o.media.Source(s), o.media, o.opt)
	d.Task = task
	return d
}

// Len is the number of examples.
func (d *Dataset) Len() int { return len(d.Examples) }

// Form says how examples lie in the model's inputs.
func (d *Dataset) Form() Form { return d.source.Form() }

// Length is the number of steps of example i: the tokens of a text, the windows of a sound; 1 for a
// picture.
func (d *Dataset) Length(i int) int { return d.source.Length(d.at[i]) }

// Bucket is the length that example i is padded to.
func (d *Dataset) Bucket(i int) int { return d.Form().Bucket(d.Length(i)) }

// Digest names the content of example i, see Source.
func (d *Dataset) Digest(i int) ([sha256.Size]byte, error) {
	sum, err := d.source.Digest(d.at[i])
	if err != nil {
		err = fmt.Errorf("data: %s: %w", d.Examples[i].Path, err)
	}
	return sum, err
}

// Fingerprint names the classes and the examples' contents and labels in order, wherever the files
// lie: two Datasets with the same one train alike.
func (d *Dataset) Fingerprint() ([sha256.Size]byte, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%q", d.Classes)
	for i, e := range d.Examples {
		sum, err := d.Digest(i)
		if err != nil {
			return [sha256.Size]byte{}, err
		}
		fmt.Fprintf(h, " %d %x", e.Label, sum)
		if e.Answer != "" {
			fmt.Fprintf(h, " %q", e.Answer)
		}
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

// Plain is the epoch of examples that are not augmented.
const Plain = -1

// Read writes the steps of example i, one tensor for each of Form.Inputs: as every model input is
// prepared for Plain, else as augmentation varies it in the epoch.
func (d *Dataset) Read(i, epoch int, dst []*tensor.Tensor) error {
	var draw *Draw
	if !d.plain && epoch != Plain {
		draw = &Draw{d.seed, epoch, i}
	}
	if err := d.source.Read(d.at[i], draw, dst); err != nil {
		return fmt.Errorf("data: %s: %w", d.Examples[i].Path, err)
	}
	return nil
}

// check leaves out the damaged examples. More than a tenth of them is an error.
func (d *Dataset) check(ctx context.Context) error {
	good, err := d.findDamaged(ctx)
	if err != nil {
		return err
	}
	if n := len(d.Skipped); n*10 > d.Len() {
		return fmt.Errorf("data: %d of %d %s in %s are damaged, more than a tenth (the first: %s: %w): repair or remove them",
			n, d.Len(), d.media.Many, d.Root, d.Skipped[0].Path, d.Skipped[0].Err)
	}
	*d = *d.subset(good)
	return nil
}

// findDamaged checks the examples in parallel, fills d.Skipped and returns the indices of the
// others.
func (d *Dataset) findDamaged(ctx context.Context) (good []int, err error) {
	c, ok := d.source.(Checker)
	if !ok {
		return FileOrder(d.Len()), nil
	}
	errs := make([]error, d.Len())
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(d.workers, d.Len()) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < d.Len() && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				errs[i] = c.Check(d.at[i])
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for i, err := range errs {
		if err == nil {
			good = append(good, i)
		} else {
			d.Skipped = append(d.Skipped, Skipped{d.Examples[i].Path, err})
		}
	}
	return good, nil
}

// subset returns the examples at the given indices with what is known of them.
func (d *Dataset) subset(indices []int) *Dataset {
	s := *d
	s.Examples, s.at = make([]Example, len(indices)), make([]int, len(indices))
	for k, i := range indices {
		s.Examples[k], s.at[k] = d.Examples[i], d.at[i]
	}
	return &s
}
