package kernel

// PackedConv holds the weights of a convolution as a kernel reads them: the
// forward pass's from PackConv, the input gradient's from PackConvGrad. It fits any
// batch and picture size.
type PackedConv struct {
	shape  Conv2D
	grad   bool
	data   []float32
	phases []phase // of the input gradient
}

// PackConv packs weights w (K by C/Groups by R by S) for ConvForward. Of the
// shape it reads K, C, R, S, Groups, strides, dilations and pads.
func PackConv(v Conv2D, w []float32) *PackedConv {
	p := &PackedConv{shape: v.norm()}
	p.Pack(w)
	return p
}

// PackConvGrad packs weights for ConvGradInput.
func PackConvGrad(v Conv2D, w []float32) *PackedConv {
	p := &PackedConv{shape: v.norm(), grad: true}
	if !p.shape.depthwise() {
		p.phases = p.shape.gradPhases()
	}
	p.Pack(w)
	return p
}

// Bytes is the memory the packed form takes.
func (p *PackedConv) Bytes() int { return 4 * len(p.data) }

// Pack packs new values of the same shape, in parallel.
func (p *PackedConv) Pack(w []float32) {
	v := p.shape
	kg, cg, taps := v.K/v.Groups, v.C/v.Groups, v.R*v.S
	switch {
	case v.depthwise():
		p.alloc(v.C * taps)
		packDepthwise(p.data, w, v.C, taps)
	case p.grad:
		size := 0
		for i := range p.phases {
			p.phases[i].at = size
			size += v.Groups * packedSize(cg, kg*len(p.phases[i].taps))
		}
		p.alloc(size)
		for _, ph := range p.phases {
			// The output channels are summed over: w[g*kg+k, c, tap].
			packTaps(p.data[ph.at:], w, v.Groups, kg*cg*taps, cg, taps, kg, cg*taps, ph.taps)
		}
	default:
		p.alloc(v.Groups * packedSize(kg, cg*taps))
		all := make([]int, taps)
		for i := range all {
			all[i] = i
		}
		packTaps(p.data, w, v.Groups, kg*cg*taps, kg, cg*taps, cg, taps, all)
	}
}

func (p *PackedConv) alloc(n int) {
	if len(p.data) != n {
		p.data = Alloc(n)
	}
}

// packTaps packs, for each group and each panel of its n columns, the rows
//
//	d[(t*depth+c)*nr+j] = w[g*wg + j*wj + c*wc + taps[t]]
func packTaps(d, w []float32, groups, wg, n, wj, depth, wc int, taps []int) {
	nr := cpu.nr
	panels := split(n, nr)
	size := len(taps) * depth * nr
	if size == 0 {
		return
	}
	parts := split(size, 1<<16) // of the depth
	group := max(1, (1<<15)/size)
	jobs := split(groups*panels, group)
	Parallel(jobs*parts, func(i int) {
		c0, c1 := part(i%parts, depth, parts)
		for q := i / parts * group; q < min((i/parts+1)*group, groups*panels); q++ {
			j0 := q % panels * nr
			width := min(nr, n-j0)
			src := w[q/panels*wg+j0*wj:]
			dst := d[q*size : (q+1)*size]
			for t, tap := range taps {
				for c := c0; c < c1; c++ {
					row := dst[(t*depth+c)*nr:][:nr]
					k := c*wc + tap
					for j := range row[:width] {
						row[j] = src[k]
						k += wj
					}
					clear(row[width:])
				}
			}
		}
	})
}

// PackConvFrozen packs weights that never change for ConvForward. It may take
// longer and more memory than PackConv.
func PackConvFrozen(v Conv2D, w []float32) *PackedConv { return PackConv(v, w) }
