package kernel

// winograd reports whether F(4x4, 3x3) fits the shape and is faster. Blocks of 4 by 4 must not
// waste much of the output. The transformed weights are four times as long, so enough patches must
// share them that reading them costs little compared with the sums.
func (v Conv2D) winograd() bool {
	if v.R != 3 || v.S != 3 || v.StrideH != 1 || v.StrideW != 1 || v.DilH != 1 || v.DilW != 1 ||
		v.Groups != 1 || v.C%16 != 0 || v.K%16 != 0 {
		return false
	}
	oh, ow := v.OutH(), v.OutW()
	blocks := split(oh, 4) * split(ow, 4)
	return 16*blocks <= 2*oh*ow && v.ChosenFor*blocks >= 4*maxRows
}

// transposed is the convolution of stride 1 that gives the gradient of v's input from that of its
// output. Its weights are v's, turned by 180 degrees.
func (v Conv2D) transposed() Conv2D {
	v.H, v.W, v.C, v.K = v.OutH(), v.OutW(), v.K, v.C
	v.PadT, v.PadL, v.PadB, v.PadR = v.R-1-v.PadT, v.S-1-v.PadL, v.R-1-v.PadB, v.S-1-v.PadR
	return v
}

// winoSpan is how many weights of each tap are transformed together.
const winoSpan = 128

// packWinograd packs G g G': 36 components, each packed like the right factor of a product:
//
//	d[panel][component][c*nr+j] = (G g G')[component] with g = w[k0+j][c]
//
// The components of a panel lie together, since they are used together. Packed for a plain sum, the
// weights of a tap are neighbours, so that they are transformed in vectors.
func (p *PackedConv) packWinograd(w []float32) {
	plain := PackedConv{shape: p.shape, grad: p.grad, phases: p.phases, lend: true}
	plain.Pack(w)
	defer putScratch(plain.lent)
	v := p.shape
	if p.grad {
		v = v.transposed()
	}
	panels, step := split(v.K, cpu.nr), v.C*cpu.nr
	p.alloc(36 * panels * step)
	parts := split(step, winoSpan)
	Parallel(panels*parts, func(i int) {
		panel, at := i/parts, i%parts*winoSpan
		winoWeights(p.data[panel*36*step+at:], plain.data[panel*9*step+at:], step, min(winoSpan, step-at))
	})
}

// winoWeights computes the components u of n filters g, at most winoSpan. Components and taps are step
// apart.
//
//	u[(a*6+b)*step+i] = (G g G')[a][b] with g[r][s] = g[(r*3+s)*step+i]
func winoWeights(u, g []float32, step, n int) {
	buf := getScratch(18 * winoSpan)
	defer putScratch(buf)
	row := func(a, s int) []float32 { return (*buf)[(a*3+s)*winoSpan:][:n] } // of G g
	for s := range 3 {
		winoG(func(a int) []float32 { return row(a, s) }, func(r int) []float32 { return g[(r*3+s)*step:][:n] })
	}
	for a := range 6 {
		winoG(func(b int) []float32 { return u[(a*6+b)*step:][:n] }, func(s int) []float32 { return row(a, s) })
	}
}

// winoG multiplies by the matrix G:
//
//	u[0], u[5] = g[0], g[2]
//	u[1], u[2] = -2/3 (g[0] + g[2]/2 +- a g[1])
//	u[3], u[4] = 1/6 (g[0] + 2 g[2] +- b g[1])
func winoG(u, g func(i int) []float32) {
	copy(u(0), g(0))
	copy(u(5), g(2))
	for i, f := range [2][3]float32{{-1. / 3, -2. / 3, -2. / 3 * winoA}, {1. / 3, 1. / 6, 1. / 6 * winoB}} {
		plus, minus := u(1+2*i), u(2+2*i)
		vec.affine(plus, g(2), f[0], negZero)
		vec.axpy(plus, g(0), f[1])
		copy(minus, plus)
		vec.axpy(plus, g(1), f[2])
		vec.axpy(minus, g(1), -f[2])
	}
}
