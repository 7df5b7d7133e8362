package data

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// plants are class folders with pictures of plants: CLASS/PLANT_n.x.
func plants(classes, plants, each int) []string {
	var out []string
	for c := range classes {
		for p := range plants {
			for n := range each {
				out = append(out, fmt.Sprintf("c%d/p%d-%d_%d.x", c, c, p, n))
			}
		}
	}
	return out
}

// ofGroups lists the parts in which each group has examples.
func ofGroups(d *Dataset, parts [][]int) map[string][]int {
	in := map[string][]int{}
	for p, part := range parts {
		for _, i := range part {
			if g := d.Examples[i].Group; g != "" && !slices.Contains(in[g], p) {
				in[g] = append(in[g], p)
			}
		}
	}
	return in
}

func TestFoldsOfGroups(t *testing.T) {
	for name, c := range map[string]struct {
		files     []string
		group     string
		most      int // examples of a part
		least     int
		perClass  int // the most examples of one class in a part
		remark    string
		leastHeld int
		mostHeld  int
	}{
		"plants":       {plants(3, 10, 4), `(p\d+-\d+)_`, 24, 24, 8, "30 groups of examples, which no division parts; the largest, p0-0, has 4 of 120", 12, 12},
		"no groups":    {plants(3, 10, 4), "", 24, 24, 8, "", 12, 12},
		"across":       {plants(3, 10, 4), `_(\d)`, 30, 0, 10, "4 groups of examples, which no division parts; the largest, 0, has 30 of 120, so that the parts are unequal", 30, 30},
		"some of none": {append(plants(2, 5, 4), "c0/x.x", "c1/y.x"), `(p\d+-\d+)_`, 9, 8, 5, "2 are of no group", 4, 8},
	} {
		t.Run(name, func(t *testing.T) {
			place := tree(t, c.files...)
			train, val, err := Open(context.Background(), place, things, Options{Val: tree(t, plants(2, 1, 1)...), Table: Columns{Group: c.group}})
			if err != nil {
				t.Fatal(err)
			}
			if text := strings.Join(train.Notes(), "\n"); !strings.Contains(text, c.remark) || c.remark == "" && strings.Contains(text, "group") {
				t.Errorf("no remark %q in %q", c.remark, text)
			}
			if val.Examples[0].Group == "" && c.group == `(p\d+-\d+)_` {
				t.Error("validation examples have no groups")
			}
			for seed := range uint64(5) {
				parts, err := train.Folds(5, seed, nil)
				if err != nil {
					t.Fatal(err)
				}
				all := slices.Concat(parts...)
				if slices.Sort(all); !slices.Equal(all, FileOrder(train.Len())) {
					t.Errorf("the parts hold %v", all)
				}
				for g, in := range ofGroups(train, parts) {
					if len(in) != 1 {
						t.Errorf("group %s is in the parts %v", g, in)
					}
				}
				for _, p := range parts {
					counts := make([]int, len(train.Classes))
					for _, i := range p {
						counts[train.Examples[i].Label]++
					}
					if len(p) > c.most || len(p) < c.least || slices.Max(counts) > c.perClass {
						t.Errorf("seed %d: a part has %d examples, by class %v", seed, len(p), counts)
					}
				}
				again, _ := train.Folds(5, seed, nil)
				if !slices.EqualFunc(parts, again, slices.Equal) {
					t.Error("the same seed gives other parts")
				}
				rest, held := train.Split(seed)
				if n := held.Len(); n < c.leastHeld || n > c.mostHeld || rest.Len()+n != train.Len() {
					t.Errorf("%d of %d are held out", n, train.Len())
				}
				for _, e := range held.Examples {
					if e.Group != "" && slices.ContainsFunc(rest.Examples, func(r Example) bool { return r.Group == e.Group }) {
						t.Errorf("group %s is on both sides", e.Group)
					}
				}
			}
		})
	}
}

// TestFoldsInTurn: without groups the examples of each class go to the parts in turn, in random
// order, and a class begins where the one before ended.
func TestFoldsInTurn(t *testing.T) {
	d, _, err := Open(context.Background(), tree(t, append(plants(3, 7, 1), plants(1, 9, 1)...)...), things, Options{Val: tree(t, plants(2, 1, 1)...)})
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(4) {
		want := make([][]int, 5)
		at := 0
		for c, of := range d.byClass() {
			for _, p := range random(seed, Plain, c).Perm(len(of)) {
				want[at%5] = append(want[at%5], of[p])
				at++
			}
		}
		for _, p := range want {
			slices.Sort(p)
		}
		if got, err := d.Folds(5, seed, nil); err != nil || !slices.EqualFunc(got, want, slices.Equal) {
			t.Errorf("got %v, want %v: %v", got, want, err)
		}
	}
}

