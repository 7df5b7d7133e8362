package feed

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/data"
)

// TestLookTables tells what tables hold by their columns and cells.
func TestLookTables(t *testing.T) {
	for text, c := range map[string]struct {
		columns data.Columns
		kinds   []string
		what    string
	}{
		"file,label\na.png,x\nb.JPG,y\n":               {data.Columns{}, []string{KindPicture}, "is a table of pictures (.jpg)"},
		"path,label\na.png,x\nb.png,y\n":               {data.Columns{}, []string{KindPicture}, "is a table of pictures (.png)"},
		"file,text\na.wav,hello there\n":               {data.Columns{}, []string{KindSound, KindText}, "is a table of sounds (.wav)"},
		"file,label\na.mp4,x\n":                        {data.Columns{}, nil, ""},
		"text,label\na cat,x\n":                        {data.Columns{}, []string{KindText}, "is a table of texts (column text)"},
		"text_a,text_b,label\na,b,x\n":                 {data.Columns{}, []string{KindText}, "is a table of texts (column text_a)"},
		"question,words,chars,label\nwhy,1,3,x\n":      {data.Columns{}, []string{KindVector, KindText}, "is a table of numbers (2 columns)"},
		"question,words,chars,label\nwho,1,3,x\n":      {data.Columns{Text: "question"}, []string{KindText, KindVector}, "is a table of texts (column question)"},
		"sentence,score\nfine,0.5\n":                   {data.Columns{}, []string{KindText}, "is a table of texts (column sentence)"},
		"file,a,b,label\nx.jpg,1,2,x\n":                {data.Columns{}, []string{KindPicture, KindVector}, "is a table of pictures (.jpg)"},
		"id,text,label\n1,a cat,x\n":                   {data.Columns{}, []string{KindText}, "is a table of texts (column text)"},
		"text,label\n1 2 3,x\n4 5 6,y\n":               {data.Columns{}, []string{KindVector}, "is a table of numbers (several a cell)"},
		"a,label\n1,x\n":                               {data.Columns{}, []string{KindVector}, "is a table of numbers (1 column)"},
		"a,kind\n1,x\n":                                {data.Columns{Label: "kind"}, []string{KindVector}, "is a table of numbers (1 column)"},
		"text,label\nSee a.png now,x\n1999,y\nwhy,y\n": {data.Columns{}, []string{KindText}, "is a table of texts (column text)"},
	} {
		l := look(place(t, "t.csv", text), c.columns)
		if !slices.Equal(l.kinds, c.kinds) || l.what != c.what {
			t.Errorf("%q: %v %q, want %v %q", text, l.kinds, l.what, c.kinds, c.what)
		}
	}
}

// TestLookFolders tells what folders hold by the files in them; texts and tables beside other files
// describe these.
func TestLookFolders(t *testing.T) {
	for files, want := range map[string]string{
		"a/1.png b/2.png readme.txt labels.csv notes.txt": "holds pictures (.png)",
		"train/a/1.wav train/b/2.wav":                     "holds sounds (.wav)",
		"a/1.txt b/2.txt":                                 "holds texts (.txt)",
		"a/1.csv b/2.csv":                                 "holds tables (.csv)",
		"a/1.mp4":                                         "",
		".hidden/1.png":                                   "",
		"test.csv a/1.png b/2.png":                        "holds pictures (.png)",
		"test.csv":                                        "holds a table of texts (column text)",
		"train.csv a/1.png":                               "holds a table of texts (column text)",
	} {
		dir := t.TempDir()
		for name := range strings.FieldsSeq(files) {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte("text,label\na cat,x\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if l := look(data.Place{Path: dir}, data.Columns{}); l.what != want {
			t.Errorf("%s: %q, want %q", files, l.what, want)
		}
	}
}
