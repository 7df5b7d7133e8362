// Package data turns a user's data into batches of model inputs and right answers.
//
// In: a Place, which is class folders, a table, or rows in memory. Out: a Dataset. The package does
// not know the kinds of data: a kind's Media names its files, and its Source prepares them.
//
// Open lists the examples, skips damaged ones and splits off a validation set. A Dataset then
// yields examples in any order. Each is prepared by its Source, which writes the example's steps
// into tensors. A batch consists of examples of similar length (Groups), padded to a common length.
// The Loader prepares batches in parallel, ahead of the reader. All randomness is seeded by (run,
// epoch, example), so the number of threads changes nothing. The form of a right answer depends on
// the task: Example.Label is the class, Example.Answer is a table's text, and Target is derived
// from them.
package data

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Options say how data are opened. The zero value keeps nothing in memory and augments nothing.
type Options struct {
	// the validation examples; if none, val beside train, or else a tenth is held out
	Val     Place
	Seed    uint64 // the run's seed, for the held-out split and augmentation
	Workers int    // goroutines that decode; 0 for one per processor

	// Task is the task of the examples, as in the option task. "" derives it from their answers.
	Task string
	// Own are the classes of the model where its own scores are learned on; nil where the data say
	// what the classes are.
	Own *Own
	// Table names the columns of tables, and says which examples belong together.
	Table Columns
	// Augment says how training examples are augmented, in the terms of their kind. "" and "none"
	// do not augment.
	Augment string
	// Budget limits the prepared data that are kept in memory, in bytes, for training and
	// validation together. The check for damaged files fills it, so that whatever fits is decoded
	// once per run.
	Budget int64
	// Trusted reports, by a file's digest, whether its content is known to decode, because a cache
	// holds values computed from it. The check then does not decode the file. Nil trusts nothing.
	Trusted func([sha256.Size]byte) bool
	// Index remembers between runs which files passed the check, so that they need not be read
	// again for it. Nil remembers none.
	Index Index
	// Kept keeps prepared examples between runs. Nil keeps none.
	Kept Blocks

	measuring bool // the examples are there to measure by, beside others to train with
}

// Measuring returns the options for the examples that are there to measure by, beside those to train
// with. They may be without groups.
func (o Options) Measuring() Options {
	o.measuring = true
	return o
}

// Augmented reports whether Augment changes anything.
func (o Options) Augmented() bool { return o.Augment != "" && o.Augment != "none" }

func (o Options) workers() int {
	if o.Workers > 0 {
		return o.Workers
	}
	return runtime.GOMAXPROCS(0)
}

// Example is one file, or one row of a table, with its class.
type Example struct {
	Path   string
	Label  int    // an index into the classes; -1 if unknown
	Answer string // the right answer as a table, or the name of a folder, has it; "" where a folder is a class
	Group  string // examples of one group are never divided, see Folds; "" is a group of its own
	Text   string // of a row of a table of texts, as the table has it; a tab separates the texts of a pair
}

// Skipped is a file that was skipped, and why.
type Skipped struct {
	Path string
	Err  error
}

// Dataset is a list of examples, ordered by class and path. It is safe for concurrent use.
type Dataset struct {
	Root     string
	Classes  []string // sorted (see SortNames), or as given
	Examples []Example
	Skipped  []Skipped // damaged files
	Remarks  []string  // further Notes
	Part     string    // the split that a model is measured by, see Measured; "" for none
	HeldOut  bool      // these examples were split off from the training folder
	Task     string    // what the labels are for; "" is classify

	own     *Own
	media   *Media
	seed    uint64
	workers int
	source  Source
	at      []int          // the examples' indices in source
	other   map[string]int // files of other kinds, by extension
	plain   bool           // examples are not augmented, even if their source could
}

// New makes a Dataset from a Source, with its examples in the order of the Source.
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

// Len returns the number of examples.
func (d *Dataset) Len() int { return len(d.Examples) }

// Form says how examples are laid out in the model's inputs.
func (d *Dataset) Form() Form { return d.source.Form() }

// Length returns the number of steps of example i: the tokens of a text, the windows of a sound, 1
// for a picture.
func (d *Dataset) Length(i int) int { return d.source.Length(d.at[i]) }

// Bucket returns the length to which example i is padded.
func (d *Dataset) Bucket(i int) int { return d.Form().Bucket(d.Length(i)) }

// Digest identifies the content of example i, see Source.
func (d *Dataset) Digest(i int) ([sha256.Size]byte, error) {
	sum, err := d.source.Digest(d.at[i])
	if err != nil {
		err = fmt.Errorf("data: %s: %w", d.Examples[i].Path, err)
	}
	return sum, err
}

// File returns the file that example i is prepared from. It is false where there is none that holds
// nothing else, as of a row of a table.
func (d *Dataset) File(i int) (content []byte, ok bool, err error) {
	files, ok := d.source.(interface{ Content(i int) ([]byte, error) })
	if !ok {
		return nil, false, nil
	}
	if content, err = files.Content(d.at[i]); err != nil {
		err = fmt.Errorf("data: %s: %w", d.Examples[i].Path, err)
	}
	return content, true, err
}

// Fingerprint identifies the classes and the contents and labels of the examples in order,
// independent of paths. Datasets with the same fingerprint train alike.
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

// Plain is the epoch number for examples without augmentation.
const Plain = -1

// Read writes the steps of example i, one tensor for each of Form.Inputs. If epoch is Plain the
// example is not augmented; otherwise it is augmented as in that epoch.
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

// check drops the damaged examples. It errors if more than a tenth are damaged.
func (d *Dataset) check(ctx context.Context) error {
	good, err := d.findDamaged(ctx)
	if err != nil {
		return err
	}
	if n := len(d.Skipped); n*10 > d.Len() {
		if first := d.Skipped[0]; d.fault() == missing {
			return fmt.Errorf("data: %d of %d %s that %s names are missing, more than a tenth (the first: %s): mend the paths, which are relative to the table, or remove the rows",
				n, d.Len(), d.media.Many, d.Root, first.Path)
		}
		return fmt.Errorf("data: %d of %d %s in %s are %s, more than a tenth (the first: %s: %w): repair or remove them",
			n, d.Len(), d.media.Many, d.Root, d.fault(), d.Skipped[0].Path, d.Skipped[0].Err)
	}
	*d = *d.subset(good)
	return nil
}

const missing = "missing"

// fault says what is wrong with the skipped examples.
func (d *Dataset) fault() string {
	absent := 0
	for _, s := range d.Skipped {
		if errors.Is(s.Err, fs.ErrNotExist) {
			absent++
		}
	}
	switch absent {
	case 0:
		return d.media.fault()
	case len(d.Skipped):
		return missing
	}
	return d.media.fault() + " or " + missing
}

// findDamaged checks the examples in parallel, fills d.Skipped and returns the indices of the good
// ones. What the source has doubts about is remarked.
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
	if r, ok := d.source.(Remarker); ok {
		at, paths := make([]int, len(good)), make([]string, len(good))
		for k, i := range good {
			at[k], paths[k] = d.at[i], d.Examples[i].Path
		}
		d.Remarks = append(d.Remarks, r.Remarks(at, paths)...)
	}
	return good, nil
}

// subset returns the examples at the given indices, with everything known about them.
func (d *Dataset) subset(indices []int) *Dataset {
	s := *d
	s.Examples, s.at = make([]Example, len(indices)), make([]int, len(indices))
	for k, i := range indices {
		s.Examples[k], s.at[k] = d.Examples[i], d.at[i]
	}
	return &s
}