// TestFoldsOfNear: examples with the same number stay together, with those of their groups.
func TestFoldsOfNear(t *testing.T) {
	d, _, err := Open(context.Background(), tree(t, plants(2, 10, 2)...), things, Options{Val: tree(t, plants(2, 1, 1)...), Table: Columns{Group: `(p\d+-\d+)_`}})
	if err != nil {
		t.Fatal(err)
	}
	near := FileOrder(d.Len())
	near[3], near[11] = near[1], near[1] // with their groups: six examples
	parts, err := d.Folds(5, 1, near)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		n := 0
		for _, i := range []int{0, 1, 2, 3, 10, 11} {
			if slices.Contains(p, i) {
				n++
			}
		}
		if n != 0 && n != 6 {
			t.Errorf("%d of 6 examples that belong together are in the part %v", n, p)
		}
	}
}

func TestBadGroups(t *testing.T) {
	rows := func(columns string, cells ...string) Place {
		table := &Table{Path: "t", Columns: strings.Split(columns, ",")}
		for i, c := range cells {
			table.Rows, table.Lines = append(table.Rows, strings.Split(c, ",")), append(table.Lines, i+2)
		}
		return Place{Path: "t", Rows: table}
	}
	for group, c := range map[string]struct {
		place Place
		want  string
	}{
		`plant\d`:  {tree(t, plants(2, 2, 2)...), `plant\d: the regular expression needs one pair of parentheses, around what names the group, and has 0`},
		`(p)(\d)`:  {tree(t, plants(2, 2, 2)...), `has 2`},
		`(p`:       {tree(t, plants(2, 2, 2)...), "missing closing )"},
		`(plant)`:  {tree(t, plants(2, 2, 2)...), "it matches none of the paths in "},
		`(_)`:      {tree(t, plants(2, 2, 2)...), "all 8 examples are of one group, _, so that none can be held out"},
		"who":      {rows("file,label,speaker", "a.x,a,1", "b.x,b,2"), "who: t has no such column: it has file, label, speaker"},
		"speaker":  {rows("file,label,speaker", "a.x,a,", "b.x,b,"), "speaker: the column is empty in all rows of t"},
		`^(\d)`:    {rows("file,label,speaker", "a.x,a,1", "b.x,b,2"), "it matches none of the files that t names, such as a.x"},
		"(broken[": {rows("file,label,speaker", "a.x,a,1", "b.x,b,2"), "(broken["},
	} {
		_, _, err := Open(context.Background(), c.place, things, Options{Table: Columns{Group: group}})
		if err == nil || !strings.HasPrefix(err.Error(), "group: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", group, err, c.want)
		}
	}
}

func TestGroupColumn(t *testing.T) {
	table := &Table{Path: "t", Columns: []string{"file", "label", "speaker"}}
	for i := range 40 {
		table.Rows = append(table.Rows, []string{fmt.Sprintf("%d.x", i), fmt.Sprint(i % 2), fmt.Sprint("s", i/4)})
		table.Lines = append(table.Lines, i+2)
	}
	dir := tree(t)
	for i := range 40 {
		if err := os.WriteFile(dir.Join(fmt.Sprintf("%d.x", i)).Path, []byte(fmt.Sprint(i)), 0o644); err != nil {
			t.Fatal(err)
		}
		table.Rows[i][0] = dir.Join(table.Rows[i][0]).Path
	}
	train, val, err := Open(context.Background(), Place{Path: "t", Rows: table}, things, Options{Table: Columns{Group: "speaker"}})
	if err != nil {
		t.Fatal(err)
	}
	if val.Len() != 4 || train.Len() != 36 || val.Examples[0].Group != val.Examples[3].Group {
		t.Errorf("held out: %v", val.Examples)
	}
	if text := strings.Join(train.Notes(), "\n"); !strings.Contains(text, "4 of 40 examples are held out for validation, in whole groups") {
		t.Error(text)
	}
}

func TestLeaks(t *testing.T) {
	train, val, err := Open(context.Background(), tree(t, plants(2, 4, 2)...), things,
		Options{Val: tree(t, "c0/p0-3_9.x", "c0/q.x", "c1/p1-3_8.x", "c1/r.x"), Table: Columns{Group: `(p\d+-\d+)_`}})
	if err != nil {
		t.Fatal(err)
	}
	notes, err := Leaks(train, val, nil)
	if err != nil || len(notes) != 1 || !strings.HasPrefix(notes[0], "2 of 4 validation examples are of groups that training examples are of too, such as "+val.Examples[0].Path) {
		t.Errorf("groups: %q %v", notes, err)
	}
	near := append(FileOrder(train.Len()), 99, 3, 98, 97)
	if notes, err = Leaks(train, val, near); err != nil || len(notes) != 1 || !strings.Contains(notes[0], "1 of 4 validation examples are nearly equal to training examples, such as "+val.Examples[1].Path+" and "+train.Examples[3].Path) {
		t.Errorf("nearly equal: %q %v", notes, err)
	}
	if notes, err = Leaks(train, train, nil); err != nil || len(notes) != 2 || !strings.HasPrefix(notes[0], "16 of 16 validation examples are equal to training examples, such as ") {
		t.Errorf("equal: %q %v", notes, err)
	}
}
