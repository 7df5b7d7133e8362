// Package data turns what a user has into batches of a model's inputs and right answers: class folders of pictures, and what a Source
// prepares (texts, sounds).
//
// Open reads the folders once, leaves out what is damaged and splits off a validation set. A Dataset then yields examples
// in any order, each prepared as the model's Preprocess says; its Loader prepares them in parallel, ahead of who reads. Whatever
// is random is seeded by (run, epoch, example), so that the number of threads changes nothing.
//
// A kind of data beside pictures is a Source: it says how long each example is and writes its steps into tensors. New makes a Dataset of
// it and Split holds out a part; batches are then made of examples of about one length (Groups), padded to it by the Loader. What a right
// answer is depends on the task: Example.Label is the class and Example.Answer what a table says, from which others are read (Target).
package data

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
)

// Options say how data are opened. The zero value decodes everything once, keeps nothing in memory and does not augment.
type Options struct {
	Val     string // where the validation examples are; "" for path/val, else a tenth is held out
	Seed    uint64 // the run's seed: what is held out, the augmentation
	Workers int    // goroutines that decode; 0 for one per processor

	// Task is what the labels are for, as --task names it; "" finds it from them.
	Task string
	// Table names the columns of tables.
	Table Columns

	// Pipeline prepares examples. Without one a Dataset can be looked at but not read.
	Pipeline *Pipeline
	// Augment varies the training examples, nil for not at all.
	Augment *Augment
	// AugmentSpec is what a user said of augmentation; who opens data of a kind reads it as that kind does.
	AugmentSpec string
	// Sounds says that files are sounds and prepares them, in the place of Pipeline and Augment.
	Sounds *Sounds
	// Texts says that examples are texts, for messages.
	Texts bool
	// Bytes says that files are taken as their bytes.
	Bytes *Bytes
	// Budget is how many bytes of resized pictures, or features of sounds, may be kept in memory, training and validation together. The check for
	// damaged files fills it, so that what fits is decoded once in a run.
	Budget int64
	// Trusted says of a file's digest that the content is known to decode (a cache holds what was computed from it), which spares
	// decoding it for the check. Nil trusts nothing.
	Trusted func([sha256.Size]byte) bool
	// Files remembers between runs the files that passed the check, which spares reading them for it. Nil remembers none.
	Files Files
	// Pictures keeps resized pictures, or features of sounds, between runs. Nil keeps none.
	Pictures Pictures
}

// Files remembers the digests of files that decoded. What it remembers must come from the same Pipeline.
type Files interface {
	// Digest is the digest of the file, if it is known and info says that the file has not changed since.
	Digest(path string, info fs.FileInfo) (sum [sha256.Size]byte, ok bool)
	// Learn records the digest of a file that info described before it was read.
	Learn(path string, info fs.FileInfo, sum [sha256.Size]byte)
}

// Pictures keeps blocks of bytes by key. What it keeps must come from the same Pipeline.
type Pictures interface {
	Read(key [sha256.Size]byte) ([]byte, bool)
	// Put keeps a block that is given in parts; it may decline.
	Put(key [sha256.Size]byte, parts ...[]byte) bool
}

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

// Dataset is a list of examples in the order of their classes and paths. It is safe for concurrent use.
type Dataset struct {
	Root     string
	Classes  []string // in sorted order, or as given
	Examples []Example
	Skipped  []Skipped // damaged files
	Remarks  []string  // further Notes
	HeldOut  bool      // these examples were taken from the training folder
	Task     string    // what the labels are for; "" is classify

	opt      Options
	source   Source         // nil: pictures
	at       []int          // the examples' places in source
	other    map[string]int // files of other kinds, by extension
	augment  *Augment
	whole    bool // pictures are kept as resized, before the crop
	plain    bool // what a source prepares is not augmented, though it could
	memory   *memory
	pictures []atomic.Pointer[raster]
	digests  []atomic.Pointer[[sha256.Size]byte]
}

// memory is what is left of a budget, in bytes.
type memory struct{ left atomic.Int64 }

func (m *memory) take(n int) bool {
	if m.left.Add(-int64(n)) < 0 {
		m.left.Add(int64(n))
		return false
	}
	return true
}

func newDataset(root string, classes []string, examples []Example, opt Options) *Dataset {
	d := &Dataset{Root: root, Classes: classes, Examples: examples, opt: opt, memory: new(memory),
		pictures: make([]atomic.Pointer[raster], len(examples)),
		digests:  make([]atomic.Pointer[[sha256.Size]byte], len(examples))}
	d.memory.left.Store(opt.Budget)
	if opt.Bytes != nil {
		d.source, d.at = newRawFiles(opt.Bytes, examples), FileOrder(len(examples))
	}
	if opt.Sounds != nil {
		d.source, d.at = newSounds(examples, opt, d.memory), FileOrder(len(examples))
	}
	return d
}

