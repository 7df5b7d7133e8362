package kernel

// maxRows is the largest number of rows of a tile at any level.
const maxRows = 14

// tile is the one inner kernel of products and convolutions: m rows by n columns
// of a result, summed over runs of a shared index. Row i, column j is
//
//	sum := bias[j]                            // 0 where bias is empty
//	if acc { sum += c[crow[i]+j] }
//	for t, off := range offs {
//		for p := range runLen {
//			sum += a[off+i*ars+p*acs] * b[(t*runLen+p)*bks+j]
//		}
//	}
//	sum += res[crow[i]+j]                     // 0 where res is empty
//	if clip { sum = min(max(sum, lo), hi) }
//	c[crow[i]+j] = sum
//
// A product has one run. A convolution has one for each row of its window, or
// for each tap. acs is 1 for row-major a; ars is 1 for transposed a.
//
// The assembly kernels read the fields at fixed offsets: see TestTileLayout.
type tile struct {
	a             []float32
	b             []float32
	c             []float32
	bias, res     []float32
	offs          []int
	runLen        int
	ars, acs, bks int
	crow          [maxRows]int
	lo, hi        float32
	acc, clip     bool
	soon          []float32 // what is read next of a or b, in one piece, to prefetch meanwhile
}

// tileKernel computes a tile; 1 <= m <= mr, 1 <= n <= nr.
type tileKernel func(t *tile, m, n int)

// tileGo is the tile kernel in Go: 4 rows by 8 columns at a time.
func tileGo(t *tile, m, n int) {
	var sum [goRows][goCols]float32
	for i := range m {
		if len(t.bias) > 0 {
			copy(sum[i][:n], t.bias)
		}
		if t.acc {
			for j, v := range t.c[t.crow[i]:][:n] {
				sum[i][j] += v
			}
		}
	}
	for i := 0; i < m; i += 2 {
		i1 := min(i+1, m-1) // an odd last row is computed twice, stored once
		for j := 0; j < n; j += 4 {
			w := min(4, n-j)
			var s [2][4]float32
			copy(s[0][:w], sum[i][j:])
			copy(s[1][:w], sum[i1][j:])
			if w == 4 {
				t.sum2x4(&s, i, i1, j)
			} else {
				t.sum2(&s, i, i1, j, w)
			}
			copy(sum[i1][j:j+w], s[1][:])
			copy(sum[i][j:j+w], s[0][:])
		}
	}
	for i := range m {
		row := sum[i][:n]
		if len(t.res) > 0 {
			for j, v := range t.res[t.crow[i]:][:n] {
				row[j] += v
			}
		}
		if t.clip {
			for j, v := range row {
				if v < t.lo {
					row[j] = t.lo
				}
				if v > t.hi {
					row[j] = t.hi
				}
			}
		}
		copy(t.c[t.crow[i]:], row)
	}
}

// The tile of the generic level.
const goRows, goCols = 4, 8

// sum2x4 adds to s the products of rows i0 and i1 with columns j to j+4.
func (t *tile) sum2x4(s *[2][4]float32, i0, i1, j int) {
	s00, s01, s02, s03 := s[0][0], s[0][1], s[0][2], s[0][3]
	s10, s11, s12, s13 := s[1][0], s[1][1], s[1][2], s[1][3]
	kb := j
	for _, off := range t.offs {
		k0, k1 := off+i0*t.ars, off+i1*t.ars
		for range t.runLen {
			b := t.b[kb : kb+4 : kb+4]
			x, y := t.a[k0], t.a[k1]
			s00 += x * b[0]
			s01 += x * b[1]
			s02 += x * b[2]
			s03 += x * b[3]
			s10 += y * b[0]
			s11 += y * b[1]
			s12 += y * b[2]
			s13 += y * b[3]
			kb += t.bks
			k0 += t.acs
			k1 += t.acs
		}
	}
	s[0] = [4]float32{s00, s01, s02, s03}
	s[1] = [4]float32{s10, s11, s12, s13}
}

// sum2 is sum2x4 for w columns.
func (t *tile) sum2(s *[2][4]float32, i0, i1, j, w int) {
	kb := j
	for _, off := range t.offs {
		k0, k1 := off+i0*t.ars, off+i1*t.ars
		for range t.runLen {
			for c, v := range t.b[kb : kb+w] {
				s[0][c] += t.a[k0] * v
				s[1][c] += t.a[k1] * v
			}
			kb += t.bks
			k0 += t.acs
			k1 += t.acs
		}
	}
}

// split cuts n into even parts of at most size and returns their number; part
// i is [i*n/parts, (i+1)*n/parts).
func split(n, size int) (parts int) { return (n + size - 1) / size }

func part(i, n, parts int) (lo, hi int) { return i * n / parts, (i + 1) * n / parts }
