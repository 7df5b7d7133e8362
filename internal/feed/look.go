package feed

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
)

// looks is what data look like from outside: by the names of files and the columns of tables.
type looks struct {
	path  string
	what  string   // as in "holds pictures (.png)"
	kinds []string // that they may be; none where that is not known
	table bool     // of texts or numbers, not of files

	head *data.Table // the first rows of a table
}

// is reports whether data look like those of a kind.
func (l looks) is(kind string) bool { return slices.Contains(l.kinds, kind) }

// misfit errors if data are those of other kinds than a model takes. It says both, and what would
// fit. m is nil where the model's inputs say no more.
func (l looks) misfit(k Kind, m *onnx.Model) error {
	if l.kinds == nil || l.is(k.Name) || k.Extensions == nil && !(l.table && k.Name == KindBytes) {
		return nil
	}
	takes := k.Name + "s"
	if k.Name == KindBytes {
		takes = "files of any kind, as bytes"
	}
	if m != nil {
		takes += inputsOf(m.Graph)
	}
	text := fmt.Sprintf("data: %s %s, and the model takes %s: give %s, or a model of %ss", l.path, l.what, takes, k.Give, strings.Join(l.kinds, "s or "))
	if side := sideInput(m); k.Name == KindTensors && side != "" {
		text += fmt.Sprintf("; or fix an input that is the same for every example, as with option input %s=1", side)
	}
	if l.is(KindVector) && k.Name == KindSound && m != nil && isWaveform(m) {
		text += fmt.Sprintf(". If it does take vectors, option shape says of how many numbers, as %s=1,16", m.Graph.Inputs[0].Name)
	}
	if l.is(KindSound) && m != nil && mayHear(m.Graph) {
		text += ". If it does take sounds, a preprocessor file says how (option preprocess)"
	}
	return errors.New(text)
}

// sideInput is the one of several inputs that is the likeliest to be the same for every example, ""
// where there is one input: that with the fewest axes, with none of examples, or the last one.
func sideInput(m *onnx.Model) (name string) {
	if m == nil || len(m.Graph.Inputs) < 2 {
		return ""
	}
	fewest := -1
	for _, in := range m.Graph.Inputs {
		axes := len(in.Type.Shape)
		if axes == 1 && in.Type.Shape[0] == 1 {
			axes = 0
		}
		if fewest < 0 || axes <= fewest {
			name, fewest = in.Name, axes
		}
	}
	return name
}

// mayHear reports whether a model's input may be features or samples of sounds, though nothing says
// so: numbers of one channel.
func mayHear(g *ir.Graph) bool {
	if len(g.Inputs) != 1 || !g.Inputs[0].Type.DType.IsFloat() {
		return false
	}
	s := g.Inputs[0].Type.Shape
	return len(s) < 4 || s[1] == 1 || s[len(s)-1] == 1
}

// inputsOf describes the inputs that examples feed, in brackets.
func inputsOf(g *ir.Graph) string {
	var all []string
	for _, in := range g.Inputs {
		all = append(all, fmt.Sprintf("%q %v", in.Name, in.Type))
	}
	if len(all) > 4 {
		all = append(all[:3], fmt.Sprintf("%d more", len(all)-3))
	}
	return " (" + strings.Join(all, ", ") + ")"
}

// look tells what data look like. It knows nothing of a place that is not there.
func look(p data.Place, columns data.Columns) looks {
	l := looks{path: p.Path}
	switch {
	case p.IsZero():
	case p.Rows != nil:
		l.rows(p)
	case data.IsTable(p):
		if t, err := data.TableHead(p); err == nil {
			l.tableOf(t, columns)
		}
	case p.IsFile():
		l.file(p.Path)
	default:
		l.folder(p, columns)
	}
	return l
}

// rows looks at examples in memory, or at the first of the files to predict for.
func (l *looks) rows(p data.Place) {
	if p.Kind != "" {
		l.path, l.kinds, l.what = "the "+p.Path, []string{p.Kind}, "are "+p.Kind+"s"
	} else if column := p.Rows.Column("file"); column >= 0 && p.FS == nil && len(p.Rows.Rows) > 0 {
		l.path = p.Rows.Rows[0][column]
		l.file(l.path)
	}
}

