package data

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestNumbers reads cells as tables of several origins write them.
func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       string // of the first row
	}{
		{"t.csv", "a,b\n1, -2.5e3\n", "[1] [-2500]"},
		{"t.csv", "a,b\nTrue,false\n", "[1] [0]"},
		{"t.csv", "a,b\n1 2 3,4|5\n", "[1 2 3] [4 5]"},
		{"t.csv", "a,b\n\"[1, 2]\",3\n", "[1 2] [3]"},
		{"t.csv", "a;b\n1,5;2\n", "[1.5] [2]"},
		{"t.csv", "a,b\n\"1,234\",3\n", `"1,234" is no number [3]`},
		{"t.csv", "a,b\n1.2.3,inf\n", `"1.2.3" is no number inf is no finite number`},
		{"t.csv", "a,b\n0x10,1_000\n", `"0x10" is no number "1_000" is no number`},
		{"t.csv", "a,b\n,NaN\n", `the cell has no number the cell has no number: it says "NaN"`},
		{"t.csv", "a,b\n1e999,1 nan\n", `1e999 is no finite number the cell has no number: it says "nan"`},
		{"t.jsonl", `{"b":[[1,2],[3,4.5]],"a":true}`, "[1 2 3 4.5] [1]"},
		{"t.jsonl", `{"b":null,"a":"7"}`, "the cell has no number [7]"},
	} {
		table, err := ReadTable(at(tableFile(t, c.name, c.text)))
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		var got []string
		for i := range table.Columns {
			if n, err := table.Numbers(0, i); err != nil {
				got = append(got, err.Error())
			} else {
				got = append(got, fmt.Sprint(n))
			}
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%q: %s, want %s", c.text, s, c.want)
		}
	}
	if table, err := ReadTable(at(tableFile(t, "t.csv", "a\n?\n"))); err != nil {
		t.Error(err)
	} else if _, err := table.Numbers(0, 0); !errors.Is(err, ErrMissing) {
		t.Errorf("a question mark: %v", err)
	}
}

// TestKindOf tells columns by what most of their cells hold.
func TestKindOf(t *testing.T) {
	table, err := ReadTable(at(tableFile(t, "t.csv", "n,gap,typo,list,word,name,empty,id,count\n"+
		"1,,1,1 2,a,7,,9,4\n2,2,x,3 4,b,b,,2,5\n3,3,3,5 6,c,c,,4,6\n4,4,4,nan,d,d,,1,7\n")))
	if err != nil {
		t.Fatal(err)
	}
	var kinds []ColumnKind
	var counts []bool
	for i := range table.Columns {
		kinds, counts = append(kinds, table.KindOf(i)), append(counts, table.CountsRows(i))
	}
	want := []ColumnKind{NumberColumn, NumberColumn, NumberColumn, ListColumn, TextColumn, TextColumn, EmptyColumn, NumberColumn, NumberColumn}
	if !slices.Equal(kinds, want) {
		t.Errorf("kinds %v, want %v", kinds, want)
	}
	if want := []bool{true, false, false, false, false, false, false, true, true}; !slices.Equal(counts, want) {
		t.Errorf("count rows: %v, want %v", counts, want)
	}
}

// TestUnnamed tells a table without a line of names from one whose names are numbers.
func TestUnnamed(t *testing.T) {
	for text, want := range map[string]bool{
		"1.5,2\n3,4\n":                 true,
		"x0,x1\n3,4\n":                 false,
		"0,1,2,3\n5.5,1,2,4\n":         false, // as pandas calls columns
		"1,2,3\n5.5,1,2\n":             false,
		"2,3,4\n5.5,1,2\n":             true,
		"1.5 2 3\n4 5 6\n":             true,
		"0.5,0.5\n0.5,0.5\n":           true, // two of a name
		"5.1,3.5,setosa\n1,2,virgin\n": false,
	} {
		table, err := ReadTable(at(tableFile(t, "t.csv", text)))
		if err != nil {
			t.Errorf("%q: %v", text, err)
		} else if table.Unnamed != want {
			t.Errorf("%q: unnamed %v", text, table.Unnamed)
		}
	}
}

// TestTableHead reads the beginning of a long table, cut at the end of a row.
func TestTableHead(t *testing.T) {
	text := "a,b\n" + strings.Repeat("12345678,\"two\nlines\"\n", headSize/20)
	head, err := TableHead(at(tableFile(t, "t.csv", text)))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(head.Rows); n < headSize/20*9/10 || n > headSize/20 || head.Rows[n-1][0] != "12345678" {
		t.Errorf("%d rows", n)
	}
	if _, err := TableHead(at(tableFile(t, "t.csv", "a,b\n1\n"))); err == nil {
		t.Error("a table that is wrong has a head")
	}
}
