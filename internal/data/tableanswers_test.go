package data

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
)

func init() {
	number := func(s string) bool { v, err := strconv.ParseFloat(s, 64); return err == nil && v == v }
	RegisterTask("number", Answers{Like: number, Looks: func(answers []string, folders bool) bool {
		part := false
		for _, a := range answers {
			if !number(a) {
				return false
			}
			v, _ := strconv.ParseFloat(a, 64)
			part = part || v != math.Trunc(v)
		}
		return part && !folders
	}})
	several := func(s string) bool { return strings.Contains(s, "|") }
	RegisterTask("several", Answers{Empty: true, Sign: several, Looks: func(answers []string, _ bool) bool { return strings.Contains(strings.Join(answers, " "), "|") }})
}

// One odd label changes neither the task nor the classes: its line is named.
func TestOddLabels(t *testing.T) {
	numbers := func(odd ...string) []string {
		for i := range 40 {
			odd = append(odd, fmt.Sprintf("%d.5", i))
		}
		return odd
	}
	names := func(odd ...string) []string {
		for i := range 40 {
			odd = append(odd, string(rune('a'+i%2)))
		}
		return odd
	}
	for name, c := range map[string]struct {
		labels          []string
		separator       rune
		task            string // asked for
		want            string // task found
		kept            int
		first           string // kept label
		remark, trouble string
	}{
		"a number missing":           {numbers("n/a"), ',', "", "number", 40, "0.5", "1 of 41 rows have no label and are left out: line 2", ""},
		"missing by another word":    {numbers("NaN", ""), ',', "", "number", 40, "0.5", "line 2, 3", ""},
		"missing, the task asked":    {numbers("-"), ',', "number", "number", 40, "0.5", "left out: line 2", ""},
		"many missing":               {numbers(strings.Split(strings.Repeat("na ", 9), " ")...), ',', "", "", 0, "", "", "more than a tenth of the labels are missing"},
		"a slip among numbers":       {numbers("1.5kg"), ',', "", "", 0, "", "", `line 2: the label "1.5kg" is none of the task number, and the other 40 of 41`},
		"the same, classes asked":    {numbers("1.5kg"), ',', "classify", "classify", 41, "1.5kg", "", ""},
		"a missing class":            {names("n/a"), ',', "", "classify", 41, "n/a", "n/a is taken for a label like others, of 1 of 41 rows", ""},
		"an empty class":             {names(""), ',', "", "", 0, "", "", "line 2: the label is empty"},
		"one bar among classes":      {names("a|b"), ',', "", "", 0, "", "", `line 2: the label "a|b" is of the task several, and only 1 of 41`},
		"the same, several asked":    {names("a|b"), ',', "several", "several", 41, "a|b", "", ""},
		"decimal commas":             {[]string{"1,5", "2,125", "3"}, ',', "", "number", 3, "1.5", "read as decimal points", ""},
		"three digits by semicolons": {[]string{"1,500", "2,125", "3"}, ';', "", "number", 3, "1.500", "read as decimal points", ""},
		"whole numbers":              {[]string{"1", "12", "3"}, ',', "", "classify", 3, "1", "3 different whole numbers, which are taken for names of classes; option task number", ""},
		"whole numbers as floats":    {[]string{"1.0", "0.0", "1"}, ',', "", "classify", 3, "1", "1.0 is the class 1", ""},
		"the same, commas":           {[]string{"1,0", "0,0", "1"}, ',', "", "classify", 3, "1", "1.0 is the class 1", ""},
		"as floats, classes asked":   {[]string{"-1.", "007", "1.00"}, ',', "classify", "classify", 3, "-1", "-1. is the class -1", ""},
		"a version among words":      {[]string{"1.0", "x", "1"}, ',', "", "classify", 3, "1.0", "", ""},
		"zero and one":               {[]string{"0", "1", "1"}, ',', "", "classify", 3, "0", "", ""},
		"whole numbers, asked":       {[]string{"1", "12", "3"}, ',', "classify", "classify", 3, "1", "", ""},
		"thousands or not":           {[]string{"1,500", "2,125", "3"}, ',', "", "classify", 3, "1,500", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			table := &Table{Path: "t.csv", separator: c.separator}
			var examples []Example
			for i, l := range c.labels {
				examples = append(examples, Example{Answer: l})
				table.Lines = append(table.Lines, i+2)
			}
			a, err := ReadAnswers(table, examples, Options{Task: c.task}, nil)
			if c.trouble != "" {
				if err == nil || !strings.Contains(err.Error(), c.trouble) {
					t.Errorf("error %v, want %q", err, c.trouble)
				}
				return
			}
			if err != nil || a.Task != c.want || len(a.Kept) != c.kept || examples[a.Kept[0]].Answer != c.first {
				t.Fatalf("%+v (%v), want %d of task %s, the first %s", a, err, c.kept, c.want, c.first)
			}
			if got := strings.Join(a.Remarks, "\n"); !strings.Contains(got, c.remark) || c.remark == "" && got != "" {
				t.Errorf("remarks %q, want %q", got, c.remark)
			}
		})
	}
}