// file looks at the name of a file.
func (l *looks) file(name string) {
	ext := strings.ToLower(filepath.Ext(name))
	l.kinds, l.what = kindsOf(ext), "is a "+word(ext)
}

// sample is how many files, or rows of a table, are looked at.
const sample = 256

func (l *looks) folder(p data.Place, columns data.Columns) {
	// tables to measure by alone may stand beside class folders, which then count
	if s, err := data.FindSplitFiles(p, data.TableFormats); err == nil && !(s.Train.IsZero() && p.HasFolders()) {
		for _, part := range []data.Place{s.Train, s.Val, s.Test} {
			if !part.IsZero() {
				if t, err := data.TableHead(part); err == nil {
					l.tableOf(t, columns)
					l.what = strings.Replace(l.what, "is", "holds", 1)
				}
				return
			}
		}
	}
	if ext := commonest(data.Sample(p, sample)); ext != "" {
		l.kinds, l.what = kindsOf(ext), fmt.Sprintf("holds %ss (%s)", word(ext), ext)
	}
}

// tableOf looks at the columns of a table: files, texts, or numbers.
func (l *looks) tableOf(t *data.Table, columns data.Columns) {
	add := func(what string, kinds ...string) {
		if l.kinds = append(l.kinds, kinds...); l.what == "" {
			l.what = "is a table of " + what
		}
	}
	l.head = t
	label := t.Column(labelColumns(columns)...)
	var words, texts []string
	numbers, lists, files := 0, 0, false
	for i, name := range t.Columns {
		if i == label || t.CountsRows(i) && !t.Unnamed {
			continue
		}
		kind := t.KindOf(i)
		text := name == "text" || name == "text_a" || slices.Contains(strings.Split(columns.Text, ","), name)
		if ext := commonest(cells(t, i)); kind == data.TextColumn && ext != "" && !text {
			add(fmt.Sprintf("%ss (%s)", word(ext), ext), kindsOf(ext)...)
			files = true
			continue
		}
		switch {
		case name == "file": // of a kind that is not known
			files = true
		case kind == data.ListColumn:
			lists++
		case text:
			texts = append(texts, name)
		case kind == data.NumberColumn:
			numbers++
		case kind == data.TextColumn:
			words = append(words, name)
		}
	}
	if len(texts) > 0 {
		add(fmt.Sprintf("texts (column %s)", few(texts)), KindText)
	}
	switch {
	case lists > 0:
		add("numbers (several a cell)", KindVector)
	case numbers > 1 || numbers == 1 && len(words)+len(l.kinds) == 0:
		add(fmt.Sprintf("numbers (%s)", count(numbers, "column")), KindVector)
	}
	if len(words) > 0 && len(texts) == 0 && !files { // option text_column may name one
		add(fmt.Sprintf("texts (column %s)", few(words)), KindText)
	}
	l.table = !files
}

// cells are the first cells of a column.
func cells(t *data.Table, column int) (out []string) {
	for _, row := range t.Rows[:min(sample, len(t.Rows))] {
		out = append(out, row[column])
	}
	return out
}

// labelColumns are the names that the column of labels may have.
func labelColumns(c data.Columns) []string {
	if c.Label != "" {
		return []string{c.Label}
	}
	return []string{"label", "target"}
}

// kindsOf are the kinds of data whose files have an extension.
func kindsOf(ext string) (names []string) {
	for _, k := range kinds {
		if slices.Contains(k.Extensions, ext) {
			names = append(names, k.Name)
		}
	}
	return names
}

// commonest is the extension that most of the files have, "" if none is known. Texts and tables
// count only where there is nothing else, as they may describe the other files.
func commonest(names []string) string {
	count := map[string]int{}
	for _, name := range names {
		ext := strings.ToLower(filepath.Ext(name))
		switch of := kindsOf(ext); {
		case slices.Contains(of, KindText):
			count[ext]++
		case of != nil:
			count[ext] += len(names)
		}
	}
	found := ""
	for _, ext := range slices.Sorted(maps.Keys(count)) {
		if count[ext] > count[found] {
			found = ext
		}
	}
	return found
}

// word is what messages call a file by its extension.
func word(ext string) string {
	of := kindsOf(ext)
	switch {
	case slices.Contains(data.TableFormats, ext):
		return "table"
	case of == nil:
		return "file"
	}
	return of[0]
}
