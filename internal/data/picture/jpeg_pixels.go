package picture

import (
	"errors"
	"image"
)

// image turns the coefficients into pixels. What three channels are is told as libjpeg does: by
// Adobe's marker, else by JFIF's, else by channels that are called R, G and B. Four channels are
// inverted, as Adobe writes them and Pillow assumes.
func (d *jpegDecoder) image() (image.Image, error) {
	if d.components == nil || d.scans == 0 {
		return nil, errors.New("no picture")
	}
	bounds := image.Rect(0, 0, d.w, d.h)
	var planes [][]uint8
	for _, c := range d.components {
		planes = append(planes, d.plane(c))
	}
	if len(planes) == 1 {
		return &image.Gray{Pix: planes[0], Stride: d.w, Rect: bounds}, nil
	}
	colours := &image.YCbCr{Y: planes[0], Cb: planes[1], Cr: planes[2], YStride: d.w, CStride: d.w, Rect: bounds, SubsampleRatio: image.YCbCrSubsampleRatio444}
	ids := [3]int{d.components[0].id, d.components[1].id, d.components[2].id}
	if len(planes) == 3 {
		if rgb := d.adobe == 0 || d.adobe < 0 && !d.jfif && ids == [3]int{'R', 'G', 'B'}; !rgb {
			return colours, nil
		}
		m := image.NewRGBA(bounds)
		for i := range d.w * d.h {
			copy(m.Pix[4*i:], []uint8{planes[0][i], planes[1][i], planes[2][i], 255})
		}
		return m, nil
	}
	m := image.NewCMYK(bounds)
	var rgb Raster
	if d.adobe == 2 {
		rgb = fromYCbCr(colours, jfif)
	}
	for i := range d.w * d.h {
		p := m.Pix[4*i:][:4]
		for c := range 3 {
			if p[c] = 255 - planes[c][i]; d.adobe == 2 {
				p[c] = 255 - (255 - rgb.pix[3*i+c])
			}
		}
		p[3] = 255 - planes[3][i]
	}
	return m, nil
}

// plane is a channel at the resolution of the picture.
func (d *jpegDecoder) plane(c *jpegComponent) []uint8 {
	stride := 8 * c.blocksX
	samples := make([]uint8, stride*8*c.blocksY)
	for i := range c.coefficients {
		inverseDCT(&c.coefficients[i], &d.quant[c.quant], samples[i/c.blocksX*8*stride+i%c.blocksX*8:], stride)
	}
	c.coefficients = nil
	out := make([]uint8, d.w*d.h)
	kx, ky := d.hMax/c.h, d.vMax/c.v
	smooth, ok := map[[2]int]image.YCbCrSubsampleRatio{
		{2, 1}: image.YCbCrSubsampleRatio422, {1, 2}: image.YCbCrSubsampleRatio440, {2, 2}: image.YCbCrSubsampleRatio420}[[2]int{kx, ky}]
	up := newUpsampler(&image.YCbCr{CStride: stride, Rect: image.Rect(0, 0, d.w, d.h), SubsampleRatio: smooth})
	for y := range d.h {
		row := out[y*d.w:][:d.w]
		if ok {
			up.row(row, samples, y)
			continue
		}
		from := samples[y/ky*stride:]
		for x := range row {
			row[x] = from[x/kx]
		}
	}
	return out
}

// inverseDCT writes 8x8 samples. It is the integer transform after Loeffler, Ligtenberg and
// Moschytz (1989) with 13 fraction bits, two bits kept between the passes, as libjpeg's slow method
// has it.
func inverseDCT(coefficients *[64]int16, quant *[64]int32, dst []uint8, stride int) {
	var b [64]int32
	for k, at := range zigzag {
		b[at] = int32(coefficients[at]) * quant[k]
	}
	for x := range 8 {
		butterfly(&b, x, 8, 13-2)
	}
	for y := range 8 {
		butterfly(&b, 8*y, 1, 13+2+3)
		for x := range 8 {
			dst[y*stride+x] = uint8(min(max(b[8*y+x]+128, 0), 255))
		}
	}
}

// butterfly transforms the eight numbers from at on, step apart, and drops bits of fraction.
func butterfly(b *[64]int32, at, step int, bits uint) {
	v := func(i int) int32 { return b[at+i*step] }
	z := (v(2) + v(6)) * 4433
	even2, even3 := z-v(6)*15137, z+v(2)*6270
	even0, even1 := (v(0)+v(4))<<13, (v(0)-v(4))<<13
	e := [4]int32{even0 + even3, even1 + even2, even1 - even2, even0 - even3}
	z1, z2, z3, z4 := (v(7)+v(1))*-7373, (v(5)+v(3))*-20995, v(7)+v(3), v(5)+v(1)
	z5 := (z3 + z4) * 9633
	z3, z4 = z3*-16069+z5, z4*-3196+z5
	o := [4]int32{v(1)*12299 + z1 + z4, v(3)*25172 + z2 + z3, v(5)*16819 + z2 + z4, v(7)*2446 + z1 + z3}
	half := int32(1) << (bits - 1)
	for i := range 4 {
		b[at+i*step], b[at+(7-i)*step] = (e[i]+o[i]+half)>>bits, (e[i]-o[i]+half)>>bits
	}
}
