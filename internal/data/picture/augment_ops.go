package picture

import (
	"math"
	"math/rand/v2"
)

// randOps are the operations of RandAugment. m is the strength from 0 to 1, and fill the colour of
// uncovered pixels. r may be changed.
var randOps = []func(r Raster, m float64, fill []uint8, rng *rand.Rand) Raster{
	func(r Raster, _ float64, _ []uint8, _ *rand.Rand) Raster { return r },
	func(r Raster, _ float64, _ []uint8, _ *rand.Rand) Raster { return autocontrast(r) },
	func(r Raster, _ float64, _ []uint8, _ *rand.Rand) Raster { return equalize(r) },
	func(r Raster, m float64, _ []uint8, _ *rand.Rand) Raster { return solarize(r, 256*(1-m)) },
	func(r Raster, m float64, _ []uint8, _ *rand.Rand) Raster { return posterize(r, 8-int(math.Round(4*m))) },
	func(r Raster, m float64, _ []uint8, rng *rand.Rand) Raster { return brightness(r, 1+sign(rng)*0.9*m) },
	func(r Raster, m float64, _ []uint8, rng *rand.Rand) Raster { return contrast(r, 1+sign(rng)*0.9*m) },
	func(r Raster, m float64, _ []uint8, rng *rand.Rand) Raster { return saturation(r, 1+sign(rng)*0.9*m) },
	func(r Raster, m float64, _ []uint8, rng *rand.Rand) Raster { return sharpness(r, 1+sign(rng)*0.9*m) },
	func(r Raster, m float64, fill []uint8, rng *rand.Rand) Raster {
		sin, cos := math.Sincos(sign(rng) * m * math.Pi / 6)
		return affine(r, [4]float64{cos, -sin, sin, cos}, 0, 0, fill)
	},
	func(r Raster, m float64, fill []uint8, rng *rand.Rand) Raster {
		return affine(r, [4]float64{1, sign(rng) * 0.3 * m, 0, 1}, 0, 0, fill)
	},
	func(r Raster, m float64, fill []uint8, rng *rand.Rand) Raster {
		return affine(r, [4]float64{1, 0, sign(rng) * 0.3 * m, 1}, 0, 0, fill)
	},
	func(r Raster, m float64, fill []uint8, rng *rand.Rand) Raster {
		return affine(r, [4]float64{1, 0, 0, 1}, sign(rng)*0.45*m*float64(r.w), 0, fill)
	},
	func(r Raster, m float64, fill []uint8, rng *rand.Rand) Raster {
		return affine(r, [4]float64{1, 0, 0, 1}, 0, sign(rng)*0.45*m*float64(r.h), fill)
	},
}

func sign(rng *rand.Rand) float64 { return float64(2*rng.IntN(2) - 1) }

func round8(v float64) uint8 { return uint8(min(max(v+0.5, 0), 255)) }

// lookup replaces every sample of channel c by table[c][sample], not those of opacity.
func (r Raster) lookup(table [][256]uint8) Raster {
	for i, v := range r.pix {
		if c := i % r.c; c < colours(r.c) {
			r.pix[i] = table[c][v]
		}
	}
	return r
}

// pointwise replaces every sample v by f(v).
func (r Raster) pointwise(f func(v float64) float64) Raster {
	table := make([][256]uint8, r.c)
	for c := range table {
		for i := range 256 {
			table[c][i] = round8(f(float64(i)))
		}
	}
	return r.lookup(table)
}

func brightness(r Raster, f float64) Raster {
	return r.pointwise(func(v float64) float64 { return f * v })
}

// contrast moves samples away from (f > 1) or towards the mean luma.
func contrast(r Raster, f float64) Raster {
	sum := 0
	luma := r.luma().pix
	for _, v := range luma {
		sum += int(v)
	}
	mean := float64(sum) / float64(len(luma))
	return r.pointwise(func(v float64) float64 { return mean + f*(v-mean) })
}