// New makes a Dataset of what a Source prepares, one example each in the order of the Source. Of the options only Workers counts.
func New(root string, classes []string, examples []Example, source Source, opt Options) *Dataset {
	d := newDataset(root, classes, examples, opt)
	d.source, d.at = source, FileOrder(len(examples))
	return d
}

// Len is the number of examples.
func (d *Dataset) Len() int { return len(d.Examples) }

// Form says how examples lie in the model's inputs.
func (d *Dataset) Form() Form {
	if d.source != nil {
		return d.source.Form()
	}
	return d.opt.Pipeline.Form("")
}

// Length is the number of steps of example i: the tokens of a text, the windows of a sound; 1 for a picture.
func (d *Dataset) Length(i int) int {
	if d.source == nil {
		return 1
	}
	return d.source.Length(d.at[i])
}

// Bucket is the length that example i is padded to.
func (d *Dataset) Bucket(i int) int { return d.Form().Bucket(d.Length(i)) }

// Digest is the SHA-256 digest of example i: of a picture's file, which the check for damaged files has taken in passing, else it is read
// here; of what another Source prepares.
func (d *Dataset) Digest(i int) ([sha256.Size]byte, error) {
	if d.source != nil {
		return d.source.Digest(d.at[i])
	}
	if p := d.digests[i].Load(); p != nil {
		return *p, nil
	}
	b, _, err := readPicture(d.Examples[i].Path)
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("data: %s: %w", d.Examples[i].Path, err)
	}
	return d.digest(i, b)
}

// digest takes the digest of example i's file. It errors when it was taken before and is another one: whatever goes by the
// former digest would be wrong.
func (d *Dataset) digest(i int, file []byte) ([sha256.Size]byte, error) {
	s := sha256.Sum256(file)
	if !d.digests[i].CompareAndSwap(nil, &s) && *d.digests[i].Load() != s {
		return s, errChanged
	}
	return s, nil
}

var errChanged = errors.New("the file changed while it was in use: start again")

// Fingerprint names the classes and the examples' contents and labels in order, wherever the files lie: two Datasets with the same one train
// alike.
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

// Read writes example i to dst, which holds Pipeline.Len values: as every model input is prepared for Plain, augmented by
// (seed, epoch, i) for any other epoch of a Dataset with augmentation.
func (d *Dataset) Read(i, epoch int, dst []float32) error {
	r, err := d.picture(i)
	if err != nil {
		return fmt.Errorf("data: %s: %w", d.Examples[i].Path, err)
	}
	pl := d.opt.Pipeline
	switch {
	case d.augment != nil && epoch != Plain:
		r = d.augment.apply(r, pl, random(d.opt.Seed, epoch, i))
	case d.whole:
		c := pl.center(r.w, r.h)
		r = r.crop(c.x, c.y, c.w, c.h)
	}
	pl.values(r, dst)
	return nil
}

// picture returns example i decoded and resized, from memory or from where it is kept between runs, else from its file.
func (d *Dataset) picture(i int) (raster, error) {
	if p := d.pictures[i].Load(); p != nil {
		return *p, nil
	}
	if r, ok := d.kept(i); ok {
		return r, nil
	}
	path := d.Examples[i].Path
	file, info, err := readPicture(path)
	if err != nil {
		return raster{}, err
	}
	sum, err := d.digest(i, file)
	if err != nil && d.opt.Files != nil {
		d.opt.Files.Learn(path, info, sum)
	}
	if err != nil {
		return raster{}, err
	}
	return d.decode(i, file)
}

func (d *Dataset) decode(i int, file []byte) (raster, error) {
	if d.opt.Pipeline == nil {
		return decode(file, 3)
	}
	r, err := d.opt.Pipeline.canvas(file, !d.whole)
	if err == nil && !d.keep(i, r) {
		d.remember(i, &r)
	}
	return r, err
}

// remember keeps a picture in memory within the budget. One that is kept between runs is not: the system's page cache serves it
// nearly as fast and gives way where memory is short.
func (d *Dataset) remember(i int, r *raster) {
	if d.memory.take(len(r.pix)) && !d.pictures[i].CompareAndSwap(nil, r) {
		d.memory.left.Add(int64(len(r.pix)))
	}
}

