// Package picture turns encoded pictures into model inputs: decoding, resizing, cropping, scaling,
// augmentation. It knows nothing of folders, labels or training. [Pipeline] processes one picture:
//
//	JPEG, PNG, GIF, BMP, TIFF, WebP, PNM -> Raster -> resized, cropped or augmented -> values
package picture

import (
	"encoding/binary"
	"math/rand/v2"
)

// Write writes the model's input for a picture from Canvas. whole says that the picture has not
// been cropped yet. It is augmented by a with the numbers of rng, or not augmented if a is nil. r
// is not changed. Write panics if dst does not hold Len values.
func (pl *Pipeline) Write(r Raster, whole bool, a *Augment, rng *rand.Rand, dst []float32) {
	switch {
	case a != nil:
		r = a.apply(r, pl, rng)
	case whole && !pl.DoPad:
		c := pl.center(r.w, r.h)
		r = r.crop(c.x, c.y, c.w, c.h)
	}
	pl.values(r, dst)
}

// Len returns the number of bytes that a picture takes in memory.
func (r Raster) Len() int { return len(r.pix) }

// Bytes returns the picture in two parts, for Restore: width and height, then the samples.
func (r Raster) Bytes() (head, samples []byte) {
	head = binary.LittleEndian.AppendUint32(nil, uint32(r.w))
	return binary.LittleEndian.AppendUint32(head, uint32(r.h)), r.pix
}

// Restore returns a picture that Canvas made and Bytes wrote. ok is false for anything else.
func (pl *Pipeline) Restore(b []byte, whole bool) (r Raster, ok bool) {
	if len(b) < 8 {
		return r, false
	}
	r = Raster{w: int(binary.LittleEndian.Uint32(b)), h: int(binary.LittleEndian.Uint32(b[4:])), c: pl.Channels, pix: b[8:]}
	fits := r.w > 0 && r.h > 0 && r.w <= maxCanvas/r.h && len(r.pix) == r.w*r.h*r.c
	return r, fits && (whole || pl.DoPad || r.w == pl.Width && r.h == pl.Height)
}
