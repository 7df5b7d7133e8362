package kernel

// Gemm computes c = op(a)*op(b), or c += op(a)*op(b) where acc, and applies
// the epilogue ep (nil for none). op(a) is m by k, op(b) is k by n, c is m by n;
// all are row-major, rows lda, ldb and ldc apart. transA says that a is stored k
// by m, transB that b is stored n by k.
//
//	for i := range m {
//		for j := range n {
//			sum := 0; if acc { sum = c[i*ldc+j] }
//			for p := range k {
//				sum += a[i*lda+p] * b[p*ldb+j]    // a[p*lda+i], b[j*ldb+p]
//			}
//			c[i*ldc+j] = act(sum + ep.Bias[j] + ep.Residual[i*ldc+j])
//		}
//	}
//
// c must not overlap a or b.
func Gemm(transA, transB bool, m, n, k int, a []float32, lda int, b []float32, ldb int, acc bool, c []float32, ldc int, ep *Epilogue) {
	x := newProduct(transA, m, n, k, a, lda, acc, c, ldc, ep)
	defer x.packA()()
	if !transB {
		x.b, x.bks, x.bps = b, ldb, cpu.nr
		if m <= directRows {
			x.run()
			return
		}
		if x.long() {
			x.loose = true
			x.run()
			return
		}
	}
	// Columns are packed and used in blocks that fit a cache beyond the core's.
	const block = 1 << 21 // floats
	width := max(block/max(k, 1)/cpu.nr*cpu.nr, 4*cpu.nr)
	buf := getScratch(packedSize(min(n, width), k))
	defer putScratch(buf)
	for n0 := 0; n0 < n; n0 += width {
		n1 := min(n0+width, n)
		packB(*buf, transB, n0, n1, k, b, ldb)
		x.columns(n0, n1).packed(*buf)
	}
}

// GemmPacked is Gemm with a packed b.
func GemmPacked(transA bool, m int, a []float32, lda int, b *PackedB, acc bool, c []float32, ldc int, ep *Epilogue) {
	x := newProduct(transA, m, b.N, b.K, a, lda, acc, c, ldc, ep)
	x.rowwise = true
	defer x.packA()()
	x.packed(b.data)
}

// directRows is the number of rows up to which packing b costs more than
// reading it in place.
const directRows = 2 * maxRows

// product is a matrix product whose b is given in place or packed.
type product struct {
	m, n, k  int
	a        []float32
	ars, acs int
	ats      int // step from row tile to row tile of a packed a, else 0
	b        []float32
	bks, bps int  // step of k, step from panel to panel
	loose    bool // b is to be packed block by block
	rowwise  bool // a row of c must be the same whatever the number of rows
	c        []float32
	ldc      int
	acc      bool
	ep       Epilogue
}

func newProduct(transA bool, m, n, k int, a []float32, lda int, acc bool, c []float32, ldc int, ep *Epilogue) product {
	x := product{m: m, n: n, k: k, a: a, ars: lda, acs: 1, c: c, ldc: ldc, acc: acc}
	if transA {
		x.ars, x.acs = 1, lda
	}
	if ep != nil {
		x.ep = *ep
	}
	return x
}

// columns is the product with columns n0 to n1 of b.
func (x product) columns(n0, n1 int) product {
	x.n = n1 - n0
	x.c = x.c[n0:]
	if len(x.ep.Bias) > 0 {
		x.ep.Bias = x.ep.Bias[n0:]
	}
	if len(x.ep.Residual) > 0 {
		x.ep.Residual = x.ep.Residual[n0:]
	}
	return x
}

func (x product) packed(b []float32) {
	x.b, x.bks, x.bps = b, cpu.nr, cpu.nr*x.k
	x.run()
}

// Blocks of a product. A row tile of depthBlock stays in the first cache, a
// block of columns of that depth in the second.
const (
	depthBlock  = 512
	columnBlock = 1 << 17 // floats of b
	rowTiles    = 8       // row tiles of a task
)

