package kernel

import (
	"fmt"
	"math"
)

// ReduceOp names a reduction.
type ReduceOp uint8

// The reductions. ReduceL2 is the square root of the sum of squares, ReduceLogSumExp
// the logarithm of the sum of exponentials.
const (
	ReduceSum ReduceOp = iota
	ReduceMean
	ReduceMax
	ReduceMin
	ReduceProd
	ReduceL1
	ReduceL2
	ReduceSumSquare
	ReduceLogSumExp
)

// sumBlock is the longest run added up in float32; runs are joined in float64.
const sumBlock = 4096

// sum64 is the sum of x.
func sum64(x []float32) (s float64) {
	for ; len(x) > sumBlock; x = x[sumBlock:] {
		s += float64(vec.sum(x[:sumBlock]))
	}
	return s + float64(vec.sum(x))
}

// sumSq64 is the sum of squares of x.
func sumSq64(x []float32) (s float64) {
	for ; len(x) > sumBlock; x = x[sumBlock:] {
		s += float64(vec.sumSq(x[:sumBlock]))
	}
	return s + float64(vec.sumSq(x))
}

// reducePieces is f over fixed pieces of x, in parallel, and the partial results.
func reducePieces(x []float32, f func(x []float32) float64) []float64 {
	const piece = 4 * chunk
	part := make([]float64, (len(x)+piece-1)/piece)
	Parallel(len(part), func(i int) { part[i] = f(x[i*piece : min((i+1)*piece, len(x))]) })
	return part
}

// SumAll is the sum of x.
func SumAll(x []float32) float64 {
	var s float64
	for _, v := range reducePieces(x, sum64) {
		s += v
	}
	return s
}

// SumSquares is the sum of the squares of x.
func SumSquares(x []float32) float64 {
	var s float64
	for _, v := range reducePieces(x, sumSq64) {
		s += v
	}
	return s
}

// Reduce reduces the middle axis: y[o,i] = op over a of x[o,a,i], for x of shape
// [outer, axis, inner]. An empty axis gives the neutral element.
func Reduce(op ReduceOp, y, x []float32, outer, axis, inner int) {
	if outer*inner == 0 {
		return
	}
	if inner == 1 {
		reduceRows(op, y, x, outer, axis)
		return
	}
	if op == ReduceSum || op == ReduceMean {
		reduceSumCols(y, x, outer, axis, inner)
		if op == ReduceMean {
			scaleBy(y[:outer*inner], y[:outer*inner], 1/float32(axis))
		}
		return
	}
	// The columns of one outer index are cut in tiles, so that one long outer index
	// is still shared between threads.
	const tile = 256
	tiles := (inner + tile - 1) / tile
	chunks(outer*tiles, max(1, chunk/(axis*min(inner, tile)+1)), func(lo, hi int) {
		for t := lo; t < hi; t++ {
			o, from := t/tiles, t%tiles*tile
			to := min(from+tile, inner)
			dst := y[o*inner+from : o*inner+to]
			src := x[o*axis*inner:]
			reduceCols(op, dst, src, axis, from, to, inner)
		}
	})
}

func reduceCols(op ReduceOp, y, x []float32, axis, from, to, inner int) {
	var init float32
	var step func(y, a, b []float32)
	switch op {
	case ReduceMax:
		init, step = -inf32, vec.max
	case ReduceMin:
		init, step = inf32, vec.min
	case ReduceProd:
		init, step = 1, vec.mul
	case ReduceL1:
		step = func(y, a, b []float32) {
			for i, v := range b {
				y[i] = a[i] + abs32(v)
			}
		}
	case ReduceL2, ReduceSumSquare:
		step = func(y, _, b []float32) { vec.mulAdd(y, b, b) }
	case ReduceLogSumExp:
		logSumExpCols(y, x, axis, from, to, inner)
		return
	default:
		panic(fmt.Sprintf("kernel: reduction %d", op))
	}
	for i := range y {
		y[i] = init
	}
	for a := range axis {
		step(y, y, x[a*inner+from:a*inner+to])
	}
	if op == ReduceL2 {
		for i, v := range y {
			y[i] = sqrt32(v)
		}
	}
}

func logSumExpCols(y, x []float32, axis, from, to, inner int) {
	for j := from; j < to; j++ {
		m := -inf32
		for a := range axis {
			m = max32(m, x[a*inner+j])
		}
		if math.IsInf(float64(m), 0) {
			y[j-from] = m
			continue
		}
		var s float64
		for a := range axis {
			s += math.Exp(float64(x[a*inner+j] - m))
		}
		y[j-from] = m + float32(math.Log(s))
	}
}

func reduceRows(op ReduceOp, y, x []float32, rows, n int) {
	if rows == 1 && n > 4*chunk {
		switch op { // one long row: in pieces
		case ReduceSum:
			y[0] = float32(SumAll(x[:n]))
			return
		case ReduceMean:
			y[0] = float32(SumAll(x[:n]) / float64(n))
			return
		case ReduceSumSquare:
			y[0] = float32(SumSquares(x[:n]))
			return
		case ReduceL2:
			y[0] = float32(math.Sqrt(SumSquares(x[:n])))
			return
		}
	}
	rowChunks(rows, n, func(lo, hi int) {
		for r := lo; r < hi; r++ {
			y[r] = reduceRow(op, x[r*n:(r+1)*n])
		}
	})
}

