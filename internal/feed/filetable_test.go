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

// Files that a table names and that are not there are missing, not damaged.
func TestMissingFiles(t *testing.T) {
	root := t.TempDir()
	rows := ""
	for i := range 20 {
		name := string(rune('a'+i)) + ".png"
		write(t, encodedPicture(t, 8, 8, i), root, name)
		rows += name + "," + []string{"x", "y"}[i%2] + "\n"
	}
	write(t, []byte("no picture"), root, "odd.png")
	for more, want := range map[string]string{
		"gone.png,x\n":              "1 missing pictures left out",
		"odd.png,x\n":               "1 damaged pictures left out",
		"odd.png,x\ngone.png,y\n":   "2 damaged or missing pictures left out",
		"1.png,x\n2.png,y\n3.png,x": "3 of 23 pictures that " + filepath.Join(root, "t.csv") + " names are missing, more than a tenth (the first: " + filepath.Join(root, "1.png") + "): mend the paths",
	} {
		path := filepath.Join(root, "t.csv")
		if err := os.WriteFile(path, []byte("file,label\n"+rows+more), 0o644); err != nil {
			t.Fatal(err)
		}
		var got string
		if train, _, err := openPictures(t, path, nil, data.Options{Seed: 1}); err != nil {
			got = err.Error()
		} else {
			got = strings.Join(train.Notes(), "\n")
		}
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %s", want, got)
		}
	}
}