// pictureKey names example i's picture among those kept between runs.
func (d *Dataset) pictureKey(i int) (key [sha256.Size]byte, ok bool) {
	sum := d.digests[i].Load()
	switch {
	case d.opt.Pictures == nil || d.opt.Pipeline == nil || sum == nil:
		return key, false
	case d.whole: // as resized, before the crop
		return sha256.Sum256(append([]byte("whole"), sum[:]...)), true
	}
	return *sum, true
}

// keep hands a picture to those kept between runs: width and height, then the samples. It reports whether it was taken.
func (d *Dataset) keep(i int, r raster) bool {
	key, ok := d.pictureKey(i)
	if !ok {
		return false
	}
	head := binary.LittleEndian.AppendUint32(nil, uint32(r.w))
	return d.opt.Pictures.Put(key, binary.LittleEndian.AppendUint32(head, uint32(r.h)), r.pix)
}

// kept returns example i's picture from those kept between runs.
func (d *Dataset) kept(i int) (r raster, ok bool) {
	key, ok := d.pictureKey(i)
	if !ok {
		return r, false
	}
	b, ok := d.opt.Pictures.Read(key)
	if !ok || len(b) < 8 {
		return r, false
	}
	pl := d.opt.Pipeline
	r = raster{w: int(binary.LittleEndian.Uint32(b)), h: int(binary.LittleEndian.Uint32(b[4:])), c: pl.Channels, pix: b[8:]}
	fits := r.w > 0 && r.h > 0 && r.w <= maxCanvas/r.h && len(r.pix) == r.w*r.h*r.c
	return r, fits && (d.whole || r.w == pl.Width && r.h == pl.Height)
}

// check leaves out the damaged examples. More than a tenth of them is an error.
func (d *Dataset) check(ctx context.Context) error {
	good, err := d.findDamaged(ctx)
	if err != nil {
		return err
	}
	if n := len(d.Skipped); n*10 > d.Len() {
		return fmt.Errorf("data: %d of %d %s in %s are damaged, more than a tenth (the first: %s: %w): repair or remove them",
			n, d.Len(), d.opt.media().many, d.Root, d.Skipped[0].Path, d.Skipped[0].Err)
	}
	*d = *d.subset(good)
	return nil
}

// findDamaged decodes the examples in parallel, fills d.Skipped and returns the indices of the others.
func (d *Dataset) findDamaged(ctx context.Context) (good []int, err error) {
	errs := make([]error, d.Len())
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(d.opt.workers(), d.Len()) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < d.Len() && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				errs[i] = d.checkOne(i)
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

func (d *Dataset) checkOne(i int) error {
	if s, ok := d.source.(interface{ check(i int) error }); ok {
		return s.check(d.at[i])
	}
	path := d.Examples[i].Path
	if d.known(i, path) {
		return nil
	}
	file, info, err := readPicture(path)
	if err != nil {
		return err
	}
	sum, err := d.digest(i, file)
	if err != nil {
		return err
	}
	// What is kept may be under another name, or the file was touched.
	if _, ok := d.kept(i); !ok && (d.opt.Trusted == nil || !d.opt.Trusted(sum)) {
		if _, err := d.decode(i, file); err != nil {
			return err
		}
	}
	if d.opt.Files != nil && d.opt.Pipeline != nil {
		d.opt.Files.Learn(path, info, sum)
	}
	return nil
}

// known reports whether example i's file passed the check in an earlier run and is unchanged, and then takes its digest from there.
func (d *Dataset) known(i int, path string) bool {
	if d.opt.Files == nil || d.opt.Pipeline == nil {
		return false
	}
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	sum, ok := d.opt.Files.Digest(path, info)
	return ok && d.digests[i].CompareAndSwap(nil, &sum)
}

// subset returns the examples at the given indices with what is known of them.
func (d *Dataset) subset(indices []int) *Dataset {
	examples := make([]Example, len(indices))
	for k, i := range indices {
		examples[k] = d.Examples[i]
	}
	s := newDataset(d.Root, d.Classes, examples, d.opt)
	s.Skipped, s.Remarks, s.HeldOut, s.Task, s.other = d.Skipped, d.Remarks, d.HeldOut, d.Task, d.other
	s.augment, s.whole, s.plain, s.memory, s.source = d.augment, d.whole, d.plain, d.memory, d.source
	s.at = nil
	for k, i := range indices {
		if d.source != nil {
			s.at = append(s.at, d.at[i])
			continue
		}
		s.pictures[k].Store(d.pictures[i].Load())
		s.digests[k].Store(d.digests[i].Load())
	}
	return s
}
