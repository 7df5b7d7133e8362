package feed

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// vectorModel is a model with one input of numbers.
func vectorModel(t *testing.T, dtype tensor.DType, shape ...int) *onnx.Model {
	g := ir.New("numbers")
	g.AddInput("x", ir.Type{DType: dtype, Shape: append(tensor.Shape{-1}, shape...)})
	return &onnx.Model{Graph: g, Path: filepath.Join(t.TempDir(), "model.onnx")}
}

// place writes a table.
func place(t *testing.T, name, text string) data.Place {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return data.Place{Path: path}
}

// rowsOf are the vectors of a data set, with their answers.
func rowsOf(t *testing.T, d *data.Dataset) []string {
	t.Helper()
	in := d.Form().Inputs[0]
	var out []string
	for i := range d.Len() {
		row := tensor.New(in.DType, append(tensor.Shape{1}, in.Shape...)...)
		if err := d.Read(i, data.Plain, []*tensor.Tensor{row}); err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.TrimSpace(fmt.Sprint(row.Float64s(), " ", d.Examples[i].Answer)))
	}
	return out
}

// long is a table of ten rows of which the first are given, so that one odd row is few.
func long(names, first string, row string) string {
	return names + "\n" + first + strings.Repeat(row+"\n", 11)
}

// TestVectors reads tables as people write them, for models of several shapes and types.
func TestVectors(t *testing.T) {
	for name, c := range map[string]struct {
		dtype      tensor.DType
		shape      []int
		file, text string
		columns    data.Columns
		want       []string // the first rows
		note       string   // a piece of the notes
	}{
		"csv":                     {tensor.Float32, []int{3}, "t.csv", "a,b,c,label\n1,2.5,-3,x\n4,5,6,y\n", data.Columns{}, []string{"[1 2.5 -3] x", "[4 5 6] y"}, "rows of 3 numbers, from -3 to 6, are fed as they are (3 columns: a, b, c)"},
		"target first":            {tensor.Float32, []int{2}, "t.csv", "target,a,b\nx,1,2\ny,3,4\n", data.Columns{}, []string{"[1 2] x", "[3 4] y"}, ""},
		"a label by name":         {tensor.Float32, []int{2}, "t.tsv", "kind\ta\tb\nx\t1\t2\ny\t3\t4\n", data.Columns{Label: "kind"}, []string{"[1 2] x", "[3 4] y"}, ""},
		"jsonl in order":          {tensor.Float32, []int{2}, "t.jsonl", `{"z":1,"a":2,"label":"x"}` + "\n" + `{"label":"y","a":4,"z":3}`, data.Columns{}, []string{"[1 2] x", "[3 4] y"}, ""},
		"an array":                {tensor.Float32, []int{3}, "t.jsonl", `{"label":"x","features":[1,2,3]}` + "\n" + `{"label":"y","features":[4,5,6]}`, data.Columns{}, []string{"[1 2 3] x", "[4 5 6] y"}, ""},
		"points in time":          {tensor.Float32, []int{2, 2}, "t.jsonl", `{"points":[[1,2],[3,4]],"label":"x"}` + "\n" + `{"points":[[5,6],[7,8]],"label":"y"}`, data.Columns{}, []string{"[1 2 3 4] x", "[5 6 7 8] y"}, ""},
		"a cell of numbers":       {tensor.Float32, []int{3}, "t.csv", "v,label\n1 2 3,x\n4|5|6,y\n", data.Columns{}, []string{"[1 2 3] x", "[4 5 6] y"}, ""},
		"an axis of one":          {tensor.Float32, []int{2, 1}, "t.csv", "a,b,label\n1,2,x\n3,4,y\n", data.Columns{}, []string{"[1 2] x", "[3 4] y"}, ""},
		"pandas' index":           {tensor.Float32, []int{2}, "t.csv", ",a,b,label\n0,1,2,x\n1,3,4,y\n", data.Columns{}, []string{"[1 2] x", "[3 4] y"}, "the column 1 (without a name) numbers the rows and is left out"},
		"an id":                   {tensor.Float32, []int{2}, "t.csv", "id,a,b,label\n7,1,2,x\n9,3,4,y\n", data.Columns{}, []string{"[1 2] x", "[3 4] y"}, "the column id numbers the rows and is left out"},
		"an id that is fed":       {tensor.Float32, []int{2}, "t.csv", "id,a,label\n7,1,x\n9,3,y\n", data.Columns{}, []string{"[7 1] x", "[9 3] y"}, "the column id seems to number the rows, and is one of the 2 numbers"},
		"a time and an id":        {tensor.Float32, []int{2}, "t.csv", "id,time,a,label\n3,1,5,x\n1,2,5,y\n2,3,5,x\n5,4,5,y\n", data.Columns{}, []string{"[1 5] x", "[2 5] y"}, "the column id numbers the rows and is left out"},
		"a column of words":       {tensor.Float32, []int{2}, "t.csv", "who,a,b,label\nAnn,1,2,x\nBob,3,4,y\n", data.Columns{}, []string{"[1 2] x", "[3 4] y"}, "left out: column who"},
		"semicolons and commas":   {tensor.Float32, []int{2}, "t.csv", "a;b;label\n1,5;2;x\n3;4,25;y\n", data.Columns{}, []string{"[1.5 2] x", "[3 4.25] y"}, "commas in numbers are read as decimal points"},
		"truth":                   {tensor.Float32, []int{2}, "t.csv", "a,b,label\nTrue,2,x\nfalse,4,y\n", data.Columns{}, []string{"[1 2] x", "[0 4] y"}, ""},
		"a gap":                   {tensor.Float32, []int{2}, "t.csv", long("a,b,label", "1,,x\n5,6,y\n", "3,4,x"), data.Columns{}, []string{"[5 6] y", "[3 4] x"}, "1 incomplete rows left out of 13"},
		"a number that is loud":   {tensor.Float32, []int{2}, "t.csv", long("a,b,label", "1,2e29,x\n1,2,y\n", "3,4,x"), data.Columns{}, []string{"[1 2.0000000300949324e+29] x"}, "line 2, column b: the number is more than 1000 times as large"},
		"whole numbers":           {tensor.Int64, []int{2}, "t.csv", "a,b,label\n1,2.0,x\n3,-4,y\n", data.Columns{}, []string{"[1 2] x", "[3 -4] y"}, ""},
		"small whole numbers":     {tensor.Uint8, []int{2}, "t.csv", "a,b,label\n1,255,x\n3,0,y\n", data.Columns{}, []string{"[1 255] x", "[3 0] y"}, ""},
		"double precision":        {tensor.Float64, []int{2}, "t.csv", "a,b,label\n0.1,2,x\n3,4,y\n", data.Columns{}, []string{"[0.1 2] x", "[3 4] y"}, ""},
		"half precision":          {tensor.Float16, []int{2}, "t.csv", "a,b,label\n0.5,2,x\n3,4,y\n", data.Columns{}, []string{"[0.5 2] x", "[3 4] y"}, ""},
		"long rows, not waves":    {tensor.Float32, []int{9000}, "t.jsonl", fmt.Sprintf(`{"v":[%[1]s],"label":"x"}`+"\n"+`{"v":[%[1]s],"label":"y"}`, strings.TrimSuffix(strings.Repeat("1,", 9000), ",")), data.Columns{}, nil, "rows of 9000 numbers"},
		"one number":              {tensor.Float32, []int{1}, "t.csv", "a,label\n1,x\n2,y\n", data.Columns{}, []string{"[1] x", "[2] y"}, ""},
		"names that are numbers":  {tensor.Float32, []int{3}, "t.csv", "0,1,2,label\n5,6,7,x\n8,9,10,y\n", data.Columns{}, []string{"[5 6 7] x", "[8 9 10] y"}, ""},
		"all axes but one of one": {tensor.Float32, []int{1, 1, 2}, "t.csv", "a,b,label\n1,2,x\n3,4,y\n", data.Columns{}, []string{"[1 2] x", "[3 4] y"}, ""},
	} {
		p := place(t, c.file, c.text)
		f, err := Of(vectorModel(t, c.dtype, c.shape...), Options{Data: p, Table: c.columns})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		train, _, err := f.Open(context.Background(), p, data.Options{Table: c.columns, Val: p})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if rows := rowsOf(t, train); f.Kind() != KindVector || len(rows) < len(c.want) || !slices.Equal(rows[:len(c.want)], c.want) {
			t.Errorf("%s: %s %v, want %v", name, f.Kind(), rows[:min(3, len(rows))], c.want)
		}
		if notes := strings.Join(append(f.Notes(), train.Notes()...), "\n"); !strings.Contains(notes, c.note) {
			t.Errorf("%s: the notes do not say %q:\n%s", name, c.note, notes)
		}
	}
}

