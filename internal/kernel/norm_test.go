package kernel

import (
	"fmt"
	"math"
	"testing"
)

// refNorm normalises x in float64: elements with the same group share statistics,
// elements with the same param share scale and bias.
func refNorm(x, scale, bias []float32, eps float64, centre bool, group, param func(i int) int) (y, mean, inv []float64) {
	groups := 0
	for i := range x {
		groups = max(groups, group(i)+1)
	}
	mean, inv = make([]float64, groups), make([]float64, groups)
	n := make([]float64, groups)
	for i, v := range x {
		mean[group(i)] += float64(v)
		n[group(i)]++
	}
	for g := range mean {
		mean[g] /= n[g]
		if !centre {
			mean[g] = 0
		}
	}
	for i, v := range x {
		d := float64(v) - mean[group(i)]
		inv[group(i)] += d * d
	}
	for g := range inv {
		inv[g] = 1 / math.Sqrt(inv[g]/n[g]+eps)
	}
	y = make([]float64, len(x))
	for i, v := range x {
		y[i] = (float64(v) - mean[group(i)]) * inv[group(i)]
		if scale != nil {
			y[i] *= float64(scale[param(i)])
		}
		if bias != nil {
			y[i] += float64(bias[param(i)])
		}
	}
	return y, mean, inv
}

// refNormGrad is the gradient of refNorm.
func refNormGrad(dy []float64, x, scale []float32, mean, inv []float64, centre bool, params int, group, param func(i int) int) (dx, ds, db []float64) {
	ds, db = make([]float64, params), make([]float64, params)
	sg, sh, n := make([]float64, len(mean)), make([]float64, len(mean)), make([]float64, len(mean))
	h := make([]float64, len(x))
	g := make([]float64, len(x))
	for i, v := range x {
		k, p := group(i), param(i)
		h[i] = (float64(v) - mean[k]) * inv[k]
		g[i] = dy[i]
		if scale != nil {
			g[i] *= float64(scale[p])
		}
		ds[p] += dy[i] * h[i]
		db[p] += dy[i]
		if centre {
			sg[k] += g[i]
		}
		sh[k] += g[i] * h[i]
		n[k]++
	}
	dx = make([]float64, len(x))
	for i := range x {
		k := group(i)
		dx[i] = inv[k] * (g[i] - sg[k]/n[k] - h[i]*sh[k]/n[k])
	}
	return
}

func TestBatchNorm(t *testing.T) {
	r := testRand(1)
	eachVec(t, func(t *testing.T) {
		for _, s := range []struct {
			rows, c int
			offset  float32
		}{{1, 3, 0}, {7, 16, 0}, {300, 19, 0}, {1000, 64, 3}, {40, 1100, 0}, {777, 5, 1e4}} {
			for _, mode := range []string{"", "res", "relu", "res+relu"} {
				what := fmt.Sprint(s, mode)
				rows, c := s.rows, s.c
				n := rows * c
				x, dy := randSlice(r, n, 1), randSlice(r, n, 1)
				for i := range x {
					x[i] += s.offset
				}
				scale, bias := randSlice(r, c, 1), randSlice(r, c, 1)
				var res, dres []float32
				if mode == "res" || mode == "res+relu" {
					res, dres = randSlice(r, n, 1), make([]float32, n)
				}
				relu := mode == "relu" || mode == "res+relu"
				col := func(i int) int { return i % c }
				wy, wm, wi := refNorm(x, scale, bias, 1e-5, true, col, col)
				y, mean, variance, inv := make([]float32, n), make([]float32, c), make([]float32, c), make([]float32, c)
				BatchNormTrain(y, x, scale, bias, mean, variance, inv, 1e-5, rows, res, relu)
				tol := 1e-5 + 1e-7*float64(s.offset)
				g := widen(dy)
				for i := range wy {
					if res != nil {
						wy[i] += float64(res[i])
					}
					if relu && !(y[i] > 0) {
						g[i] = 0
					}
					if relu {
						wy[i] = max(wy[i], 0)
					}
				}
				// With few rows invstd may be 300 and magnifies the rounding of the mean.
				if rows == 1 {
					tol *= 300
				}
				close64(t, what+" y", y, wy, 10*tol)
				close64(t, what+" mean", mean, wm, 1e-6)
				close64(t, what+" invstd", inv, wi, tol)
				wdx, wds, wdb := refNormGrad(g, x, scale, wm, wi, true, c, col, col)
				dx, ds, db := make([]float32, n), make([]float32, c), make([]float32, c)
				var yy []float32
				if relu {
					yy = y
				}
				BatchNormGrad(dx, dres, ds, db, dy, yy, x, scale, mean, inv, rows)
				if rows > 1 {
					close64(t, what+" dx", dx, wdx, 20*tol)
				}
				close64(t, what+" dscale", ds, wds, 1e-4+30*tol)
				close64(t, what+" dbias", db, wdb, 1e-4)
				if dres != nil {
					close64(t, what+" dres", dres, g, 0)
				}
				ds2, db2 := make([]float32, c), make([]float32, c)
				BatchNormGrad(nil, nil, ds2, db2, dy, yy, x, scale, mean, inv, rows)
				close64(t, what+" dscale alone", ds2, widen(ds), 0)
				copy(dx, dy) // in place
				BatchNormGrad(dx, nil, ds2, db2, dx, yy, x, scale, mean, inv, rows)
				if rows > 1 {
					close64(t, what+" dx in place", dx, wdx, 20*tol)
				}
			}
		}
	})
}

