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

// PackConvFrozen packs weights that never change for ConvForward. It may take longer to pack and
// four times the memory of PackConv, and then the forward pass is faster: stride 1 windows of 3 by
// 3 are computed by Winograd's F(4x4, 3x3), whose rounding errors are about twice those of a plain
// sum. ChosenFor, H and W of the shape are used to judge whether that pays; other sizes work as well.
func PackConvFrozen(v Conv2D, w []float32) *PackedConv {
	p := &PackedConv{shape: v.norm()}
	p.wino = p.shape.winograd()
	p.Pack(w)
	return p
}

// packWinograd packs G g G': 36 components, each packed like the right factor of a product:
//
//	d[panel][component][c*nr+j] = (G g G')[component] with g = w[k0+j][c]
//
// The components of a panel lie together, since they are used together.
func (p *PackedConv) packWinograd(w []float32) {
	v := p.shape
	nr := cpu.nr
	panels := split(v.K, nr)
	p.alloc(36 * packedSize(v.K, v.C))
	parts := split(v.C, 32)
	Parallel(panels*parts, func(i int) {
		k0 := i / parts * nr
		lo, hi := part(i%parts, v.C, parts)
		panel := p.data[k0*36*v.C:]
		for j := range min(nr, v.K-k0) {
			for c := lo; c < hi; c++ {
				g := w[((k0+j)*v.C+c)*9:][:9]
				var cols [3][6]float64
				for s := range cols {
					cols[s] = winoG(&[3]float64{float64(g[s]), float64(g[3+s]), float64(g[6+s])})
				}
				for a := range 6 {
					for b, u := range winoG(&[3]float64{cols[0][a], cols[1][a], cols[2][a]}) {
						panel[((a*6+b)*v.C+c)*nr+j] = float32(u)
					}
				}
			}
		}
	})
}