// saturation moves pixels away from (f > 1) or towards their luma.
func saturation(r Raster, f float64) Raster {
	if r.c < 3 {
		return r
	}
	for i, l := range r.luma().pix {
		for c := range 3 {
			p := &r.pix[r.c*i+c]
			*p = round8(float64(l) + f*(float64(*p)-float64(l)))
		}
	}
	return r
}

// sharpness moves samples away from (f > 1) or towards their weighted 3x3 mean, in which the centre
// has weight five and each neighbour one.
func sharpness(r Raster, f float64) Raster {
	out := Raster{r.w, r.h, r.c, append([]uint8(nil), r.pix...)}
	n := r.w * r.c
	for y := 1; y < r.h-1; y++ {
		for i := y*n + r.c; i < (y+1)*n-r.c; i++ {
			if i%r.c >= colours(r.c) {
				continue
			}
			sum := 4 * int(r.pix[i])
			for _, at := range [3]int{i - n, i, i + n} {
				sum += int(r.pix[at-r.c]) + int(r.pix[at]) + int(r.pix[at+r.c])
			}
			smooth := float64(sum) / 13
			out.pix[i] = round8(smooth + f*(float64(r.pix[i])-smooth))
		}
	}
	return out
}

// solarize inverts samples of at least limit.
func solarize(r Raster, limit float64) Raster {
	return r.pointwise(func(v float64) float64 {
		if v >= limit {
			return 255 - v
		}
		return v
	})
}

// posterize keeps the high bits of each sample.
func posterize(r Raster, bits int) Raster {
	mask := uint8(0xff) << (8 - bits)
	return r.pointwise(func(v float64) float64 { return float64(uint8(v) & mask) })
}

func (r Raster) histograms() [][256]int {
	h := make([][256]int, r.c)
	for i, v := range r.pix {
		h[i%r.c][v]++
	}
	return h
}

// autocontrast stretches each channel so that its smallest sample becomes 0 and its largest 255.
func autocontrast(r Raster) Raster {
	table := make([][256]uint8, r.c)
	for c, h := range r.histograms() {
		lo, hi := 0, 255
		for lo < 255 && h[lo] == 0 {
			lo++
		}
		for hi > lo && h[hi] == 0 {
			hi--
		}
		for i := range 256 {
			if table[c][i] = uint8(i); hi > lo {
				table[c][i] = round8(255 * float64(i-lo) / float64(hi-lo))
			}
		}
	}
	return r.lookup(table)
}

// equalize maps each channel by its cumulative histogram, so that all levels become about equally
// frequent.
func equalize(r Raster) Raster {
	table := make([][256]uint8, r.c)
	n := r.w * r.h
	for c, h := range r.histograms() {
		below := 0
		for i := range 256 {
			table[c][i] = round8(255 * (float64(below) + float64(h[i])/2) / float64(n))
			below += h[i]
		}
	}
	return r.lookup(table)
}

// affine transforms r: out(p) = r(m*(p-centre) + centre + (dx, dy)), interpolated between four
// pixels, with fill outside.
func affine(r Raster, m [4]float64, dx, dy float64, fill []uint8) Raster {
	out := newRaster(r.w, r.h, r.c)
	cx, cy := float64(r.w-1)/2, float64(r.h-1)/2
	at := func(x, y, c int) float64 {
		if x < 0 || y < 0 || x >= r.w || y >= r.h {
			return float64(fill[c])
		}
		return float64(r.pix[(y*r.w+x)*r.c+c])
	}
	i := 0
	for y := range r.h {
		for x := range r.w {
			px, py := float64(x)-cx, float64(y)-cy
			sx, sy := m[0]*px+m[1]*py+cx+dx, m[2]*px+m[3]*py+cy+dy
			x0, y0 := int(math.Floor(sx)), int(math.Floor(sy))
			fx, fy := sx-float64(x0), sy-float64(y0)
			for c := range r.c {
				top := at(x0, y0, c)*(1-fx) + at(x0+1, y0, c)*fx
				low := at(x0, y0+1, c)*(1-fx) + at(x0+1, y0+1, c)*fx
				out.pix[i] = round8(top*(1-fy) + low*fy)
				i++
			}
		}
	}
	return out
}
