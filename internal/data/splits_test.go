package data

import (
	"context"
	"crypto/sha256"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/tensor"
)

func init() { RegisterTask(DefaultTask, Answers{Classes: true}) }

// things are files that are never damaged.
var things = &Media{One: "thing", Many: "things", Formats: "x", Extensions: []string{".x"}, Source: func(s Setting) Source { return thing{s.Files} }}

type thing struct{ files *Files }

func (thing) Form() Form     { return Form{Rows: true, Most: 1} }
func (thing) Length(int) int { return 1 }
func (t thing) Digest(i int) ([sha256.Size]byte, error) {
	return sha256.Sum256([]byte(t.files.paths[i])), nil
}
func (thing) Read(int, *Draw, []*tensor.Tensor) error { return nil }

// tree makes files below a folder of the test, each with its path for content unless that is given
// behind an equals sign.
func tree(t *testing.T, files ...string) Place {
	t.Helper()
	dir := t.TempDir()
	for _, f := range files {
		name, text, ok := strings.Cut(f, "=")
		if !ok {
			text = name
		}
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return at(dir)
}

// below names the files of class folders a and b of every part, two of each.
func below(parts ...string) []string {
	var out []string
	for _, p := range parts {
		for _, f := range []string{"a/1.x", "a/2.x", "b/1.x", "b/2.x"} {
			out = append(out, p+"/"+f)
		}
	}
	return out
}

// firsts are the first folders below dir of a data set's examples.
func firsts(d *Dataset, dir Place) []string {
	var out []string
	for _, e := range d.Examples {
		rel, _ := filepath.Rel(dir.Path, e.Path)
		first, _, _ := strings.Cut(filepath.ToSlash(rel), "/")
		out = append(out, first)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Splits are known by their usual names in any case, and no test example is trained on or chosen
// by.
func TestSplitFolders(t *testing.T) {
	for name, c := range map[string]struct {
		files      []string
		train, val string // their folders; val is train where examples are held out
		eval       string
		note       string // of training
		err        string // of training
	}{
		"usual":               {below("train", "val"), "train", "val", "val", "", ""},
		"valid":               {below("train", "valid"), "train", "valid", "valid", "training on train, validating on valid", ""},
		"any case":            {below("Train", "Val"), "Train", "Val", "Val", "training on Train, validating on Val", ""},
		"all three":           {below("TRAIN", "dev", "Test"), "TRAIN", "dev", "Test", "Test is left for permafrost eval", ""},
		"with other words":    {below("training_set", "test_set"), "training_set", "training_set", "test_set", "held out from it; test_set is left", ""},
		"one word, a year":    {below("train2017", "val2017", "testset"), "train2017", "val2017", "testset", "testset is left", ""},
		"train alone":         {below("train"), "train", "train", "", "validating on examples held out", ""},
		"val twice":           {below("train", "val", "dev"), "", "", "", "", "dev and val, of which either could be meant: name one with option val"},
		"train twice":         {below("train", "training", "val"), "", "", "", "", "option data"},
		"no train":            {below("val", "test"), "", "", "test", "", "no split to train with"},
		"beside classes":      {append(below("train", "test"), "c/1.x"), "", "", "", "", "splits or classes"},
		"beside other files":  {append(below("train", "val"), "notes/a.txt"), "train", "val", "val", "", ""},
		"classes of the name": {[]string{"valid/1.x", "valid/2.x", "invalid/1.x", "invalid/2.x"}, "invalid valid", "invalid valid", "invalid valid", "", ""},
		"below the classes":   {[]string{"a/train/1.x", "a/test/2.x", "b/train/1.x", "b/test/2.x"}, "", "", "", "", "put the splits above the classes"},
		"one level too high":  {below("photos/train", "photos/val"), "", "", "", "", "if it is the whole, give it as option data"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := tree(t, c.files...)
			train, val, err := Open(context.Background(), dir, things, Options{Seed: 1})
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("error %v, want %q", err, c.err)
				}
			} else if err != nil {
				t.Fatal(err)
			} else {
				if got := strings.Join(firsts(train, dir), " "); got != c.train {
					t.Errorf("trained on %s, want %s", got, c.train)
				}
				if got := strings.Join(firsts(val, dir), " "); got != c.val {
					t.Errorf("chosen by %s, want %s", got, c.val)
				}
				if notes := strings.Join(train.Notes(), "\n"); !strings.Contains(notes, c.note) || c.note == "" && notes != "" {
					t.Errorf("notes %q, want %q", notes, c.note)
				}
			}
			if c.eval == "" {
				return
			}
			classes := []string{"a", "b"}
			if name == "classes of the name" {
				classes = []string{"invalid", "valid"}
			}
			d, err := OpenEval(context.Background(), dir, classes, things, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(firsts(d, dir), " "); got != c.eval {
				t.Errorf("measured on %s, want %s", got, c.eval)
			}
			part := map[split]string{testSplit: "test", valSplit: "val"}[splitOf(c.eval)]
			if notes := strings.Join(d.Notes(), "\n"); d.Part != part || part != "" && !strings.Contains(notes, "measuring on "+c.eval) {
				t.Errorf("part %q, want %q; notes %q", d.Part, part, notes)
			}
		})
	}
}

// A folder that the option val names may hold splits, and one that is to test with is said.
func TestSplitNamedByOption(t *testing.T) {
	dir := tree(t, below("train", "valid", "dev", "test")...)
	_, val, err := Open(context.Background(), dir.Join("train"), things, Options{Val: tree(t, below("x/train", "x/validation")...).Join("x")})
	if err != nil || filepath.Base(val.Root) != "validation" {
		t.Errorf("validates on %v (%v)", val, err)
	}
	train, val, err := Open(context.Background(), dir.Join("train"), things, Options{Val: dir.Join("test")})
	if err != nil || filepath.Base(val.Root) != "test" || !strings.Contains(strings.Join(train.Notes(), "\n"), "flatters") {
		t.Errorf("%v (%v)", train.Notes(), err)
	}
}

func TestSplitTables(t *testing.T) {
	const rows = "=text,label\na,x\n"
	const column = "all.csv=text,Split,label\na,train,x\nb,Train,y\nc,dev,x\nd,test,y\n"
	name := func(p Place) string { return p.name() }
	for what, c := range map[string]struct {
		files           []string
		at              string
		train, val, err string
		remark          string
	}{
		"usual":          {[]string{"train.csv" + rows, "val.tsv" + rows}, "", "train.csv", "val.tsv", "", ""},
		"validation":     {[]string{"Train.csv" + rows, "validation.csv" + rows, "test.csv" + rows}, "", "Train.csv", "validation.csv", "", "test.csv is left"},
		"test":           {[]string{"train.jsonl={}", "test.jsonl={}"}, "", "train.jsonl", "", "", "held out"},
		"two forms":      {[]string{"train.csv" + rows, "train.tsv" + rows}, "", "", "", "either could be meant", ""},
		"none":           {[]string{"data.csv" + rows}, "", "", "", "", ""},
		"one table":      {[]string{"t.csv" + rows}, "t.csv", "t.csv", "", "", ""},
		"column":         {[]string{column}, "all.csv", "the rows marked train", "the rows marked val", "", "the rows marked test is left"},
		"column, a slip": {[]string{"t.csv=text,split\na,train\nb,tset\n"}, "t.csv", "", "", "line 3: the column split says tset", ""},
		"another column": {[]string{"t.csv=text,set\na,lego\nb,train\n"}, "t.csv", "t.csv", "", "", ""},
	} {
		t.Run(what, func(t *testing.T) {
			s, err := FindTables(tree(t, c.files...).Join(c.at), Place{}, Columns{})
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("error %v, want %q", err, c.err)
				}
				return
			}
			if err != nil || name(s.Train) != c.train || name(s.Val) != c.val {
				t.Errorf("trains on %q, validates on %q (%v), want %q and %q", name(s.Train), name(s.Val), err, c.train, c.val)
			}
			if !s.Train.IsZero() && !strings.Contains(strings.Join(s.Remarks(), "\n"), c.remark) {
				t.Errorf("remarks %q, want %q", s.Remarks(), c.remark)
			}
		})
	}
	dir := tree(t, column)
	s, err := FindTables(dir.Join("all.csv"), Place{}, Columns{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		part Place
		want int
	}{{s.Train, 2}, {s.Val, 1}, {s.Test, 1}} {
		if tab, err := ReadTable(c.part); err != nil || len(tab.Rows) != c.want {
			t.Errorf("%s: %v (%v), want %d rows", c.part.name(), tab, err, c.want)
		}
	}
}

