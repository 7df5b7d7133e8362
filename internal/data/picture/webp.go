package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"

	"golang.org/x/image/webp"
)

// isAnimatedWebP reports whether a file is an animation in the extended WebP format, which
// golang.org/x/image/webp does not read.
func isAnimatedWebP(file []byte) bool {
	const animation = 1 << 1
	return len(file) >= 30 && string(file[:4]) == "RIFF" && string(file[8:16]) == "WEBPVP8X" && file[20]&animation != 0
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

// decodeAnimatedWebP returns the first frame of an animation on its canvas, which is empty around
// it. See Google's WebP Container Specification.
func decodeAnimatedWebP(file []byte) (image.Image, error) {
	width, height := uint24(file[24:])+1, uint24(file[27:])+1
	if width > maxPixels/height {
		return nil, fmt.Errorf("webp: %dx%d pixels are more than %d", width, height, maxPixels)
	}
	frame := chunk(file[12:], "ANMF", binary.LittleEndian, 0, 8, 2)
	if len(frame) < 16 {
		return nil, errors.New("webp: an animation without a whole frame")
	}
	x, y := 2*uint24(frame), 2*uint24(frame[3:])
	m, err := webp.Decode(bytes.NewReader(stillWebP(frame)))
	if err != nil {
		return nil, err
	}
	b := m.Bounds()
	switch {
	case x+b.Dx() > width || y+b.Dy() > height:
		return nil, errors.New("webp: a frame reaches out of the canvas")
	case b.Dx() == width && b.Dy() == height:
		return m, nil
	}
	seen := toRaster(m, "webp", 3).withOpacity(m)
	canvas := image.NewNRGBA(image.Rect(0, 0, width, height))
	for row := range seen.h {
		copy(canvas.Pix[canvas.PixOffset(x, y+row):], seen.row(row))
	}
	return canvas, nil
}

// stillWebP wraps the chunks of a frame (ANMF) as a file of one picture.
func stillWebP(frame []byte) []byte {
	chunks := frame[16:]
	var body []byte
	if len(chunks) >= 4 && string(chunks[:4]) == "ALPH" {
		const opacity = 1 << 4
		body = append(body, "VP8X\x0a\x00\x00\x00"...)
		body = append(body, opacity, 0, 0, 0)
		body = append(body, frame[6:12]...) // width and height
	}
	body = append(body, chunks...)
	out := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(4+len(body)))
	return append(append(out, "WEBP"...), body...)
}
