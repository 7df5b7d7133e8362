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

// winoStep is the step from component to component of a panel of transformed weights of c channels.
func winoStep(c int) int { return c*cpu.nr + winoPad }

// packWinograd packs G g G': 36 components, each packed like the right factor of a product:
//
//	d[panel][component][c*nr+j] = (G g G')[component] with g = w[k0+j][c]
//
// The components of a panel lie together, since they are used together. Packed for a plain sum, the
// weights of a tap are neighbours, as the channels of a patch.
func (p *PackedConv) packWinograd(w []float32) {
	plain := PackedConv{shape: p.shape, grad: p.grad, phases: p.phases, lend: true}
	plain.Pack(w)
	defer putScratch(plain.lent)
	v := p.shape
	if p.grad {
		v = v.transposed()
	}
	panels, step, comp := split(v.K, cpu.nr), v.C*cpu.nr, winoStep(v.C)
	p.alloc(36 * panels * comp)
	parts := split(step, winoSpan)
	Parallel(panels*parts, func(i int) {
		panel, at := i/parts, i%parts*winoSpan
		w := plain.data[panel*9*step+at:]
		cpu.winoFilter(&winoInput{x: w, row: 3 * step, pixel: step, n: min(winoSpan, step-at), v: p.data[panel*36*comp+at:], comp: comp})
	})
}