func reduceRow(op ReduceOp, x []float32) float32 {
	switch op {
	case ReduceSum:
		return float32(sum64(x))
	case ReduceMean:
		return float32(sum64(x) / float64(len(x)))
	case ReduceMax:
		return vec.maxOf(x)
	case ReduceMin:
		m := inf32
		for _, v := range x {
			m = min32(m, v)
		}
		return m
	case ReduceProd:
		p := 1.0
		for _, v := range x {
			p *= float64(v)
		}
		return float32(p)
	case ReduceL1:
		var s float64
		for _, v := range x {
			s += math.Abs(float64(v))
		}
		return float32(s)
	case ReduceL2:
		return float32(math.Sqrt(sumSq64(x)))
	case ReduceSumSquare:
		return float32(sumSq64(x))
	case ReduceLogSumExp:
		return logSumExp(x)
	}
	panic(fmt.Sprintf("kernel: reduction %d", op))
}

// colBlock is the number of rows summed in float32 by one task of a column
// reduction over rows of width c.
func colBlock(c int) int { return max(32, min(256, chunk/max(1, c))) }

// reduceSumCols is y[o,i] = sum over a of x[o,a,i].
func reduceSumCols(y, x []float32, outer, axis, inner int) {
	block := colBlock(inner)
	blocks := (axis + block - 1) / block
	if blocks <= 1 {
		chunks(outer, max(1, chunk/(axis*inner+1)), func(lo, hi int) {
			clear(y[lo*inner : hi*inner])
			for o := lo; o < hi; o++ {
				vec.colSum(y[o*inner:(o+1)*inner], x[o*axis*inner:(o+1)*axis*inner])
			}
		})
		return
	}
	buf := getScratch(outer * blocks * inner)
	defer putScratch(buf)
	Parallel(outer*blocks, func(i int) {
		o, b := i/blocks, i%blocks
		lo, hi := b*block, min((b+1)*block, axis)
		sum := (*buf)[i*inner : (i+1)*inner]
		clear(sum)
		vec.colSum(sum, x[(o*axis+lo)*inner:(o*axis+hi)*inner])
	})
	joinAll(y, *buf, outer, blocks, inner)
}

// joinAll is y[o,j] = the sum over b of part[o,b,j], as joinSums has it.
func joinAll(y, part []float32, outer, blocks, c int) {
	if outer == 1 {
		joinSums(y[:c], part, blocks)
		return
	}
	Parallel(outer, func(o int) {
		for lo := 0; lo < c; lo += joinSpan {
			joinColumns(y[o*c:(o+1)*c], part[o*blocks*c:], blocks, lo, min(lo+joinSpan, c))
		}
	})
}

// joinSums is y[j] = the sum over b of part[b,j], in float64 and in order.
func joinSums(y, part []float32, blocks int) {
	chunks(len(y), joinSpan, func(lo, hi int) { joinColumns(y, part, blocks, lo, hi) })
}

// joinSpan is how many columns joinColumns takes at most.
const joinSpan = 64

// joinColumns is joinSums of columns lo to hi.
func joinColumns(y, part []float32, blocks, lo, hi int) {
	if blocks == 1 {
		copy(y[lo:hi], part[lo:hi])
		return
	}
	c := len(y)
	var acc [joinSpan]float64
	for b := range blocks {
		for j, v := range part[b*c+lo : b*c+hi] {
			acc[j] += float64(v)
		}
	}
	for j := lo; j < hi; j++ {
		y[j] = float32(acc[j-lo])
	}
}

// ColSum is y[j] = sum over i of x[i,j], for x of shape [rows, len(y)]: the
// gradient of a bias.
func ColSum(y, x []float32, rows int) { Reduce(ReduceSum, y, x, 1, rows, len(y)) }

// ArgMax is y[o,i] = the first a with the greatest x[o,a,i]; last picks the last
// of equal ones (ONNX select_last_index). NaN counts as greatest.
func ArgMax(y []int64, x []float32, outer, axis, inner int, last bool) {
	argBest(y, x, outer, axis, inner, func(a, b float32) bool {
		return a > b || (a != a && b == b) || (last && (a == b || (a != a && b != b)))
	})
}

// ArgMin is y[o,i] = the first a with the least x[o,a,i]; last picks the last.
func ArgMin(y []int64, x []float32, outer, axis, inner int, last bool) {
	argBest(y, x, outer, axis, inner, func(a, b float32) bool {
		return a < b || (a != a && b == b) || (last && (a == b || (a != a && b != b)))
	})
}

func argBest(y []int64, x []float32, outer, axis, inner int, better func(a, b float32) bool) {
	rowChunks(outer*inner, axis, func(lo, hi int) {
		for r := lo; r < hi; r++ {
			at := r/inner*axis*inner + r%inner
			best, k := x[at], 0
			for a := 1; a < axis; a++ {
				if v := x[at+a*inner]; better(v, best) {
					best, k = v, a
				}
			}
			y[r] = int64(k)
		}
	})
}
