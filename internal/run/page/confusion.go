package page

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/chart"
)

// The confusion matrix is drawn for up to so many classes, with numbers for up to fewer.
const (
	matrixClasses = 60
	matrixNumbers = 20
)

// confusion draws which classes are taken for which. It is nil for other tasks.
func (r *Run) confusion() *chart.Section {
	if r.Val == nil || len(r.Val.Matrix) < 2 || r.Val.Named() != nil {
		return nil
	}
	s := &chart.Section{ID: "confusion", Title: "What is taken for what", Text: fmt.Sprintf("%s of validation. A row is what an example is, a column what the model says.", count(r.Val.Examples, "example"))}
	if n := len(r.Val.Matrix); n > matrixClasses {
		s.Text = fmt.Sprintf("%s of validation in %d classes.", count(r.Val.Examples, "example"), n)
		s.Note = "There are too many classes to draw; the most frequent mix-ups are listed."
		return s
	}
	s.Plots = []*chart.Plot{r.matrix()}
	return s
}

func (r *Run) class(i int) string {
	if i < len(r.Data.Classes) {
		return r.Data.Classes[i]
	}
	return fmt.Sprint(i)
}

func (r *Run) matrix() *chart.Plot {
	m := r.Val.Matrix
	n := len(m)
	names := make([]string, n)
	left, above := 40.0, 60.0
	for i := range names {
		names[i] = r.class(i)
		left = max(left, 16+7*float64(min(len([]rune(names[i])), 18)))
		above = max(above, 20+5*float64(min(len([]rune(names[i])), 12)))
	}
	cell := min(44, max(10, 560/float64(n)))
	p := &chart.Plot{Width: left + cell*float64(n) + 70, Height: above + cell*float64(n) + 8,
		About: fmt.Sprintf("How often each of %d classes was taken for each other. The most frequent mix-ups are listed.", n)}
	for i, row := range m {
		var sum int64
		for _, v := range row {
			sum += v
		}
		p.Write("tick", "end", left-6, above+cell*(float64(i)+0.5)+4, names[i], 18)
		p.Write("tick slant-up", "start", left+cell*(float64(i)+0.5)+4, above-6, names[i], 12)
		for j, v := range row {
			x, y := left+cell*float64(j), above+cell*float64(i)
			class := "cell c0"
			if v > 0 {
				kind := "wrong"
				if i == j {
					kind = "right"
				}
				class = fmt.Sprintf("cell %s%d", kind, min(5, 1+int(5*float64(v)/float64(sum+1))))
			}
			p.Items = append(p.Items, chart.Item{Class: class, Path: chart.Rectangle(x, y, cell-1, cell-1), Tip: fmt.Sprintf("%s taken for %s: %d of %d", names[i], names[j], v, sum)})
			if v > 0 && n <= matrixNumbers {
				p.Write("in-cell "+class[5:], "middle", x+cell/2-0.5, y+cell/2+4, fmt.Sprint(v), 6)
			}
		}
	}
	return p
}

// mixups are the most frequent confusions, in words.
func (r *Run) mixups() []chart.Fact {
	if r.Val == nil || r.Val.Named() != nil {
		return nil
	}
	type pair struct {
		i, j int
		n    int64
	}
	var all []pair
	for i, row := range r.Val.Matrix {
		for j, v := range row {
			if i != j && v > 0 {
				all = append(all, pair{i, j, v})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b pair) int { return cmp.Compare(b.n, a.n) })
	var out []chart.Fact
	for _, p := range all[:min(len(all), 10)] {
		out = append(out, chart.Fact{Name: fmt.Sprintf("%d ×", p.n), Value: fmt.Sprintf("%s taken for %s", r.class(p.i), r.class(p.j))})
	}
	return out
}