// TestVectorErrors: what is odd in a table is named, by line and column.
func TestVectorErrors(t *testing.T) {
	for name, c := range map[string]struct {
		dtype      tensor.DType
		width      int
		file, text string
		want       string
	}{
		"a word":               {tensor.Float32, 2, "t.csv", "a,b,label\n1,2,x\n3,high,y\n3,4,x\n", `line 3, column b: "high" is no number: mend it, or remove the row`},
		"infinity":             {tensor.Float32, 2, "t.csv", "a,b,label\n1,2,x\n3,-inf,y\n3,4,x\n", "line 3, column b: -inf is no finite number"},
		"too large":            {tensor.Float32, 2, "t.csv", "a,b,label\n1,2,x\n3,1e39,y\n", "line 3, column b: 1e+39 is out of the range of float32"},
		"too large for halves": {tensor.Float16, 2, "t.csv", "a,b,label\n1,2,x\n3,70000,y\n", "70000 is out of the range of float16"},
		"no whole number":      {tensor.Int32, 2, "t.csv", "a,b,label\n1,2,x\n3,1.5,y\n", "line 3, column b: 1.5 is no whole number, and the model takes int32"},
		"beyond a byte":        {tensor.Uint8, 2, "t.csv", "a,b,label\n1,2,x\n3,256,y\n", "256 is out of the range of uint8"},
		"many gaps":            {tensor.Float32, 2, "t.csv", "a,b,label\n1,2,x\n3,NaN,y\n5,6,x\n", "1 of 3 rows of"},
		"few columns":          {tensor.Float32, 4, "t.csv", "a,b,label\n1,2,x\n3,4,y\n", `has 2 columns of numbers (a, b) beside label, and the model takes vectors, 4 numbers ("x" [4]): give a column for each`},
		"many columns":         {tensor.Float32, 2, "t.csv", "a,b,c,name,label\n5,1,2,Ann,x\n3,4,7,Bob,y\n", "has 3 columns of numbers (a, b, c) and 1 column of texts (name) beside label, and the model takes vectors, 2 numbers (\"x\" [2]): leave in only those 2 and the label"},
		"a row number":         {tensor.Float32, 2, "t.csv", "id,a,label\n1,1,x\n2,3,y\n3,4,x\n4,4,y\n", "has 1 column of numbers (a) beside label (not counting the column id, which numbers the rows), and the model takes vectors, 2 numbers"},
		"a short array":        {tensor.Float32, 3, "t.jsonl", `{"v":[1,2,3],"label":"x"}` + "\n" + `{"v":[4,5],"label":"y"}`, "line 2, column v: 2 numbers, and the model takes 3"},
		"a long array":         {tensor.Float32, 2, "t.jsonl", `{"v":[1,2],"label":"x"}` + "\n" + `{"v":[4,5,6],"label":"y"}`, "line 2, column v: more numbers than the 2 that the model takes"},
		"no names":             {tensor.Float32, 2, "t.csv", "0.5,1.5,3\n1,2,4\n", "line 1 is numbers (0.5, 1.5, 3), where the names of the columns belong"},
		"no names but a label": {tensor.Float32, 2, "t.csv", "0.5,1.5,x\n1,2,y\n", "line 1 (0.5, 1.5, x) seems to be a row"},
		"no label":             {tensor.Float32, 2, "t.csv", "a,b,c\n1,2,x\n3,4,y\n", "has no column label or target: it has a, b, c; name one with option label_column"},
		"an array of NumPy":    {tensor.Float32, 2, "t.npz", "PK", "t.npz: arrays of NumPy are not read"},
	} {
		p := place(t, c.file, c.text)
		f, err := Of(vectorModel(t, c.dtype, c.width), Options{Data: p})
		if err == nil {
			_, _, err = f.Open(context.Background(), p, data.Options{Val: p})
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Count(err.Error(), p.Path) != 1 {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestVectorNames: other tables are read by the names that a fit saw, in any order.
func TestVectorNames(t *testing.T) {
	p := place(t, "t.csv", "a,b,label\n1,2,x\n3,4,y\n")
	m := vectorModel(t, tensor.Float32, 2)
	f, err := Of(m, Options{Data: p})
	if err != nil {
		t.Fatal(err)
	}
	turned := place(t, "v.csv", "label,b,note,a\nx,2,-,1\n")
	_, val, err := f.Open(context.Background(), p, data.Options{Val: turned})
	if err != nil {
		t.Fatal(err)
	}
	if rows := rowsOf(t, val); !slices.Equal(rows, []string{"[1 2] x"}) {
		t.Errorf("validation: %v", rows)
	}
	set, err := f.Settings()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Of(m, Options{Kind: KindVector, Settings: set})
	if err != nil {
		t.Fatal(err)
	}
	open := func(name, text string) (*data.Dataset, error) {
		return again.OpenInputs(context.Background(), InputFiles([]string{place(t, name, text).Path}), data.Options{})
	}
	for name, text := range map[string]string{
		"names.csv": "b,a\n2,1\n", "rows.csv": "1,2\n", "spaces.txt": "1 2\n", "stdin": "1;2\n", "lines": `{"b":2,"a":1}`, "bars.txt": "1|2\n",
	} {
		d, err := open(name, text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if rows := rowsOf(t, d); !slices.Equal(rows, []string{"[1 2]"}) {
			t.Errorf("%s: %v", name, rows)
		}
	}
	if _, err := open("t.csv", "a,c\n1,2\n"); err == nil || !strings.Contains(err.Error(), "has no column b: the model was tuned on 2 columns (a, b)") {
		t.Errorf("another column: %v", err)
	}
	d, err := open("t.csv", "a,b\n1,2\n3,\n5,six\n7,8\n")
	if err != nil {
		t.Fatal(err)
	}
	if rows := rowsOf(t, d); !slices.Equal(rows, []string{"[1 2]", "[7 8]"}) || len(d.Skipped) != 2 || !strings.HasSuffix(d.Skipped[1].Path, "t.csv:4") || !strings.Contains(d.Skipped[1].Err.Error(), `column b: "six"`) {
		t.Errorf("odd rows: %v, skipped %v", rows, d.Skipped)
	}
	if _, err := open("t.csv", "a,b\n1,\n"); err == nil || !strings.Contains(err.Error(), "column b: the cell has no number") {
		t.Errorf("no row is whole: %v", err)
	}
	if _, err := open("t.npy", "NUMPY"); err == nil || !strings.Contains(err.Error(), "arrays of NumPy are not read") {
		t.Errorf("an array: %v", err)
	}
}

// TestVectorScale: a preprocessor file gives the mean and the deviation, and the record keeps them.
func TestVectorScale(t *testing.T) {
	table := "a,b,label\n1,2,x\n3,4,y\n"
	for name, c := range map[string]struct {
		file, content string // beside the model
		preprocess    string
		want          string // the first row, or the error
		note          string
	}{
		"one for each": {"model.preprocessor.json", `{"mean":[1,0],"std":[2,0.5]}`, "", "[0 4] x", "are fed after the mean and the deviation"},
		"one for all":  {"model.preprocessor.json", `{"mean":1}`, "", "[0 1] x", ""},
		"raw":          {"model.preprocessor.json", `{"mean":1}`, "raw", "[1 2] x", "fed as they are"},
		"of pictures":  {"preprocessor_config.json", `{"image_mean":[0.5,0.5,0.5]}`, "", "[1 2] x", "preprocessor_config.json beside the model says nothing of vectors"},
		"another key":  {"model.preprocessor.json", `{"mean":1,"scale":2}`, "", `unknown field "scale"`, ""},
		"too many":     {"model.preprocessor.json", `{"mean":[1,2,3]}`, "", "mean has 3 numbers, and the model takes 2", ""},
		"no deviation": {"model.preprocessor.json", `{"std":0}`, "", "std holds 0", ""},
		"a preset":     {"x", "", "imagenet", "imagenet: no such file: the model takes vectors", ""},
	} {
		m := vectorModel(t, tensor.Float32, 2)
		if err := os.WriteFile(filepath.Join(filepath.Dir(m.Path), c.file), []byte(c.content), 0o644); err != nil {
			t.Fatal(err)
		}
		p := place(t, "t.csv", table)
		f, err := Of(m, Options{Data: p, Preprocess: c.preprocess})
		if err != nil {
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %s", name, err, c.want)
			}
			continue
		}
		train, _, err := f.Open(context.Background(), p, data.Options{Val: p})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if rows := rowsOf(t, train); rows[0] != c.want {
			t.Errorf("%s: %v, want %s", name, rows, c.want)
		}
		if notes := strings.Join(append(f.Notes(), train.Notes()...), "\n"); !strings.Contains(notes, c.note) {
			t.Errorf("%s: the notes do not say %q:\n%s", name, c.note, notes)
		}
		set, err := f.Settings()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Of(vectorModel(t, tensor.Float32, 2), Options{Kind: KindVector, Settings: set})
		if err != nil {
			t.Fatal(err)
		}
		d, err := again.OpenInputs(context.Background(), InputFiles([]string{p.Path}), data.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if rows := rowsOf(t, d); rows[0]+" x" != c.want {
			t.Errorf("%s: a tuned model reads %v, want %s", name, rows, c.want)
		}
	}
}

// TestTakesVectors: which models take vectors, where no data say more.
func TestTakesVectors(t *testing.T) {
	for _, c := range []struct {
		dtype tensor.DType
		shape []int
		want  string
	}{
		{tensor.Float32, []int{32}, KindVector},
		{tensor.Float32, []int{16, 2}, KindVector},
		{tensor.Float32, []int{32, 1, 1}, KindVector},
		{tensor.Float64, []int{4}, KindVector},
		{tensor.Float32, []int{-1}, KindSound},
		{tensor.Float32, []int{16000}, KindSound},
		{tensor.Int32, []int{32}, KindBytes},
		{tensor.Uint8, []int{32}, KindVector},
		{tensor.Float32, []int{3, 8, 8}, KindPicture},
		{tensor.Float32, []int{1, 28, 28}, KindPicture},
		{tensor.Float32, []int{-1, 80}, "no kind of data fits"},
		{tensor.Float32, []int{2, 3, 4, 5}, "no kind of data fits"},
	} {
		f, err := Of(vectorModel(t, c.dtype, c.shape...), Options{})
		got := fmt.Sprint(err)
		if err == nil {
			got = f.Kind()
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%v%v: %s, want %s", c.dtype, c.shape, got, c.want)
		}
	}
}

// TestVectorExamples: vectors in memory are read as they are, to the last bit.
func TestVectorExamples(t *testing.T) {
	f, err := Of(vectorModel(t, tensor.Float32, 2), Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := Collect(func(yield func(Example, error) bool) {
		_ = yield(Example{Vector: []float32{0.1, -3e-39}, Name: "first", Label: "x"}, nil) && yield(Example{Vector: []float32{1.0 / 3, 7}, Label: "y"}, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	d, err := f.OpenInputs(context.Background(), p, data.Options{})
	if err != nil {
		t.Fatal(err)
	}
	row := tensor.New(tensor.Float32, 1, 2)
	for i, want := range [][]float32{{0.1, -3e-39}, {1.0 / 3, 7}} {
		if err := d.Read(i, data.Plain, []*tensor.Tensor{row}); err != nil || !slices.Equal(row.F32(), want) {
			t.Errorf("example %d: %v (%v), want %v", i, row.F32(), err, want)
		}
	}
	if d.Examples[0].Path != "first" || d.Examples[1].Path != "example 2" {
		t.Errorf("names: %v", d.Examples)
	}
	train, _, err := f.Open(context.Background(), p, data.Options{Val: p})
	if err != nil || train.Len() != 2 || len(train.Classes) != 2 {
		t.Errorf("to train with: %v (%v)", train, err)
	}
	for want, e := range map[string]Example{
		"its vector has no numbers":                           {Vector: []float32{}},
		"it is several things":                                {Vector: []float32{1}, Text: "x"},
		"the examples are texts, and the model takes vectors": {Text: "x"},
	} {
		p, err := Collect(func(yield func(Example, error) bool) { yield(e, nil) })
		if err == nil {
			_, err = f.OpenInputs(context.Background(), p, data.Options{})
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
