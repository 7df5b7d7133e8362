package feed

import (
	"fmt"
	"math"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// vectorReader turns rows of a table into vectors.
type vectorReader struct {
	feed  *Vectors
	table *data.Table
	at    []int // columns
	write func(*tensor.Tensor, int, float64) error
	cell  []float64 // the numbers of the last one

	least, most float64   // of what is fed
	loud        [2]number // the largest, and the largest of other rows
}

// number is a number of a table, and where it stands.
type number struct {
	size        float64 // without its sign
	row, column int
}

func (f *Vectors) reader(t *data.Table, at []int) *vectorReader {
	return &vectorReader{feed: f, table: t, at: at, write: vectorType(f.input.DType), least: math.Inf(1), most: math.Inf(-1)}
}

// read writes row i of the table as vector k. Its errors name the column.
func (r *vectorReader) read(i int, to *tensor.Tensor, k int) error {
	width, n := r.feed.width(), 0
	least, most := r.least, r.most
	var loud number
	for _, column := range r.at {
		numbers, err := r.table.AppendNumbers(r.cell[:0], i, column)
		r.cell = numbers
		if err != nil {
			return fmt.Errorf("column %s: %w", r.name(column), err)
		}
		if len(r.at) == width && len(numbers) != 1 && width > 1 {
			return fmt.Errorf("column %s: %d numbers in one cell", r.name(column), len(numbers))
		}
		for _, v := range numbers {
			if n == width {
				return r.wrong(n + 1)
			}
			v = (v - r.feed.scale.Mean.at(n, 0)) / r.feed.scale.Std.at(n, 1)
			if err := r.write(to, k*width+n, v); err != nil {
				return fmt.Errorf("column %s: %w", r.name(column), err)
			}
			if size := math.Abs(v); size > loud.size {
				loud = number{size, i, column}
			}
			least, most = min(least, v), max(most, v)
			n++
		}
	}
	if n < width {
		return r.wrong(n)
	}
	r.least, r.most = least, most
	switch {
	case loud.size > r.loud[0].size:
		r.loud = [2]number{loud, r.loud[0]}
	case loud.size > r.loud[1].size:
		r.loud[1] = loud
	}
	return nil
}

func (r *vectorReader) name(column int) string {
	if name := r.table.Columns[column]; name != "" {
		return name
	}
	return fmt.Sprint(column + 1)
}

// wrong is the error of a row with another number of numbers than the model takes.
func (r *vectorReader) wrong(n int) error {
	where := ""
	if len(r.at) == 1 {
		where = fmt.Sprintf("column %s: ", r.name(r.at[0]))
	}
	if n > r.feed.width() {
		return fmt.Errorf("%smore numbers than the %d that the model takes", where, r.feed.width())
	}
	return fmt.Errorf("%s%s, and the model takes %d", where, count(n, "number"), r.feed.width())
}

// outlier is how many times larger than all numbers of other rows one is that is said.
const outlier = 1000

// fed says in a line what the model gets.
func (r *vectorReader) fed() string {
	how := "as they are"
	if r.feed.scale.Mean != nil || r.feed.scale.Std != nil {
		how = "after the mean and the deviation of the preprocessor file"
	}
	return fmt.Sprintf("%s: rows of %s, from %.4g to %.4g, are fed %s (%s: %s)", r.table.Path, count(r.feed.width(), "number"), r.least, r.most, how, count(len(r.at), "column"), few(pick(r.table.Columns, r.at)))
}

// oddities are what a user should know of the numbers.
func (r *vectorReader) oddities(rows int) (out []string) {
	if r.table.DecimalCommas() {
		out = append(out, fmt.Sprintf("%s: commas in numbers are read as decimal points", r.table.Path))
	}
	if a := r.loud[0]; rows > 2 && a.size > outlier*r.loud[1].size && r.loud[1].size > 0 {
		out = append(out, fmt.Sprintf("%s, line %d, column %s: the number is more than %d times as large as any in the other rows: it may be damaged", r.table.Path, r.table.Lines[a.row], r.name(a.column), outlier))
	}
	return out
}
