package kernel

import "sync/atomic"

// PackedConv holds the weights of a convolution as a kernel reads them: the
// forward pass's from PackConv, the input gradient's from PackConvGrad. It fits any
// batch and picture size.
type PackedConv struct {
	shape  Conv2D
	grad   bool
	wino   bool // for Winograd's algorithm
	data   []float32
	lent   *[]float32 // what data is a part of, while it is lent
	lend   bool
	raw    []float32              // lent weights that are packed where they are used
	phases []phase                // of the input gradient
	walked atomic.Pointer[dwWalk] // of the last depthwise shape
}

// PackConv packs weights w (K by C/Groups by R by S) for ConvForward. It uses K, C, R, S, Groups,
// strides, dilations and pads of the shape. If w is nil, nothing is packed yet.
//
// Windows of 3 by 3 with stride 1 are computed by Winograd's F(4x4, 3x3), whose rounding errors are
// about twice those of a plain sum, where that is faster. It needs four times the memory. ChosenFor, H
// and W of the shape are used to judge whether it pays; other sizes work as well.
func PackConv(v Conv2D, w []float32) *PackedConv {
	p := &PackedConv{shape: v.norm()}
	p.wino = p.shape.winograd()
	return p.first(w)
}

// PackConvGrad packs weights for ConvGradInput, or none yet.
func PackConvGrad(v Conv2D, w []float32) *PackedConv {
	p := &PackedConv{shape: v.norm(), grad: true}
	p.wino = p.shape.winograd() && p.shape.transposed().winograd()
	if !p.shape.depthwise() {
		p.phases = p.shape.gradPhases()
	}
	return p.first(w)
}

func (p *PackedConv) first(w []float32) *PackedConv {
	if w != nil {
		p.Pack(w)
	}
	return p
}

// Lend packs w for as long as use runs, into memory that all layers share. It is for weights that
// change before they are used again. Winograd's weights, where they are many, are packed a stretch at a
// time while use runs.
func (p *PackedConv) Lend(w []float32, use func()) {
	if p.wino && p.winoStretches() {
		p.raw = w
		defer func() { p.raw = nil }()
		use()
		return
	}
	p.lend = true
	defer func() {
		if p.lent != nil {
			putScratch(p.lent)
		}
		p.data, p.lent, p.lend = nil, nil, false
	}()
	p.Pack(w)
	use()
}

// Pack packs new values of the same shape, in parallel.
func (p *PackedConv) Pack(w []float32) {
	v := p.shape
	switch {
	case v.depthwise():
		p.alloc(v.C * v.R * v.S)
		packDepthwise(p.data, w, v.C, v.R*v.S)
	case p.wino:
		p.packWinograd(w)
	case p.grad:
		p.packGrad(w)
	default:
		p.packForward(w)
	}
}

func (p *PackedConv) alloc(n int) {
	switch {
	case p.lend:
		p.lent = getScratch(n)
		p.data = (*p.lent)[:n]
	case len(p.data) != n:
		p.data = Alloc(n)
	}
}

// packWork is how many floats a task of packing reads, about.
const packWork = 1 << 15

// packForward packs panels of output channels over taps and input channels:
//
//	d[panel][(t*cg+c)*nr+j] = w[k0+j][c*taps+t]
func (p *PackedConv) packForward(w []float32) {
	v := p.shape
	nr, kg, cg, taps := cpu.nr, v.K/v.Groups, v.C/v.Groups, v.R*v.S
	depth := cg * taps
	p.alloc(v.Groups * packedSize(kg, depth))
	per := split(kg, nr) // panels of a group
	panels := v.Groups * per
	parts := split(nr*depth, packWork)
	group := max(1, packWork/(nr*depth))
	Parallel(split(panels, group)*parts, func(i int) {
		lo, hi := part(i%parts, depth, parts)
		for q := i / parts * group; q < min((i/parts+1)*group, panels); q++ {
			j := q % per * nr
			src := w[(q/per*kg+j)*depth:]
			for x := lo; x < hi; x += 16 {
				var off [16]int
				for e := range off {
					c, t := (x+e)/taps, (x+e)%taps
					off[e] = (t*cg + c) * nr
				}
				transposePanel(p.data[q*depth*nr:], &off, src[x:], depth, min(nr, kg-j), min(16, hi-x))
			}
		}
	})
}

// packGrad packs, for each phase, panels of input channels over the phase's
// taps and the output channels:
//
//	d[phase][panel][(t*kg+k)*nr+j] = w[g*kg+k][c0+j][taps[t]]
func (p *PackedConv) packGrad(w []float32) {
	v := p.shape
	nr, kg, cg, taps := cpu.nr, v.K/v.Groups, v.C/v.Groups, v.R*v.S
	per := split(cg, nr)
	panels := v.Groups * per
	// Every tap belongs to one phase: where its rows start and how long a panel of the phase is.
	at, size := make([]int, taps), make([]int, taps)
	total := 0
	for i := range p.phases {
		ph := &p.phases[i]
		ph.at = total
		panel := len(ph.taps) * kg * nr
		for x, t := range ph.taps {
			at[t] = total + x*kg*nr
			size[t] = panel
		}
		total += panels * panel
	}
	p.alloc(total)
	parts := split(nr*kg*taps, packWork)
	group := max(1, packWork/(nr*kg*taps))
	Parallel(split(panels, group)*parts, func(i int) {
		lo, hi := part(i%parts, kg, parts)
		for q := i / parts * group; q < min((i/parts+1)*group, panels); q++ {
			j := q % per * nr
			if taps == 1 { // rows already lie as they are read
				packPanel(p.data[at[0]+q*size[0]+lo*nr:], w[(q/per*kg+lo)*cg+j:], cg, min(nr, cg-j), hi-lo)
				continue
			}
			for k := lo; k < hi; k++ {
				src := w[((q/per*kg+k)*cg+j)*taps:]
				for t := 0; t < taps; t += 16 {
					n := min(16, taps-t)
					var off [16]int
					for e := range n {
						off[e] = at[t+e] + q*size[t+e] + k*nr
					}
					transposePanel(p.data, &off, src[t:], taps, min(nr, cg-j), n)
				}
			}
		}
	})
}
