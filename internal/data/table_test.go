package data

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// tableFile writes a file into a new folder.
func tableFile(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadTable(t *testing.T) {
	want := &Table{Columns: []string{"label", "text"}, Rows: [][]string{{"a", "one, two"}, {"b|c", "3\n\"four\""}, {"", "tab\tbed"}}}
	for name, c := range map[string]struct {
		text  string
		lines []int
	}{
		"t.csv":   {"\xef\xbb\xbflabel, text\na,\"one, two\"\nb|c,\"3\n\"\"four\"\"\"\r\n,tab\tbed\n", []int{2, 3, 5}},
		"t.JSONL": {`{"label":"a","text":"one, two"}` + "\n\n" + `{"label":["b","c"],"text":"3\n\"four\""}` + "\n" + `{"text":"tab\tbed","label":null}`, []int{1, 3, 4}},
	} {
		got, err := ReadTable(at(tableFile(t, name, c.text)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !reflect.DeepEqual(got.Rows, want.Rows) || !slices.Equal(got.Columns, want.Columns) || !slices.Equal(got.Lines, c.lines) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	got, err := ReadTable(at(tableFile(t, "t.tsv", "text\tlabel\nsay \"so\"\t1.50\n")))
	if err != nil || !reflect.DeepEqual(got.Rows, [][]string{{`say "so"`, "1.50"}}) {
		t.Errorf("tsv: %+v (%v)", got, err)
	}
	got, err = ReadTable(at(tableFile(t, "n.jsonl", `{"label":1.50,"on":true}`)))
	if err != nil || !reflect.DeepEqual(got.Rows, [][]string{{"1.50", "true"}}) {
		t.Errorf("numbers: %+v (%v)", got, err)
	}
}

func TestReadTableErrors(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"t.csv", "a,b\n1,2\n3\n", "line 3 has 1 cells"},
		{"t.csv", "sep=,\na,b\n1,2\n3\n", "line 4 has 1 cells"},
		{"t.csv", "a,b\r1,2\r3\r", "line 3 has 1 cells"},
		{"t.csv", "a,b\n\"1,2\n", "line 2"},
		{"t.csv", "a,b\n", "no rows below the names of its columns, a, b"},
		{"t.csv", "text,label, text\n1,2,3\n", "two columns have the name text"},
		{"t.csv", "", "no rows"},
		{"t.jsonl", "{\"a\":1}\n[2]\n", "line 2 is no JSON object"},
		{"t.jsonl", `{"a":{"b":1}}`, "line 1: a: an object"},
		{"t.jsonl", `{"a":[["x"]]}`, "line 1: a: an array in an array is no cell"},
	} {
		if _, err := ReadTable(at(tableFile(t, c.name, c.text))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %q", c.text, err, c.want)
		}
	}
	nested, err := ReadTable(at(tableFile(t, "t.jsonl", `{"label":[[1,2]]}`)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nested.Need("", "label"); err == nil || !strings.Contains(err.Error(), "label holds arrays in arrays") {
		t.Error(err)
	}
	tab := &Table{Path: "t.csv", Columns: []string{"a", "b"}}
	if _, err := tab.Need("option text_column", "text"); err == nil || !strings.Contains(err.Error(), "no column text: it has a, b; name one with option text_column") {
		t.Error(err)
	}
}

// A table in another encoding is named, with its line.
func TestTableEncoding(t *testing.T) {
	for text, want := range map[string]string{
		"text,label\na,x\ncaf\xe9,y\n":                "line 3 is not UTF-8: save the table as UTF-8",
		"\xff\xfet\x00e\x00x\x00t\x00\n\x00":          "UTF-16",
		"\xef\xbb\xbftext,label\ncaf\u00e9,y\ufffd\n": "",
	} {
		_, err := ReadTable(at(tableFile(t, "t.csv", text)))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

func FuzzReadTable(f *testing.F) {
	f.Add("a,b\n1,\"2\"\n", 0)
	f.Add("a\tb\n1\t\"2\n", 1)
	f.Add(`{"a":[1,"x"],"b":null}`, 2)
	f.Fuzz(func(t *testing.T, text string, kind int) {
		table, err := ReadTable(at(tableFile(t, "t"+TableFormats[uint(kind)%3], text)))
		if err != nil {
			return
		}
		if len(table.Rows) != len(table.Lines) {
			t.Fatalf("%d rows, %d lines", len(table.Rows), len(table.Lines))
		}
		for _, r := range table.Rows {
			if len(r) != len(table.Columns) {
				t.Fatalf("%d cells for %d columns", len(r), len(table.Columns))
			}
		}
	})
}

// at is a place on the disk.
func at(path string) Place { return Place{Path: path} }