// What a model is measured by is clear, or refused.
func TestMeasuredSplits(t *testing.T) {
	const column = "all.csv=text,Split,label\na,train,x\nb,dev,x\nc,test,y\n"
	for what, c := range map[string]struct {
		files              []string
		at                 string
		place, split, errs string
	}{
		"tables":        {[]string{"train.csv=a", "val.csv=a", "test.csv=a"}, "", "test.csv", "test", ""},
		"no test":       {[]string{"train.csv=a", "val.csv=a"}, "", "val.csv", "val", ""},
		"a column":      {[]string{column}, "all.csv", "the rows marked test", "test", ""},
		"one table":     {[]string{"test.csv=text,label\n"}, "test.csv", "test.csv", "", ""},
		"train alone":   {[]string{"train.csv=a"}, "", "", "", "no validation or test examples"},
		"test twice":    {[]string{"val.csv=a", "test.csv=a", "testing.csv=a"}, "", "", "", "test.csv and testing.csv, of which either could be meant"},
		"test of forms": {[]string{"val.csv=a", "test.csv=a", "test.tsv=a"}, "", "", "", "name the examples to measure by"},
	} {
		m, err := EvalTable(tree(t, c.files...).Join(c.at), Columns{})
		if c.errs != "" {
			if err == nil || !strings.Contains(err.Error(), c.errs) {
				t.Errorf("%s: error %v, want %q", what, err, c.errs)
			}
		} else if err != nil || m.name() != c.place || m.Split != c.split {
			t.Errorf("%s: measured on %q, split %q (%v), want %q and %q", what, m.name(), m.Split, err, c.place, c.split)
		}
	}
	dir := tree(t, append(below("train", "val"), "test/loose.x", "test/sub/deep/1.x")...)
	if _, err := OpenEval(t.Context(), dir, []string{"a", "b"}, things, Options{}); err == nil || !strings.Contains(err.Error(), "to measure on val, give "+filepath.Join(dir.Path, "val")) {
		t.Errorf("error %v", err)
	}
}
