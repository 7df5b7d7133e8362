package feed

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// encodedPicture is an encoded PNG of w by h pixels that differs for every seed.
func encodedPicture(t testing.TB, w, h, seed int) []byte {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range m.Pix {
		if m.Pix[i] = uint8(i*7 + seed*31 + i*i/5); i%4 == 3 {
			m.Pix[i] = 255
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func write(t testing.TB, file []byte, path ...string) string {
	t.Helper()
	p := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, file, 0o644); err != nil {
		t.Fatal(err)
	}
	return p
}

// folders makes class folders with so many pictures each and returns their parent.
func folders(t testing.TB, counts map[string]int) string {
	t.Helper()
	root := t.TempDir()
	fill(t, root, counts)
	return root
}

func fill(t testing.TB, root string, counts map[string]int) {
	t.Helper()
	for class, n := range counts {
		for i := range n {
			write(t, encodedPicture(t, 12+i%3, 10+i%5, len(class)*100+i), root, class, fmt.Sprintf("%02d.png", i))
		}
	}
}

func TestOpenSplit(t *testing.T) {
	root := folders(t, map[string]int{"train/b": 3, "train/a": 2, "val/a": 1, "val/b": 2})
	write(t, encodedPicture(t, 9, 9, 1), root, "train", "a", "deeper", "x.PNG")
	write(t, nil, root, "train", ".hidden", "x.png")
	write(t, nil, root, "train", "a", "._x.png")
	write(t, nil, root, "train", "empty", "notes.txt")
	train, val, err := openPictures(t, root, nil, data.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"a", "b"}; !slices.Equal(train.Classes, want) || !slices.Equal(val.Classes, want) {
		t.Errorf("classes %v and %v, want %v", train.Classes, val.Classes, want)
	}
	if got := train.Counts(); !slices.Equal(got, []int{3, 3}) || train.Examples[2].Path != filepath.Join(root, "train", "a", "deeper", "x.PNG") {
		t.Errorf("training counts %v, examples %v", got, train.Examples)
	}
	if got := val.Counts(); !slices.Equal(got, []int{1, 2}) || val.HeldOut {
		t.Errorf("validation counts %v, held out %v", got, val.HeldOut)
	}
	if notes := strings.Join(train.Notes(), "\n"); !strings.Contains(notes, "1 .txt") {
		t.Errorf("notes do not name the file that is no picture: %q", notes)
	}
	// A validation folder of another place goes before.
	other := folders(t, map[string]int{"b": 4})
	if _, val, err = openPictures(t, root, nil, data.Options{Val: at(other)}); err != nil || !slices.Equal(val.Counts(), []int{0, 4}) {
		t.Errorf("other folder: %v, %v", val, err)
	}
	if notes := strings.Join(val.Notes(), "\n"); !strings.Contains(notes, "no example of a") {
		t.Errorf("notes do not name the absent class: %q", notes)
	}
}

func TestHoldOut(t *testing.T) {
	root := folders(t, map[string]int{"a": 26, "b": 9, "c": 1, "d": 2})
	open := func(seed uint64) (train, val *data.Dataset) {
		t.Helper()
		train, val, err := openPictures(t, root, nil, data.Options{Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		return train, val
	}
	train, val := open(1)
	if !val.HeldOut || !slices.Equal(val.Counts(), []int{3, 1, 0, 1}) || !slices.Equal(train.Counts(), []int{23, 8, 1, 1}) {
		t.Errorf("held out %v of %v", val.Counts(), train.Counts())
	}
	all := append(slices.Clone(train.Examples), val.Examples...)
	slices.SortFunc(all, func(a, b data.Example) int { return strings.Compare(a.Path, b.Path) })
	if len(slices.Compact(all)) != 38 {
		t.Errorf("%d different examples, want 38", len(all))
	}
	if _, again := open(1); !reflect.DeepEqual(again.Examples, val.Examples) {
		t.Error("the same seed holds out others")
	}
	if _, other := open(2); reflect.DeepEqual(other.Examples, val.Examples) {
		t.Error("another seed holds out the same")
	}
}

func TestOpenErrors(t *testing.T) {
	broken := func(good, bad int) string {
		root := folders(t, map[string]int{"a": good, "b": good})
		for i := range bad {
			write(t, []byte("\x89PNG\r\n\x1a\nno"), root, "a", fmt.Sprintf("bad%d.png", i))
		}
		return root
	}
	onlyTrain := folders(t, map[string]int{"train/a": 1, "train/b": 1})
	loose := t.TempDir()
	write(t, encodedPicture(t, 3, 3, 0), loose, "x.png")
	heic := t.TempDir()
	write(t, nil, heic, "a", "x.heic")
	dead := folders(t, map[string]int{"a": 20})
	write(t, nil, dead, "b", "x.jpg")
	loop := folders(t, map[string]int{"a": 1, "b": 1})
	if err := os.Symlink(loop, filepath.Join(loop, "a", "back")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, path, val, want string }{
		{"missing", filepath.Join(loose, "none"), "", "no such file or folder"},
		{"a file", filepath.Join(loose, "x.png"), "", "is a file"},
		{"empty", t.TempDir(), "", "holds no pictures"},
		{"loose pictures", loose, "", "1 pictures but no class folder"},
		{"other files", heic, "", "1 .heic"},
		{"one class", folders(t, map[string]int{"cats": 3}), "", "one class only (cats)"},
		{"train without val", onlyTrain, "", "none can be held out"},
		{"unseen class", folders(t, map[string]int{"train/a": 1, "train/b": 1, "val/c": 1}), "", "class c of"},
		{"missing val", broken(2, 0), filepath.Join(loose, "none"), "no such file or folder"},
		{"nothing to hold out", broken(1, 0), "", "none can be held out"},
		{"damaged", broken(2, 1), "", "1 of 5 pictures"},
		{"a class all damaged", dead, "", "class b of"},
		{"a cycle of links", loop, "", "deeper than"},
	} {
		_, _, err := openPictures(t, c.path, nil, data.Options{Val: at(c.val)})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one line with %q", c.name, err, c.want)
		}
	}
}

func TestDamagedSkipped(t *testing.T) {
	root := folders(t, map[string]int{"a": 10, "b": 10})
	bad := write(t, encodedPicture(t, 20, 20, 1)[:60], root, "a", "05x.png")
	empty := write(t, nil, root, "b", "zz.jpg")
	train, val, err := openPictures(t, root, nil, data.Options{Workers: 3})
	if err != nil {
		t.Fatal(err)
	}
	if train.Len()+val.Len() != 20 || len(train.Skipped) != 2 || train.Skipped[0].Path != bad || train.Skipped[1].Path != empty || len(val.Skipped) != 0 {
		t.Errorf("%d and %d examples, skipped %v and %v", train.Len(), val.Len(), train.Skipped, val.Skipped)
	}
	notes := strings.Join(train.Notes(), "\n")
	if !strings.Contains(notes, "2 damaged pictures left out of 20") || !strings.Contains(notes, bad) {
		t.Errorf("notes %q", notes)
	}
}

func TestOpenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := feedPictures(t, nil).Open(ctx, at(folders(t, map[string]int{"a": 2, "b": 2})), data.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestOpenEvalAndFiles(t *testing.T) {
	root := folders(t, map[string]int{"b": 2})
	d, err := feedPictures(t, nil).OpenEval(t.Context(), at(root), []string{"c", "b", "a"}, data.Options{})
	if err != nil || d.Len() != 2 || d.Examples[0].Label != 1 {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := feedPictures(t, nil).OpenEval(t.Context(), at(root), []string{"a"}, data.Options{}); err == nil || !strings.Contains(err.Error(), "class b of") {
		t.Errorf("unknown class: %v", err)
	}
	good, bad := filepath.Join(root, "b", "00.png"), write(t, []byte("no"), root, "bad.png")
	d, err = feedPictures(t, nil).OpenInputs(t.Context(), Inputs(KindPicture, []string{bad, good}), data.Options{})
	if err != nil || d.Len() != 1 || d.Examples[0] != (data.Example{Path: good, Label: -1}) || len(d.Skipped) != 1 {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := feedPictures(t, nil).OpenInputs(t.Context(), Inputs(KindPicture, []string{bad}), data.Options{}); err == nil || !strings.Contains(err.Error(), bad) {
		t.Errorf("only a damaged file: %v", err)
	}
}

func TestDigestAndTrust(t *testing.T) {
	root := folders(t, map[string]int{"a": 2, "b": 2})
	known := sha256.Sum256([]byte("no picture, but known"))
	write(t, []byte("no picture, but known"), root, "a", "known.png")
	train, val, err := openPictures(t, root, nil, data.Options{Val: at(root), Trusted: func(d [32]byte) bool { return d == known }})
	if err != nil || train.Len() != 5 || val.Len() != 5 {
		t.Fatalf("%v, %v, %v", train, val, err)
	}
	for i, e := range train.Examples {
		got, err := train.Digest(i)
		if want := sha256.Sum256(read(t, e.Path)); err != nil || got != want {
			t.Errorf("%s: digest %x, %v, want %x", e.Path, got, err, want)
		}
	}
}

func TestFingerprint(t *testing.T) {
	print := func(root string) [32]byte {
		t.Helper()
		d, _, err := openPictures(t, root, nil, data.Options{Val: at(root)})
		if err != nil {
			t.Fatal(err)
		}
		sum, err := d.Fingerprint()
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	root := folders(t, map[string]int{"a": 3, "b": 2})
	want := print(root)
	if print(folders(t, map[string]int{"a": 3, "b": 2})) != want {
		t.Error("the same files in another place have another fingerprint")
	}
	write(t, encodedPicture(t, 5, 5, 1), root, "a", "01.png")
	if print(root) == want {
		t.Error("a changed picture does not change the fingerprint")
	}
	if print(folders(t, map[string]int{"a": 3, "c": 2})) == want {
		t.Error("a renamed class does not change the fingerprint")
	}
}

func TestBalance(t *testing.T) {
	train, val, err := openPictures(t, folders(t, map[string]int{"train/a": 6, "train/b": 2, "val/a": 1, "val/b": 1}), nil, data.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := train.Weights(), []float32{8. / 12, 2}; !slices.Equal(got, want) {
		t.Errorf("weights %v, want %v", got, want)
	}
	if text, unequal := train.Balance(); !unequal || !strings.Contains(text, "75.0%") {
		t.Errorf("%q, %v", text, unequal)
	}
	if text, unequal := val.Balance(); unequal || text != "2 examples, 1 in each of 2 classes" {
		t.Errorf("%q, %v", text, unequal)
	}
}

// An epoch's values and labels are the same bits whatever the number of workers and however much is
// kept in memory.
func TestLoaderDeterministic(t *testing.T) {
	root := folders(t, map[string]int{"a": 13, "b": 8})
	pl := pipeline(t, "inception", 3, 7, 8)
	const augment = "flip,crop:0.5,color:0.3,rand:2:9"
	epoch := func(opt data.Options, n int) (values []byte, labels, indices []int) {
		t.Helper()
		opt.Val = at(root)
		d, _, err := openPictures(t, root, pl, opt)
		if err != nil {
			t.Fatal(err)
		}
		for b, err := range d.Loader(4).Batches(t.Context(), data.Shuffle(opt.Seed, n, d.Len()), n) {
			if err != nil {
				t.Fatal(err)
			}
			if in := b.Inputs[0]; !slices.Equal(in.Shape, []int{len(b.Labels), 3, 7, 8}) {
				t.Fatalf("shape %v for %d labels", in.Shape, len(b.Labels))
			}
			values = append(values, b.Inputs[0].Bytes...)
			labels, indices = append(labels, b.Labels...), append(indices, b.Indices...)
		}
		for k, i := range indices {
			if labels[k] != d.Examples[i].Label {
				t.Fatalf("example %d has label %d, want %d", i, labels[k], d.Examples[i].Label)
			}
		}
		return values, labels, indices
	}
	want, labels, _ := epoch(data.Options{Seed: 3, Augment: augment, Workers: 1}, 2)
	if len(labels) != 21 || len(want) != 21*4*pl.Len() {
		t.Fatalf("%d labels, %d bytes", len(labels), len(want))
	}
	for _, opt := range []data.Options{{Workers: 5}, {Workers: 3, Budget: 1 << 20}, {Workers: 2, Budget: 1000}} {
		opt.Seed, opt.Augment = 3, augment
		if got, l, _ := epoch(opt, 2); !bytes.Equal(got, want) || !slices.Equal(l, labels) {
			t.Errorf("%d workers, budget %d: another result", opt.Workers, opt.Budget)
		}
	}
	if got, _, _ := epoch(data.Options{Seed: 4, Augment: augment}, 2); bytes.Equal(got, want) {
		t.Error("another seed gives the same epoch")
	}
	if got, _, _ := epoch(data.Options{Seed: 3, Augment: augment}, 1); bytes.Equal(got, want) {
		t.Error("another epoch is the same")
	}
	// Plain examples do not show that there is augmentation.
	plain, _, _ := epoch(data.Options{Seed: 3}, data.Plain)
	if got, _, _ := epoch(data.Options{Seed: 3, Augment: augment, Budget: 1 << 20}, data.Plain); !bytes.Equal(got, plain) {
		t.Error("plain examples differ with augmentation")
	}
	// Without augmentation the epoch changes the order only, and an example's values are Prepare's.
	got, _, indices := epoch(data.Options{Seed: 3, Budget: 1 << 20}, 5)
	one := make([]float32, pl.Len())
	files, err := filepath.Glob(filepath.Join(root, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	if err := pl.Prepare(read(t, files[indices[0]]), one); err != nil {
		t.Fatal(err)
	}
	if first := got[:4*len(one)]; !bytes.Equal(first, tensor.Of(one).Bytes) {
		t.Error("an example differs from Prepare's values")
	}
}

func TestBudget(t *testing.T) {
	root := folders(t, map[string]int{"a": 5, "b": 5})
	pl := pipeline(t, "unit", 1, 10, 10)
	train, val, err := openPictures(t, root, pl, data.Options{Val: at(root), Budget: 12 * 100})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(root); err != nil {
		t.Fatal(err)
	}
	kept := 0
	dst := []*tensor.Tensor{tensor.New(tensor.Float32, 1, 1, 10, 10)}
	for _, d := range []*data.Dataset{train, val} {
		for i := range d.Len() {
			if d.Read(i, data.Plain, dst) == nil {
				kept++
			}
		}
	}
	if kept != 12 {
		t.Errorf("%d pictures are in memory, want 12", kept)
	}
}

func TestLoaderEnds(t *testing.T) {
	root := folders(t, map[string]int{"a": 20, "b": 20})
	d, _, err := openPictures(t, root, nil, data.Options{Val: at(root), Workers: 4})
	if err != nil {
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	l := d.Loader(3)
	for range l.Batches(t.Context(), data.FileOrder(d.Len()), data.Plain) {
		break
	}
	for range l.Batches(t.Context(), nil, data.Plain) {
		t.Error("a batch of nothing")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	var last error
	for _, err := range l.Batches(ctx, data.FileOrder(d.Len()), data.Plain) {
		n, last = n+1, err
		cancel()
	}
	if !errors.Is(last, context.Canceled) || n > 5 {
		t.Errorf("cancelled after the first batch: %d batches, %v", n, last)
	}
	// The first missing file in the order ends the epoch, after the batches before it.
	if err := os.Remove(d.Examples[7].Path); err != nil {
		t.Fatal(err)
	}
	n = 0
	for _, err := range l.Batches(t.Context(), data.FileOrder(d.Len()), data.Plain) {
		n, last = n+1, err
	}
	if n != 3 || !errors.Is(last, os.ErrNotExist) || !strings.Contains(last.Error(), d.Examples[7].Path) {
		t.Errorf("missing file: batch %d, %v", n, last)
	}
	for deadline := time.Now().Add(time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

func TestShuffle(t *testing.T) {
	a := data.Shuffle(1, 0, 100)
	sorted := slices.Clone(a)
	slices.Sort(sorted)
	if !slices.Equal(sorted, data.FileOrder(100)) {
		t.Error("not a permutation")
	}
	if !slices.Equal(a, data.Shuffle(1, 0, 100)) || slices.Equal(a, data.Shuffle(1, 1, 100)) || slices.Equal(a, data.Shuffle(2, 0, 100)) {
		t.Error("the order does not follow (seed, epoch)")
	}
}
