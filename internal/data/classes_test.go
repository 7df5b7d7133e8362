package data

import (
	"context"
	"slices"
	"strings"
	"testing"
)

// Numbers are sorted as numbers, where all names are numbers.
func TestSortNames(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"10 2 0 1 11 2", "0 1 2 10 11"},
		{"-1 2.5 10 2", "-1 2 2.5 10"},
		{"010 9 1", "1 9 010"},
		{"10 2 x", "10 2 x"},
		{"b a nan", "a b nan"},
		{"class_10 class_2 class_0 class_1 class_11 class_2", "class_0 class_1 class_2 class_10 class_11"},
		{"LABEL_10 LABEL_9 LABEL_100", "LABEL_9 LABEL_10 LABEL_100"},
		{"n10 n2 n1", "n1 n2 n10"},
		{"10px 2px 100px", "2px 10px 100px"},
		{"v2_10_x v2_9_x", "v2_9_x v2_10_x"},
		{"c010 c9 c10", "c9 c010 c10"},
		{"c99999999999999999999 c100000000000000000000", "c99999999999999999999 c100000000000000000000"},
		{"class_10 class_2 other", "class_10 class_2 other"},
		{"a10 b2", "a10 b2"},
		{"v0.5 v0.25", "v0.25 v0.5"},
		{"only1", "only1"},
	} {
		if got := SortNames(strings.Fields(c.in)); !slices.Equal(got, strings.Fields(c.want)) {
			t.Errorf("%s: %v, want %s", c.in, got, c.want)
		}
	}
}

func TestNumberedFolders(t *testing.T) {
	for _, prefix := range []string{"", "class_", "class "} {
		var files, want []string
		for _, n := range []string{"0", "1", "10", "11", "2", "9"} {
			files = append(files, prefix+n+"/1.x", prefix+n+"/2.x")
		}
		for _, n := range []string{"0", "1", "2", "9", "10", "11"} {
			want = append(want, prefix+n)
		}
		train, _, err := Open(context.Background(), tree(t, files...), things, Options{})
		if err != nil || !slices.Equal(train.Classes, want) {
			t.Fatalf("%v (%v)", train, err)
		}
		for _, e := range train.Examples {
			if !strings.Contains(e.Path, "/"+train.Classes[e.Label]+"/") {
				t.Errorf("%s is of class %s", e.Path, train.Classes[e.Label])
			}
		}
	}
}

func TestClassOf(t *testing.T) {
	classes := []string{"tench, Tinca tinca", "Sea_Lion", "crane", "crane, bird", "r\u00f6d", "Red", "red", "1", "2.0"}
	for name, want := range map[string]int{"tench": 0, "TENCH": 0, "sea lion": 1, "crane": 2, "bird": 3, "ro\u0308d": 4, "red": 6, "RED": -1, "ten": -1, "1.0": 7, "2": 8, "1.5": -1} {
		if got := classOf(classes, name); got != want {
			t.Errorf("%q is class %d, want %d", name, got, want)
		}
	}
}

// An accented letter is one character or two: across splits that is one class, within one two that
// cannot be told apart.
func TestAccentedClassNames(t *testing.T) {
	one, two := "r\u00f6d", "ro\u0308d"
	train, val, err := Open(context.Background(), tree(t, "train/"+one+"/1.x", "train/b/1.x", "val/"+two+"/1.x", "val/b/1.x"), things, Options{})
	if err != nil || !slices.Equal(train.Classes, []string{"b", one}) || !slices.Equal(val.Counts(), []int{1, 1}) {
		t.Errorf("%v, %v (%v)", train, val, err)
	}
	_, _, err = Open(context.Background(), tree(t, one+"/1.x", two+"/1.x"), things, Options{})
	if err == nil || !strings.Contains(err.Error(), `look the same, "ro\u0308d" and "r\u00f6d"`) {
		t.Errorf("error %v", err)
	}
}

// The scores of a model that is kept belong to classes by name.
func TestOwnClasses(t *testing.T) {
	dir := tree(t, "ant/1.x", "ant/2.x", "bee/1.x", "bee/2.x")
	for name, c := range map[string]struct {
		own             []string
		want, note, err string
	}{
		"by name":      {[]string{"bee, a flyer", "cat", "Ant"}, "bee, a flyer|cat|Ant", "by name", ""},
		"not said":     {nil, "ant|bee", "taken for ant, bee, in this order", ""},
		"others":       {[]string{"good", "bad"}, "ant|bee", "ant, bee are taken for good, bad", ""},
		"others, more": {[]string{"a", "b", "c"}, "", "", "the model has 3 classes"},
		"some":         {[]string{"bee", "wasp"}, "", "", "the model knows no class ant: config.json names bee, wasp"},
	} {
		t.Run(name, func(t *testing.T) {
			train, _, err := Open(context.Background(), dir, things, Options{Own: &Own{Names: c.own, From: "config.json"}})
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("error %v, want %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(train.Classes, "|"); got != c.want {
				t.Errorf("classes %s, want %s", got, c.want)
			}
			if notes := strings.Join(train.Notes(), "\n"); !strings.Contains(notes, c.note) {
				t.Errorf("notes %s, want %q", notes, c.note)
			}
			if c.want[:3] == "bee" && train.Examples[0].Label != 2 {
				t.Errorf("ants have the score %d", train.Examples[0].Label)
			}
		})
	}
}

// A class folder whose files are all of another kind is no class less.
func TestClassOfAnotherKind(t *testing.T) {
	_, _, err := Open(context.Background(), tree(t, "a/1.x", "b/1.x", "yellow/1.tif", "yellow/2.tif"), things, Options{})
	if err == nil || !strings.Contains(err.Error(), "yellow holds no things, only 2 .tif: turn them into x") {
		t.Errorf("error %v", err)
	}
	_, _, err = Open(context.Background(), tree(t, "a/1.x", "b/1.x", "yellow/1", "yellow/2", "yellow/notes.txt"), things, Options{})
	if err == nil || !strings.Contains(err.Error(), "yellow holds no things, only 1 .txt, 2 without extension: give the files the extension of what they are, as .x, or remove") {
		t.Errorf("error %v", err)
	}
	train, _, err := Open(context.Background(), tree(t, "a/1.x", "a/2.x", "b/1.x", "b/2.x", "notes/1.txt", "__MACOSX/a/1.x", ".git/1.x", "@eaDir/1.x"), things, Options{})
	if err == nil && len(train.Classes) != 2 {
		t.Errorf("classes %v", train.Classes)
	}
	if err != nil || !strings.Contains(strings.Join(train.Notes(), "\n"), "no classes: notes") {
		t.Errorf("%v (%v)", train, err)
	}
}
