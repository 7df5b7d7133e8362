package feed

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/data/picture"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// notes is an Index and Blocks in memory, and counts.
type notes struct {
	mu       sync.Mutex
	files    map[string][sha256.Size]byte
	pictures map[[sha256.Size]byte][]byte
	read     int // pictures that were found
}

func newNotes() *notes {
	return &notes{files: map[string][sha256.Size]byte{}, pictures: map[[sha256.Size]byte][]byte{}}
}

func (n *notes) Digest(path string, _ fs.FileInfo) (sum [sha256.Size]byte, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	sum, ok = n.files[path]
	return sum, ok
}

func (n *notes) Learn(path string, _ fs.FileInfo, sum [sha256.Size]byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.files[path] = sum
}

func (n *notes) Read(key [sha256.Size]byte) ([]byte, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	b, ok := n.pictures[key]
	if ok {
		n.read++
	}
	return b, ok
}

func (n *notes) Put(key [sha256.Size]byte, parts ...[]byte) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pictures[key] = slices.Concat(parts...)
	return true
}

// readAll returns every example's values.
func readAll(t *testing.T, d *data.Dataset, epoch int) []byte {
	t.Helper()
	var out []byte
	for b, err := range d.Loader(4).Batches(context.Background(), data.FileOrder(d.Len()), epoch) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b.Inputs[0].Bytes...)
	}
	return out
}

// What an earlier run learnt of files and pictures spares reading the files, and changes nothing.
func TestKnownFilesAreNotRead(t *testing.T) {
	for _, spec := range []string{"none", "flip"} {
		root := folders(t, map[string]int{"a": 4, "bb": 4})
		p, _ := picture.Preset("unit")
		pl, err := p.For(3, 8, 8)
		if err != nil {
			t.Fatal(err)
		}
		open := func(n *notes) *data.Dataset {
			t.Helper()
			o := data.Options{Augment: spec, Seed: 3}
			if n != nil {
				o.Index, o.Kept = n, n
			}
			train, _, err := openPictures(t, root, pl, o)
			if err != nil {
				t.Fatal(err)
			}
			return train
		}
		n := newNotes()
		first := open(n)
		want := readAll(t, open(nil), 0)
		if got := readAll(t, first, 0); !bytes.Equal(got, want) {
			t.Errorf("%s: what is put away changes values", spec)
		}
		if len(n.files) != 8 || len(n.pictures) != 8 {
			t.Errorf("%s: %d files and %d pictures of 8 are known", spec, len(n.files), len(n.pictures))
		}
		n.read = 0
		for path := range n.files { // now the files cannot be read
			if err := os.Truncate(path, 1); err != nil {
				t.Fatal(err)
			}
		}
		second := open(n)
		if got := readAll(t, second, 0); !bytes.Equal(got, want) || n.read != second.Len() {
			t.Errorf("%s: %d pictures found of %d, same values %v", spec, n.read, second.Len(), bytes.Equal(got, want))
		}
		a, err := second.Digest(0)
		if b, _ := first.Digest(0); err != nil || a != b {
			t.Errorf("%s: another digest, %v", spec, err)
		}
	}
}

// A kept picture of another size than its pipeline makes is decoded again; a file that is not what
// was known of it ends the run, and is known better in the next.
func TestWhatIsKnownIsCompared(t *testing.T) {
	root := folders(t, map[string]int{"a": 2, "bb": 2})
	p, _ := picture.Preset("unit")
	pl, err := p.For(3, 8, 8)
	if err != nil {
		t.Fatal(err)
	}
	n := newNotes()
	open := func() *data.Dataset {
		t.Helper()
		train, _, err := openPictures(t, root, pl, data.Options{Index: n, Kept: n})
		if err != nil {
			t.Fatal(err)
		}
		return train
	}
	d := open()
	want := readAll(t, d, data.Plain)
	for k, b := range n.pictures {
		n.pictures[k] = b[:len(b)-1]
	}
	if got := readAll(t, open(), data.Plain); !bytes.Equal(got, want) {
		t.Error("a damaged picture was used")
	}

	d = open()
	clear(n.pictures)
	path := d.Examples[0].Path
	if err := os.WriteFile(path, encodedPicture(t, 9, 9, 77), 0o666); err != nil {
		t.Fatal(err)
	}
	dst := []*tensor.Tensor{tensor.New(tensor.Float32, 1, 3, 8, 8)}
	if err := d.Read(0, data.Plain, dst); err == nil || !strings.Contains(err.Error(), "changed") {
		t.Errorf("a changed file: %v", err)
	}
	d = open()
	if err := d.Read(0, data.Plain, dst); err != nil {
		t.Errorf("after the change: %v", err)
	}
}

// A preview that is put away is the one that is made, and a changed file never has that of the old one.
func TestKeptPreview(t *testing.T) {
	root := folders(t, map[string]int{"a": 2, "bb": 2})
	p, _ := picture.Preset("unit")
	pl, err := p.For(3, 100, 100)
	if err != nil {
		t.Fatal(err)
	}
	preview := func(n *notes) (*data.Preview, string) {
		t.Helper()
		opt := data.Options{}
		if n != nil {
			opt.Index, opt.Kept = n, n
		}
		train, _, err := openPictures(t, root, pl, opt)
		if err != nil {
			t.Fatal(err)
		}
		v, err := train.Preview(0)
		if err != nil {
			t.Fatal(err)
		}
		return v, train.Examples[0].Path
	}
	n := newNotes()
	want, path := preview(nil)
	made, _ := preview(n)
	n.read = 0
	kept, _ := preview(n)
	if !reflect.DeepEqual(made, want) || !reflect.DeepEqual(kept, want) || n.read != 1 {
		t.Errorf("%d bytes made, %d kept, %d without a cache; %d blocks read", len(made.Bytes), len(kept.Bytes), len(want.Bytes), n.read)
	}
	if err := os.WriteFile(path, encodedPicture(t, 120, 120, 77), 0o666); err != nil {
		t.Fatal(err)
	}
	delete(n.files, path) // an index knows the new file by its times
	want, _ = preview(nil)
	if changed, _ := preview(n); !reflect.DeepEqual(changed, want) || reflect.DeepEqual(changed, kept) {
		t.Errorf("of the changed file: %d bytes, want %d", len(changed.Bytes), len(want.Bytes))
	}
}