func TestSeparators(t *testing.T) {
	for _, c := range []struct {
		name, text, columns, first, remark string
	}{
		{"t.csv", "text,label\na;b,x\n", "text|label", "a;b", ""},
		{"t.csv", "text;label\na, b;x\nc;y\n", "text|label", "a, b", `divided by ';'`},
		{"t.csv", "text\tlabel\na, b\tx\n", "text|label", "a, b", `divided by '\t'`},
		{"t.csv", "text|label\na, b|x\n", "text|label", "a, b", `divided by '|'`},
		{"t.tsv", "text,label\na,x\n", "text|label", "a", `divided by ','`},
		{"t.csv", "text\na; b\nc\n", "text", "a; b", ""},
		{"t.csv", "sep=;\ntext;label\na, b;x\n", "text|label", "a, b", ""},
		{"t.csv", "\xef\xbb\xbf\"SEP=;\"\r\ntext;label\r\na, b;x\r\n", "text|label", "a, b", ""},
		{"t.tsv", "sep=,\ntext,label\na,x\n", "text|label", "a", ""},
		{"t.csv", "text,label\ra b,x\rc,y\r", "text|label", "a b", ""},
		{"t.csv", "text;label\ra, b;x\rc;y\r", "text|label", "a, b", "divided by ';'"},
		{"t.csv", "text;label\n\"a;\nb\";x\n", "text|label", "a;\nb", `divided by ';'`},
	} {
		table, err := ReadTable(at(tableFile(t, c.name, c.text)))
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		if got := strings.Join(table.Columns, "|"); got != c.columns || table.Rows[0][0] != c.first {
			t.Errorf("%q: columns %s, first %q", c.text, got, table.Rows[0][0])
		}
		if got := strings.Join(table.Remarks, ""); !strings.Contains(got, c.remark) || c.remark == "" && got != "" {
			t.Errorf("%q: remarks %q, want %q", c.text, got, c.remark)
		}
	}
}

// Labels that all differ are no classes: the error says what they may be.
func TestLabelsOccurOnce(t *testing.T) {
	for name, c := range map[string]struct {
		label func(i int) string
		rows  int
		want  string
	}{
		"amounts with a unit": {func(i int) string { return fmt.Sprintf("%d.60 EUR", i) }, 60, "all 60 labels are different (0.60 EUR, 1.60 EUR, 2.60 EUR,"},
		"thousands":           {func(i int) string { return fmt.Sprintf("\"%d,234.5\"", i+1) }, 60, "write them as plain numbers, as 1234.5, and give option task number"},
		"whole numbers":       {func(i int) string { return fmt.Sprint(7 * i) }, 60, "all 60 labels are different numbers (0, 7, 14, 21,"},
		"whole, the way out":  {func(i int) string { return fmt.Sprint(7 * i) }, 60, "give option task number, which takes them for amounts"},
		"two rows":            {func(i int) string { return fmt.Sprint(i) }, 2, "has too few rows to hold any out: give a validation table"},
	} {
		files := []string{}
		table := "t.csv=file,label\n"
		for i := range c.rows {
			files = append(files, fmt.Sprintf("%d.x", i))
			table += fmt.Sprintf("%d.x,%s\n", i, c.label(i))
		}
		p := tree(t, append(files, table)...).Join("t.csv")
		if _, _, err := Open(context.Background(), p, things, Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
