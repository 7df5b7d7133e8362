package picture

// Raster is a decoded picture: h rows of w pixels of c samples (1 grey, 2 grey and opacity, 3 red
// green blue, 4 red green blue and opacity), 8 bits each, packed.
type Raster struct {
	w, h, c int
	pix     []uint8
}

func newRaster(w, h, c int) Raster {
	return Raster{w, h, c, make([]uint8, w*h*c)}
}

// row returns the samples of row y.
func (r Raster) row(y int) []uint8 {
	n := r.w * r.c
	return r.pix[y*n : (y+1)*n]
}

// crop copies the part of r that starts at column x, row y and is w by h pixels. Pixels outside r
// are black.
func (r Raster) crop(x, y, w, h int) Raster {
	if x == 0 && y == 0 && w == r.w && h == r.h {
		return r
	}
	out := newRaster(w, h, r.c)
	x0, x1 := max(x, 0), min(x+w, r.w)
	if x0 >= x1 {
		return out
	}
	for i := range h {
		if y+i >= 0 && y+i < r.h {
			copy(out.row(i)[(x0-x)*r.c:], r.row(y + i)[x0*r.c:x1*r.c])
		}
	}
	return out
}

// orient undoes an EXIF orientation (1 to 8; anything else counts as 1), so that row 0 is the top
// of the scene.
func (r Raster) orient(o int) Raster {
	if o < 2 || o > 8 {
		return r
	}
	out := Raster{w: r.w, h: r.h, c: r.c, pix: make([]uint8, len(r.pix))}
	if o >= 5 {
		out.w, out.h = r.h, r.w
	}
	// Source position of out's pixel (0,0), and the steps for one column and one row of out, in
	// pixels.
	last, down := r.w-1, r.w*(r.h-1)
	var at, dx, dy int
	switch o {
	case 2: // mirrored left to right
		at, dx, dy = last, -1, r.w
	case 3: // upside down
		at, dx, dy = last+down, -1, -r.w
	case 4: // mirrored top to bottom
		at, dx, dy = down, 1, -r.w
	case 5: // transposed
		at, dx, dy = 0, r.w, 1
	case 6: // needs a quarter turn clockwise
		at, dx, dy = down, -r.w, 1
	case 7: // transposed along the other diagonal
		at, dx, dy = last+down, -r.w, -1
	case 8: // needs a quarter turn anticlockwise
		at, dx, dy = last, r.w, -1
	}
	i := 0
	for y := range out.h {
		p := at + y*dy
		for range out.w {
			copy(out.pix[i:i+r.c], r.pix[p*r.c:])
			i += r.c
			p += dx
		}
	}
	return out
}

// all returns the whole picture.
func (r Raster) all() rect { return rect{0, 0, float64(r.w), float64(r.h)} }
