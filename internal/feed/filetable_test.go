package feed

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/data"
)

// TestFileTable reads pictures with answers of every kind.
func TestFileTable(t *testing.T) {
	root := t.TempDir()
	for i, name := range strings.Split("abcdefghijkl", "") {
		write(t, encodedPicture(t, 8, 8, i), root, name+".png")
	}
	table := func(header string, answers ...string) string {
		var b strings.Builder
		b.WriteString(header + "\n")
		for i, a := range answers {
			b.WriteString(string(rune('a'+i)) + ".png," + a + "\n")
		}
		path := filepath.Join(root, "t.csv")
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	open := func(path, task string) (*data.Dataset, error) {
		train, val, err := openPictures(t, path, nil, data.Options{Seed: 1, Task: task})
		if err == nil && train.Len()+val.Len() != 12 {
			t.Errorf("%d and %d examples", train.Len(), val.Len())
		}
		return train, err
	}
	for _, c := range []struct {
		header, answers, task, want string
		classes                     int
	}{
		{"file,label", "x y x y x y x y x y x y", "", "classify", 2},
		{"file,label", "1 2 3 1 2 3 1 2 3 1 2 3", "", "classify", 3},
		{"file,label", "1 2 3 1 2 3 1 2 3 1 2 3", "regress", "regress", 0},
		{"file,label", "1 2.5 3 1 2 3 1 2 3 1 2 3", "", "regress", 0},
		{"file,label", "x y x|y y x y x y x y x y", "", "multilabel", 0},
		{"file,text", "x y x y x y x y x y x y", "", "ctc", 0},
	} {
		d, err := open(table(c.header, strings.Fields(c.answers)...), c.task)
		if err != nil || d.Task != c.want || len(d.Classes) != c.classes {
			t.Errorf("%s %s: %+v (%v), want %s", c.header, c.answers, d, err, c.want)
			continue
		}
		for _, e := range d.Examples {
			if i := int(filepath.Base(e.Path)[0] - 'a'); e.Answer != strings.Fields(c.answers)[i] {
				t.Errorf("%s is %q", e.Path, e.Answer)
			}
			if e.Label >= 0 && d.Classes[e.Label] != e.Answer {
				t.Errorf("%s has label %d", e.Path, e.Label)
			}
		}
	}
	for _, c := range []struct{ header, answers, want string }{
		{"file,label", "x x x", "one label only (x)"},
		{"file,name", "x y", "no column label: it has file, name; name one with option label_column"},
		{"path,label", "x y", "no column file"},
	} {
		if _, err := open(table(c.header, strings.Fields(c.answers)...), ""); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.header, err, c.want)
		}
	}
}