// run computes the product. The split into tasks, and with it the order of
// every sum, follows from the shape alone.
func (x product) run() {
	if x.m == 0 || x.n == 0 {
		return
	}
	if x.k == 0 { // nothing is read, so the slice may be missing
		x.a, x.b, x.ars, x.acs, x.bks, x.bps = nil, nil, 0, 0, 0, 0
	}
	nr := cpu.nr
	depth := min(x.k, depthBlock)
	ncol := min(split(x.n, nr), max(1, columnBlock/(max(depth, 1)*nr)))
	tiles := split(x.m, cpu.mr)
	rows := split(tiles, rowTiles)
	cols := split(split(x.n, nr), ncol)
	// A small product has as many tasks as are worth handing out: fewer row tiles, then narrower
	// column blocks. A thread keeps its rows, which the operation before has left in its cache.
	want := worthTasks(x.m * x.n * x.k)
	small := rows*cols < want
	if small {
		rows = max(rows, min(tiles, split(want, cols)))
		cols = max(cols, min(split(x.n, nr), split(want, rows)))
		ncol = split(split(x.n, nr), cols)
		cols = split(split(x.n, nr), ncol)
	}
	if x.long() {
		x.splitDepth()
		return
	}
	Parallel(rows*cols, func(i int) {
		row, col := i%rows, i/rows // a block of columns stays in the cache for all rows
		if small {
			row, col = i/cols, i%cols
		}
		t0, t1 := part(row, tiles, rows)
		x.block(t0, t1, tiles, col*ncol*nr, min((col+1)*ncol*nr, x.n))
	})
}

// block computes row tiles t0 to t1 of columns n0 to n1, depth block by depth block.
func (x *product) block(t0, t1, tiles, n0, n1 int) {
	lo, hi, clip := x.ep.clip()
	t := tile{ars: x.ars, acs: x.acs, bks: x.bks, lo: lo, hi: hi, offs: zeroOff[:]}
	parts := max(1, split(x.k, depthBlock))
	b, bps, from := x.b, x.bps, 0
	if x.loose {
		buf := getScratch(packedSize(n1-n0, split(x.k, parts)))
		defer putScratch(buf)
		b, t.bks, from = *buf, cpu.nr, n0
	}
	// Rows that are a multiple of 4 KiB apart share lines of the first cache, so they are copied
	// first.
	var near *[]float32
	if x.acs == 1 && x.ars%1024 == 0 && n1-n0 >= 4*cpu.nr {
		near = getScratch(cpu.mr * (depthBlock + 16))
		defer putScratch(near)
	}
	for kb := range parts {
		k0, k1 := part(kb, x.k, parts)
		first := k0 * x.bks
		if x.loose {
			packSerial(b, false, n1-n0, k1-k0, x.b[k0*x.bks+n0:], x.bks)
			bps, first = cpu.nr*(k1-k0), 0
		}
		last := kb == parts-1
		t.runLen = k1 - k0
		t.acc = x.acc || kb > 0
		t.clip = last && clip
		for i := t0; i < t1; i++ {
			i0, i1 := part(i, x.m, tiles)
			if t.a = x.a[k0*x.acs:]; x.ats > 0 {
				t.a = t.a[i*x.ats:]
			} else {
				t.a = t.a[i0*x.ars:]
			}
			if near != nil {
				t.ars = k1 - k0 + 16
				for r := range i1 - i0 {
					copy((*near)[r*t.ars:], t.a[r*x.ars:r*x.ars+k1-k0])
				}
				t.a = *near
			}
			for r := range i1 - i0 {
				t.crow[r] = r * x.ldc
			}
			for j := n0; j < n1; j += cpu.nr {
				t.b = b[(j-from)/cpu.nr*bps+first:]
				t.soon = nil
				switch next := j + cpu.nr; {
				case i == t0 && next < n1 && bps > cpu.nr: // the first time that these panels are read
					t.soon = t.b[bps:]
				case next >= n1 && i+1 < t1:
					t.soon = x.piece(i+1, tiles, k0, k1-k0)
				}
				t.c = x.c[i0*x.ldc+j:]
				t.bias, t.res = nil, nil
				if kb == 0 && len(x.ep.Bias) > 0 {
					t.bias = x.ep.Bias[j:]
				}
				if kb == 0 && len(x.ep.Residual) > 0 { // it may be c, which later parts find overwritten
					t.res = x.ep.Residual[i0*x.ldc+j:]
				}
				cpu.tile(&t, i1-i0, min(cpu.nr, n1-j))
			}
			if last && x.ep.finishes() {
				x.ep.activateRows(x.c[i0*x.ldc+n0:], i1-i0, x.ldc, n1-n0)
			}
		}
	}
}

// piece is where row tile i reads a from k0 on, if little else lies between.
func (x *product) piece(i, tiles, k0, depth int) []float32 {
	switch i0, _ := part(i, x.m, tiles); {
	case x.ats > 0 && depth == x.k:
		return x.a[i*x.ats:]
	case x.acs == 1 && x.ars <= 2*depth:
		return x.a[i0*x.ars+k0:]
	}
	return nil
}

var zeroOff [1]int