func TestRowNorm(t *testing.T) {
	r := testRand(2)
	eachVec(t, func(t *testing.T) {
		for _, s := range [][2]int{{1, 1}, {3, 7}, {5, 64}, {70, 33}, {20, 768}, {2, 9000}} {
			for _, affine := range []bool{true, false} {
				for _, centre := range []bool{true, false} {
					what := fmt.Sprint(s, " affine ", affine, " centre ", centre)
					rows, c := s[0], s[1]
					n := rows * c
					x, dy := randSlice(r, n, 1), randSlice(r, n, 1)
					var scale, bias []float32
					if affine {
						scale = randSlice(r, c, 1)
						if centre {
							bias = randSlice(r, c, 1)
						}
					}
					row, col := func(i int) int { return i / c }, func(i int) int { return i % c }
					wy, wm, wi := refNorm(x, scale, bias, 1e-3, centre, row, col)
					y, mean, inv := make([]float32, n), make([]float32, rows), make([]float32, rows)
					dx, ds, db := make([]float32, n), make([]float32, c), make([]float32, c)
					wdx, wds, wdb := refNormGrad(widen(dy), x, scale, wm, wi, centre, c, row, col)
					if centre {
						LayerNorm(y, x, scale, bias, mean, inv, 1e-3, rows, c)
						LayerNormGrad(dx, ds, db, dy, x, scale, mean, inv, rows, c)
						close64(t, what+" mean", mean, wm, 1e-6)
						close64(t, what+" dbias", db, wdb, 1e-4)
					} else {
						RMSNorm(y, x, scale, inv, 1e-3, rows, c)
						RMSNormGrad(dx, ds, dy, x, scale, inv, rows, c)
					}
					close64(t, what+" y", y, wy, 1e-5)
					close64(t, what+" invstd", inv, wi, 1e-6)
					close64(t, what+" dx", dx, wdx, 3e-5)
					close64(t, what+" dscale", ds, wds, 1e-4)
				}
			}
		}
	})
}

func TestGroupNorm(t *testing.T) {
	r := testRand(3)
	eachVec(t, func(t *testing.T) {
		for _, s := range [][4]int{{1, 1, 4, 2}, {2, 9, 6, 3}, {3, 300, 32, 32}, {2, 50, 48, 1}, {1, 20, 130, 13}} {
			n, hw, c, groups := s[0], s[1], s[2], s[3]
			x, dy := randSlice(r, n*hw*c, 1), randSlice(r, n*hw*c, 1)
			scale, bias := randSlice(r, c, 1), randSlice(r, c, 1)
			group := func(i int) int { return i/(hw*c)*groups + i%c/(c/groups) }
			col := func(i int) int { return i % c }
			wy, wm, wi := refNorm(x, scale, bias, 1e-3, true, group, col)
			wdx, wds, wdb := refNormGrad(widen(dy), x, scale, wm, wi, true, c, group, col)
			y, dx := make([]float32, len(x)), make([]float32, len(x))
			mean, inv := make([]float32, n*groups), make([]float32, n*groups)
			ds, db := make([]float32, c), make([]float32, c)
			GroupNorm(y, x, scale, bias, mean, inv, 1e-3, n, hw, c, groups)
			GroupNormGrad(dx, ds, db, dy, x, scale, mean, inv, n, hw, c, groups)
			what := fmt.Sprint(s)
			close64(t, what+" y", y, wy, 2e-5)
			close64(t, what+" dx", dx, wdx, 1e-4)
			close64(t, what+" dscale", ds, wds, 1e-4)
			close64(t, what+" dbias", db, wdb, 1e-4)
		}
	})
}
