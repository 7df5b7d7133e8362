package page

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/chart"

	"github.com/permafrost-ml/permafrost/internal/search"
	"github.com/permafrost-ml/permafrost/internal/trials"
)

// importance draws a bar for the share of each parameter. It is nil where no parameter has a share.
func importance(r *trials.Record) *chart.Plot {
	shares := r.Importance()
	slices.SortStableFunc(shares, func(a, b search.Share) int { return cmp.Compare(b.Share, a.Share) })
	if len(shares) < 2 || shares[0].Share == 0 {
		return nil
	}
	const left, right, each = 150.0, 90.0, 26.0
	p := &chart.Plot{Width: 560, Height: each*float64(len(shares)) + 6}
	var about []string
	for i, s := range shares {
		y := each * float64(i)
		x := chart.Axis{Low: 0, High: max(shares[0].Share, 0.01)}.Between(left, p.Width-right)
		p.Path("bar", "", chart.Rectangle(left, y+5, max(1, x.At(s.Share)-left), each-10))
		p.Write("tick", "end", left-8, y+each/2+4, s.Name, 22)
		text := fmt.Sprintf("%.0f%%", 100*s.Share)
		p.Write("tick", "start", x.At(s.Share)+8, y+each/2+4, text, 8)
		about = append(about, s.Name+" "+text)
	}
	p.About = "How much each option decides: " + strings.Join(about, ", ")
	return p
}
