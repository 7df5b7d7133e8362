package kernel

// PackedB is a constant right factor, laid out as the kernels read it: panels
// of a few columns, each k by width, the last one filled up with zeros.
type PackedB struct {
	K, N int
	data []float32
}

// PackB packs b for GemmPacked. b is k by n with rows ldb apart, or with
// transB n by k.
func PackB(transB bool, n, k int, b []float32, ldb int) *PackedB {
	p := &PackedB{K: k, N: n, data: Alloc(packedSize(n, k))}
	p.Pack(transB, b, ldb)
	return p
}

// Pack packs new values of the same shape.
func (p *PackedB) Pack(transB bool, b []float32, ldb int) {
	packB(p.data, transB, 0, p.N, p.K, b, ldb)
}

func packedSize(n, k int) int { return split(n, cpu.nr) * cpu.nr * k }

// packB packs columns n0 to n1 in parallel.
func packB(dst []float32, transB bool, n0, n1, k int, b []float32, ldb int) {
	nr := cpu.nr
	panels := split(n1-n0, nr)
	if panels == 0 || k == 0 {
		return
	}
	// A task is about 32 K floats: some panels, or a stretch of one.
	const work = 1 << 15
	kparts := split(nr*k, work)
	group := max(1, work/(nr*k))
	groups := split(panels, group)
	Parallel(groups*kparts, func(i int) {
		k0, k1 := part(i%kparts, k, kparts)
		for p := i / kparts * group; p < min((i/kparts+1)*group, panels); p++ {
			j0 := n0 + p*nr
			j1 := min(j0+nr, n1)
			d := dst[p*nr*k+k0*nr : p*nr*k+k1*nr]
			if transB {
				packPanelT(d, b[j0*ldb+k0:], ldb, j1-j0, k1-k0)
			} else {
				packPanel(d, b[k0*ldb+j0:], ldb, j1-j0, k1-k0)
			}
		}
	})
}

// packPanel copies k rows of n columns, ld apart, to rows of the panel width.
func packPanel(d, b []float32, ld, n, k int) {
	nr := cpu.nr
	for p := range k {
		row := d[p*nr : (p+1)*nr]
		switch n { // of a whole panel, in moves of known length
		case 16:
			*(*[16]float32)(row) = *(*[16]float32)(b[p*ld:])
		case 32:
			*(*[32]float32)(row) = *(*[32]float32)(b[p*ld:])
		default:
			copy(row, b[p*ld:p*ld+n])
		}
		clear(row[n:])
	}
}

// packPanelT does the same for the transposed matrix: n rows of k columns.
func packPanelT(d, b []float32, ld, n, k int) {
	nr := cpu.nr
	var off [16]int
	for i := range off {
		off[i] = i * nr
	}
	for p := 0; p < k; p += 16 {
		transposePanel(d[p*nr:], &off, b[p:], ld, n, min(16, k-p))
	}
}

// packA copies a transposed a to consecutive tiles, as its row tiles use only a small part of every
// cache line that they touch. In a tile the rows are neighbours, and columns follow each other. It
// returns the function that frees the copy.
func (x *product) packA() (free func()) {
	mr := cpu.mr
	if x.acs == 1 || mr > 8 || x.m <= mr || x.n < 4*cpu.nr || x.k < mr {
		return func() {}
	}
	tiles := split(x.m, mr)
	step := mr*x.k + 16 // tiles begin in different lines of the first cache
	buf := getScratch(tiles * step)
	dst, src, acs := *buf, x.a, x.acs
	// A task reads stretches of about a page, and writes to as many lines as the first cache has
	// room for.
	groups, parts := split(tiles, 128), split(x.k, 64)
	Parallel(groups*parts, func(i int) {
		t0, t1 := part(i/parts, tiles, groups)
		k0, k1 := part(i%parts, x.k, parts)
		for p := k0; p < k1; p++ {
			row := src[p*acs:]
			for t := t0; t < t1; t++ {
				i0, i1 := part(t, x.m, tiles)
				d := dst[t*step+p*mr:]
				if mr == 6 && i0+6 <= x.m { // more than its rows may be copied, and faster
					*(*[6]float32)(d) = *(*[6]float32)(row[i0:])
				} else {
					copy(d, row[i0:i1])
				}
			}
		}
	})
	x.a, x.ars, x.acs, x.ats = dst, 1, mr, step
	return func() { putScratch(buf) }
}
