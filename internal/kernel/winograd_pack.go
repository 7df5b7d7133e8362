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

// Sizes of packing.
const (
	winoSpan   = 128     // weights of each tap that are transformed together
	winoDeep   = 16      // input channels of a task
	winoLasts  = 1 << 21 // floats of packed weights from which on they are packed in stretches, if lent
	winoPacked = 1 << 20 // floats of such a stretch, about
)

// winoStep is the step from component to component of a panel of transformed weights of c channels.
func winoStep(c int) int { return c*cpu.nr + winoPad }

// packWinograd packs G g G': 36 components, each packed like the right factor of a product:
//
//	d[panel][component][c*nr+j] = (G g G')[component] with g = w[k0+j][c]
//
// The components of a panel lie together, since they are used together.
func (p *PackedConv) packWinograd(w []float32) {
	panels, panel := p.winoSize()
	p.alloc(panels * panel)
	p.packWinoPanels(p.data, w, 0, panels)
}

// winoShape is the convolution that Winograd's algorithm runs.
func (p *PackedConv) winoShape() Conv2D {
	if p.grad {
		return p.shape.transposed()
	}
	return p.shape
}

// winoSize is the number of panels of packed weights, and the floats of each.
func (p *PackedConv) winoSize() (panels, panel int) {
	v := p.winoShape()
	return split(v.K, cpu.nr), 36 * winoStep(v.C)
}

// winoStretches reports whether lent weights are packed a stretch at a time: where they are many, and
// only once or twice.
func (p *PackedConv) winoStretches() bool {
	panels, panel := p.winoSize()
	return panels*panel >= winoLasts && p.winoShape().winoByComponent()
}

// winoPanels calls f with all panels, one stretch after the other, as the number of the first, how many
// they are, and their weights. There should be enough of them in a stretch to keep all threads busy,
// with a number of tasks for each.
func (p *PackedConv) winoPanels(tasks int, f func(first, n int, u []float32)) {
	panels, panel := p.winoSize()
	if p.raw == nil {
		f(0, panels, p.data)
		return
	}
	most := min(panels, max(winoPacked/panel, split(2*Threads(), tasks), 1))
	buf := getScratch(most * panel)
	defer putScratch(buf)
	for q := 0; q < panels; q += most {
		n := min(most, panels-q)
		u := (*buf)[:n*panel]
		p.packWinoPanels(u, p.raw, q, n)
		f(q, n, u)
	}
}

// packWinoPanels packs n panels from number first on, in parallel.
func (p *PackedConv) packWinoPanels(d, w []float32, first, n int) {
	depth := p.winoShape().C
	_, panel := p.winoSize()
	parts := split(depth, winoDeep)
	Parallel(n*parts, func(i int) {
		q, c := i/parts, i%parts*winoDeep
		p.packWino(d[q*panel:(q+1)*panel], w, first+q, c, min(c+winoDeep, depth))
	})
}

// packWino packs the input channels from c0 to c1 of a panel. The weights of a tap become neighbours
// first, so that they are transformed in vectors.
func (p *PackedConv) packWino(d, w []float32, panel, c0, c1 int) {
	v, nr := p.winoShape(), cpu.nr
	k0, n := panel*nr, (c1-c0)*nr
	buf := getScratch(9 * n)
	defer putScratch(buf)
	g := *buf
	var off [16]int
	if p.grad { // turned by 180 degrees, and output channels are the input's
		for t := range 9 {
			off[t] = (8 - t) * n
		}
		for c := c0; c < c1; c++ {
			transposePanel(g[(c-c0)*nr:], &off, w[(c*v.K+k0)*9:], 9, min(nr, v.K-k0), 9)
		}
	} else {
		for x := c0 * 9; x < c1*9; x += 16 {
			for e := range off {
				off[e] = (x+e)%9*n + ((x+e)/9-c0)*nr
			}
			transposePanel(g, &off, w[k0*v.C*9+x:], v.C*9, min(nr, v.K-k0), min(16, c1*9-x))
		}
	}
	for at := 0; at < n; at += winoSpan {
		cpu.winoFilter(&winoInput{x: g[at:], row: 3 * n, pixel: n, n: min(winoSpan, n-at), v: d[c0*nr+at:], comp: winoStep(v.C)})
	}
}
