package freeze

import "math"

// tables marks the weights that hold sines and cosines of positions. A formula gives them, so they
// are not to be trained, though an ONNX file stores them beside learned weights.
//
// They come as two tables of one shape, a cosine and a sine for each position (rotary positions: Su
// et al., RoFormer, 2021), or as one table in which sines and cosines alternate along the last axis
// or fill its halves (Vaswani et al., Attention Is All You Need, 2017, section 3.5). They are
// recognised by their squares, which add up to 1 everywhere. Rows of two elements may be learned
// directions, so they are not taken for positions.
func tables(ws []*Weight) {
	for i, w := range ws {
		a := numbers(w)
		if a == nil {
			continue
		}
		n, d := w.Len(), w.Value.Type.Shape[len(w.Value.Type.Shape)-1]
		alternate := func(k int) float64 { return a(k ^ 1) }
		halves := func(k int) float64 { return a(k - k%d + (k%d+d/2)%d) }
		if d > 2 && d%2 == 0 && (circle(n, a, alternate) || circle(n, a, halves)) {
			w.Role = RoleTable
			continue
		}
		for _, v := range ws[i+1:] {
			if b := numbers(v); b != nil && v.Value.Type.Shape.Equal(w.Value.Type.Shape) && circle(n, a, b) {
				w.Role, v.Role = RoleTable, RoleTable
			}
		}
	}
}

// numbers gives access to the elements of a weight that may be such a table, by its role and its
// two or more axes. It is nil for other weights.
func numbers(w *Weight) func(int) float64 {
	if w.Role != RoleWeight && w.Role != RoleEmbedding || w.Value.Data == nil || len(w.Value.Type.Shape) < 2 {
		return nil
	}
	return w.Value.Data.Float64
}

// circle reports whether the pairs of a and b are points on the unit circle, and not all of them on
// its axes, as zeros and ones are.
func circle(n int, a, b func(int) float64) bool {
	inner := false
	for k := range n {
		x, y := a(k), b(k)
		if math.Abs(x*x+y*y-1) > 0.01 { // half precision is off by a few thousandths
			return false
		}
		inner = inner || x != 0 && y != 0
	}
	return inner
}
