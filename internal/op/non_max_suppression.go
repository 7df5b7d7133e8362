package op

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// NonMaxSuppression picks, for each image and class, boxes by falling score, leaving out those that
// overlap a picked one by more than iou_threshold, and lists them as [image, class, box].
func init() {
	square := tensor.Of([]float32{0, 0, 1, 1, 0, 0.1, 1, 1.1, 0, 10, 1, 11}, 1, 3, 4)
	computed("NonMaxSuppression", 10, 2, 5, ir.Traits{Inputs: []ir.Use{ir.UseData, ir.UseData, ir.UseData, ir.UseSetting, ir.UseSetting}}, nonMaxSuppression, ir.Case{
		Const:  []int{0, 1, 2, 3, 4},
		Inputs: []*tensor.Tensor{square, tensor.Of([]float32{0.9, 0.75, 0.6}, 1, 1, 3), ints64(3), floats32(0.5), floats32(0)},
		Want:   []*tensor.Tensor{tensor.Of([]int64{0, 0, 0, 0, 0, 2}, 2, 3)},
	})
}

func nonMaxSuppression(n *ir.Node) ([]*tensor.Tensor, error) {
	b, s := n.In(0).Type.Shape, n.In(1).Type.Shape
	if len(b) != 3 || b[2] != 4 || len(s) != 3 || s[0] != b[0] || s[2] != b[1] {
		return nil, fmt.Errorf("boxes %v and scores %v do not fit", b, s)
	}
	limit := func(i int, def float64) float64 {
		if v := n.In(i); v != nil && v.Data.Len() > 0 {
			return v.Data.Float64s()[0]
		}
		return def
	}
	most, overlap := int(limit(2, 0)), limit(3, 0)
	boxes, scores := n.In(0).Data.Float64s(), n.In(1).Data.Float64s()
	corners := make([][4]float64, b[0]*b[1])
	for i := range corners {
		p := boxes[4*i : 4*i+4]
		if n.Attrs.Bool("center_point_box") { // x, y, width, height
			corners[i] = [4]float64{p[1] - p[3]/2, p[0] - p[2]/2, p[1] + p[3]/2, p[0] + p[2]/2}
		} else { // two opposite corners, y first
			corners[i] = [4]float64{min(p[0], p[2]), min(p[1], p[3]), max(p[0], p[2]), max(p[1], p[3])}
		}
	}
	var picked []int64
	for image := range s[0] {
		for class := range s[1] {
			row := scores[(image*s[1]+class)*s[2]:][:s[2]]
			var order []int
			for i, v := range row {
				if n.In(4) == nil || v > limit(4, 0) {
					order = append(order, i)
				}
			}
			slices.SortStableFunc(order, func(i, j int) int {
				switch {
				case row[i] > row[j]:
					return -1
				case row[i] < row[j]:
					return 1
				}
				return 0
			})
			var kept []int
			for _, i := range order {
				if len(kept) >= most {
					break
				}
				if !slices.ContainsFunc(kept, func(k int) bool {
					return intersectionOverUnion(corners[image*b[1]+i], corners[image*b[1]+k]) > overlap
				}) {
					kept = append(kept, i)
					picked = append(picked, int64(image), int64(class), int64(i))
				}
			}
		}
	}
	t := tensor.New(tensor.Int64, len(picked)/3, 3)
	copy(t.I64(), picked)
	return []*tensor.Tensor{t}, nil
}

func intersectionOverUnion(a, b [4]float64) float64 {
	h := min(a[2], b[2]) - max(a[0], b[0])
	w := min(a[3], b[3]) - max(a[1], b[1])
	if h <= 0 || w <= 0 {
		return 0
	}
	area := func(c [4]float64) float64 { return (c[2] - c[0]) * (c[3] - c[1]) }
	return h * w / (area(a) + area(b) - h*w)
}
