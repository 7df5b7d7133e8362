package picture

import "image"

// ycc is a conversion from YCbCr to red, green and blue, as tables with 16 fraction bits. y
// includes one half for rounding.
type ycc struct {
	y, crR, crG, cbG, cbB [256]int32
}

// newYCC makes the tables of r = (y-black)*gain + rv*v, g = ... - gu*u - gv*v, b = ... + bu*u with
// u, v around 0.
func newYCC(black, gain, rv, gu, gv, bu float64) *ycc {
	fix := func(x float64) int32 {
		if x < 0 {
			return int32(x*65536 - 0.5)
		}
		return int32(x*65536 + 0.5)
	}
	t := new(ycc)
	for i := range 256 {
		c := int32(i) - 128
		t.y[i] = fix(gain*(float64(i)-black)) + 1<<15
		t.crR[i], t.crG[i] = fix(rv)*c, -fix(gv)*c
		t.cbG[i], t.cbB[i] = -fix(gu)*c, fix(bu)*c
	}
	return t
}

var (
	// JFIF 1.02: ITU-R BT.601 over the full range of 8 bits.
	jfif = newYCC(0, 1, 1.402, 0.34414, 0.71414, 1.772)
	// WebP: ITU-R BT.601 with luma from 16 to 235 and chroma from 16 to 240. The standard library's
	// colour model treats every YCbCr picture as JFIF, which turns black into 16 and white into
	// 235.
	studio = newYCC(16, 255.0/219, 1.402*255/224, 0.34414*255/224, 0.71414*255/224, 1.772*255/224)
)

func clip16(v int32) uint8 {
	v >>= 16
	if uint32(v) > 255 {
		if v < 0 {
			return 0
		}
		return 255
	}
	return uint8(v)
}

// fromYCbCr converts m, whose bounds start at 0,0.
func fromYCbCr(m *image.YCbCr, t *ycc) Raster {
	out := newRaster(m.Rect.Dx(), m.Rect.Dy(), 3)
	up := newUpsampler(m)
	cb, cr := make([]uint8, out.w), make([]uint8, out.w)
	for y := range out.h {
		up.row(cb, m.Cb, y)
		up.row(cr, m.Cr, y)
		luma := m.Y[y*m.YStride:][:out.w]
		cb, cr := cb[:len(luma)], cr[:len(luma)]
		dst := out.row(y)
		for x, l := range luma {
			if len(dst) < 3 {
				break
			}
			u, v, l := cb[x], cr[x], t.y[l]
			dst[0] = clip16(l + t.crR[v])
			dst[1] = clip16(l + t.cbG[u] + t.crG[v])
			dst[2] = clip16(l + t.cbB[u])
			dst = dst[3:]
		}
	}
	return out
}

// upsampler scales chroma rows to the resolution of luma. Along an axis that is stored at half the
// resolution it interpolates with weights 3/4 and 1/4 and libjpeg's rounding. Go's own conversion
// repeats samples, which is off by tens of grey levels at edges. For rarer ratios samples are
// repeated, as in libjpeg.
type upsampler struct {
	m         *image.YCbCr
	w, h      int // chroma samples
	hor, ver  bool
	sum       []int32
	even, odd int32 // rounding for the first and second of two columns
}

func newUpsampler(m *image.YCbCr) *upsampler {
	u := &upsampler{m: m, w: m.Rect.Dx(), h: m.Rect.Dy(), even: 4, odd: 8}
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio422:
		u.hor = true
	case image.YCbCrSubsampleRatio440:
		u.ver = true
	case image.YCbCrSubsampleRatio420:
		u.hor, u.ver = true, true
		u.even, u.odd = 8, 7
	}
	if u.hor {
		if u.w = (u.w + 1) / 2; u.w <= 2 { // too narrow to interpolate
			u.hor, u.ver = false, false
		}
	}
	if u.ver {
		u.h = (u.h + 1) / 2
	}
	u.sum = make([]int32, u.w)
	return u
}

// row writes the chroma of luma row y, taken from plane.
func (u *upsampler) row(dst, plane []uint8, y int) {
	m := u.m
	switch {
	case !u.hor && !u.ver && m.SubsampleRatio == image.YCbCrSubsampleRatio444:
		copy(dst, plane[y*m.CStride:])
		return
	case !u.hor && !u.ver:
		for x := range dst {
			dst[x] = plane[m.COffset(x, y)]
		}
		return
	case !u.ver:
		for i, c := range plane[y*m.CStride:][:u.w] {
			u.sum[i] = 4 * int32(c)
		}
	default:
		near, far := y/2, y/2-1
		if y%2 == 1 {
			far = near + 1
		}
		far = min(max(far, 0), u.h-1)
		a, b := plane[near*m.CStride:][:len(u.sum)], plane[far*m.CStride:][:len(u.sum)]
		for i := range u.sum {
			u.sum[i] = 3*int32(a[i]) + int32(b[i])
		}
	}
	if !u.hor {
		round := int32(1 + y%2)
		for x, s := range u.sum {
			dst[x] = uint8((s + round) >> 2)
		}
		return
	}
	// Beyond both ends the last sample is repeated.
	last := len(u.sum) - 1
	left, c := u.sum[0], u.sum[0]
	pair := dst
	for _, right := range u.sum[1:] {
		pair[0], pair[1] = uint8((3*c+left+u.even)>>4), uint8((3*c+right+u.odd)>>4)
		left, c, pair = c, right, pair[2:]
	}
	dst[2*last] = uint8((3*c + left + u.even) >> 4)
	if 2*last+1 < len(dst) {
		dst[2*last+1] = uint8((4*c + u.odd) >> 4)
	}
}
