package picture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
)

// decodeJPEG reads the JPEG files that the standard library does not: chroma at any whole ratio and
// unlike for its two channels, and four channels without Adobe's marker. It is baseline and
// progressive Huffman coding of 8 bits (ITU-T T.81), and gives libjpeg's values. Arithmetic coding is
// not read.
func decodeJPEG(file []byte) (image.Image, error) {
	d := &jpegDecoder{file: file, adobe: -1}
	if err := d.segments(); err != nil {
		return nil, fmt.Errorf("jpeg: %w", err)
	}
	m, err := d.image()
	if err != nil {
		return nil, fmt.Errorf("jpeg: %w", err)
	}
	return m, nil
}

type jpegDecoder struct {
	file        []byte
	at          int
	w, h        int
	components  []*jpegComponent
	hMax, vMax  int
	mcuX, mcuY  int // minimum coded units
	progressive bool
	quant       [4][64]int32 // by zigzag position
	huffman     [2][4]*huffman
	restart     int // units between restarts, 0 for none
	adobe       int // the colour transform of Adobe's marker, -1 without one
	jfif        bool
	scans       int
	bits        jpegBits
}

// jpegComponent is one channel: its blocks of coefficients, in the order of rows.
type jpegComponent struct {
	id, h, v, quant  int
	blocksX, blocksY int // that are stored, whole units
	coefficients     [][64]int16
	dc, ac           *huffman
	predicted        int
}

// zigzag is the position in a block of the k-th coefficient of the file.
var zigzag = [64]uint8{
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
}

var errJPEGShort = errors.New("cut off")

// maxScans bounds the work that a small file can ask for.
const maxScans = 256

// segments reads the file up to its end.
func (d *jpegDecoder) segments() error {
	for d.at = 2; ; {
		for d.at < len(d.file) && d.file[d.at] != 0xff { // what decoders pass over
			d.at++
		}
		for d.at < len(d.file) && d.file[d.at] == 0xff {
			d.at++
		}
		if d.at >= len(d.file) {
			return errJPEGShort
		}
		marker := d.file[d.at]
		d.at++
		switch {
		case marker == 0xd9:
			return nil
		case marker == 0 || marker == 1 || marker >= 0xd0 && marker <= 0xd8:
			continue
		}
		if d.at+2 > len(d.file) {
			return errJPEGShort
		}
		n := int(binary.BigEndian.Uint16(d.file[d.at:]))
		if n < 2 || d.at+n > len(d.file) {
			return errJPEGShort
		}
		body := d.file[d.at+2 : d.at+n]
		d.at += n
		if err := d.segment(marker, body); err != nil {
			return err
		}
	}
}

func (d *jpegDecoder) segment(marker byte, body []byte) error {
	switch marker {
	case 0xc0, 0xc1, 0xc2:
		d.progressive = marker == 0xc2
		return d.frame(body)
	case 0xc4:
		return d.huffmanTables(body)
	case 0xdb:
		return d.quantTables(body)
	case 0xdd:
		if len(body) < 2 {
			return errJPEGShort
		}
		d.restart = int(binary.BigEndian.Uint16(body))
	case 0xda:
		return d.scan(body)
	case 0xe0:
		d.jfif = d.jfif || len(body) >= 5 && string(body[:5]) == "JFIF\x00"
	case 0xee:
		if len(body) >= 12 && string(body[:5]) == "Adobe" {
			d.adobe = int(body[11])
		}
	case 0xc9, 0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf:
		return errors.New("arithmetic coding is not read")
	case 0xc3, 0xc5, 0xc6, 0xc7:
		return errors.New("lossless and hierarchical coding are not read")
	}
	return nil
}

func (d *jpegDecoder) frame(b []byte) error {
	switch {
	case d.components != nil:
		return errors.New("two frames")
	case len(b) < 6 || len(b) < 6+3*int(b[5]):
		return errJPEGShort
	case b[0] != 8:
		return fmt.Errorf("%d bits a sample are not read", b[0])
	}
	d.h, d.w = int(binary.BigEndian.Uint16(b[1:])), int(binary.BigEndian.Uint16(b[3:]))
	n := int(b[5])
	if d.w == 0 || d.h == 0 || n != 1 && n != 3 && n != 4 || d.w > maxPixels/d.h {
		return fmt.Errorf("%dx%d pixels of %d channels", d.w, d.h, n)
	}
	for i := range n {
		c := &jpegComponent{id: int(b[6+3*i]), h: int(b[7+3*i] >> 4), v: int(b[7+3*i] & 15), quant: int(b[8+3*i])}
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 || c.quant > 3 {
			return fmt.Errorf("channel %d is sampled %dx%d", i, c.h, c.v)
		}
		if n == 1 {
			c.h, c.v = 1, 1
		}
		d.components = append(d.components, c)
		d.hMax, d.vMax = max(d.hMax, c.h), max(d.vMax, c.v)
	}
	d.mcuX, d.mcuY = (d.w+8*d.hMax-1)/(8*d.hMax), (d.h+8*d.vMax-1)/(8*d.vMax)
	blocks := 0
	for _, c := range d.components {
		blocks += d.mcuX * c.h * d.mcuY * c.v
	}
	if blocks > 8*len(d.file) { // each takes a bit at least: a header alone costs no memory
		return errJPEGShort
	}
	for i, c := range d.components {
		if d.hMax%c.h != 0 || d.vMax%c.v != 0 {
			return fmt.Errorf("channel %d is sampled %dx%d of %dx%d, which libjpeg does not read either", i, c.h, c.v, d.hMax, d.vMax)
		}
		c.blocksX, c.blocksY = d.mcuX*c.h, d.mcuY*c.v
		c.coefficients = make([][64]int16, c.blocksX*c.blocksY)
	}
	return nil
}

func (d *jpegDecoder) quantTables(b []byte) error {
	for len(b) > 0 {
		wide, t := b[0]>>4, b[0]&15
		size := 1 + 64*(1+int(wide))
		if t > 3 || wide > 1 || len(b) < size {
			return errors.New("a damaged quantisation table")
		}
		for i := range 64 {
			if wide == 1 {
				d.quant[t][i] = int32(binary.BigEndian.Uint16(b[1+2*i:]))
			} else {
				d.quant[t][i] = int32(b[1+i])
			}
		}
		b = b[size:]
	}
	return nil
}

// huffman is a code: the symbols in the order of their codes, and for each length the first code
// and where its symbols begin.
type huffman struct {
	symbols      []byte
	first, count [17]int
	begin        [17]int
}

func (d *jpegDecoder) huffmanTables(b []byte) error {
	for len(b) > 0 {
		if len(b) < 17 || b[0]>>4 > 1 || b[0]&15 > 3 {
			return errors.New("a damaged Huffman table")
		}
		t, code, n := &huffman{}, 0, 0
		for length := 1; length <= 16; length++ {
			t.first[length], t.begin[length], t.count[length] = code, n, int(b[length])
			n += int(b[length])
			code = (code + int(b[length])) << 1
		}
		if n > 256 || len(b) < 17+n {
			return errors.New("a damaged Huffman table")
		}
		t.symbols = b[17 : 17+n]
		d.huffman[b[0]>>4][b[0]&15] = t
		b = b[17+n:]
	}
	return nil
}

// jpegBits reads the entropy-coded bits of a scan. The first error sticks.
type jpegBits struct {
	file []byte
	at   int
	acc  uint
	n    int
	err  error
}

func (r *jpegBits) bit() int {
	if r.n == 0 {
		if r.at >= len(r.file) || r.file[r.at] == 0xff && (r.at+1 >= len(r.file) || r.file[r.at+1] != 0) {
			if r.err == nil {
				r.err = errJPEGShort
			}
			return 0
		}
		r.acc, r.n = uint(r.file[r.at]), 8
		if r.at++; r.acc == 0xff {
			r.at++
		}
	}
	r.n--
	return int(r.acc>>r.n) & 1
}

func (r *jpegBits) bits(n int) int {
	v := 0
	for range n {
		v = v<<1 | r.bit()
	}
	return v
}

// signed reads a number of n bits in the form of T.81's EXTEND.
func (r *jpegBits) signed(n int) int {
	v := r.bits(n)
	if n > 0 && v < 1<<(n-1) {
		v -= 1<<n - 1
	}
	return v
}

func (r *jpegBits) symbol(t *huffman) int {
	code := 0
	for length := 1; length <= 16; length++ {
		code = code<<1 | r.bit()
		if k := code - t.first[length]; k >= 0 && k < t.count[length] {
			return int(t.symbols[t.begin[length]+k])
		}
	}
	if r.err == nil {
		r.err = errors.New("damaged data")
	}
	return 0
}

// jpegScan is what one scan codes of its blocks.
type jpegScan struct {
	from, to  int // coefficients by zigzag position
	high, low int // successive approximation: bits known before, and after
	run       int // blocks that end here
}

func (d *jpegDecoder) scan(b []byte) error {
	if len(b) < 1 || len(b) < 4+2*int(b[0]) || d.components == nil {
		return errJPEGShort
	}
	if d.scans++; d.scans > maxScans {
		return fmt.Errorf("more than %d scans", maxScans)
	}
	n := int(b[0])
	s := jpegScan{from: int(b[1+2*n]), to: int(b[2+2*n]), high: int(b[3+2*n] >> 4), low: int(b[3+2*n] & 15)}
	if !d.progressive {
		s = jpegScan{to: 63}
	}
	if s.from > s.to || s.to > 63 || s.from > 0 && n != 1 || s.low > 13 || d.progressive && s.from == 0 && s.to != 0 {
		return errors.New("a damaged scan")
	}
	var in []*jpegComponent
	for i := range n {
		for _, c := range d.components {
			if c.id == int(b[1+2*i]) {
				c.dc, c.ac = d.huffman[0][b[2+2*i]>>4&3], d.huffman[1][b[2+2*i]&3]
				if c.dc == nil && s.from == 0 && s.high == 0 || c.ac == nil && s.to > 0 {
					return errors.New("a Huffman table is missing")
				}
				in = append(in, c)
				break
			}
		}
	}
	if len(in) != n || n == 0 {
		return errors.New("a scan of unknown channels")
	}
	d.bits = jpegBits{file: d.file, at: d.at}
	unitsX, unitsY := d.mcuX, d.mcuY
	if n == 1 { // the blocks of the channel alone
		unitsX, unitsY = d.blocks(in[0])
	}
	d.reset(&s)
	for u := range unitsX * unitsY {
		if d.restart > 0 && u > 0 && u%d.restart == 0 {
			if err := d.nextRestart(); err != nil {
				return err
			}
			d.reset(&s)
		}
		x, y := u%unitsX, u/unitsX
		for _, c := range in {
			if n == 1 {
				d.block(&s, c, x, y)
				continue
			}
			for k := range c.h * c.v {
				d.block(&s, c, x*c.h+k%c.h, y*c.v+k/c.h)
			}
		}
		if d.bits.err != nil {
			return d.bits.err
		}
	}
	d.at = d.bits.at
	return nil
}

// size is a channel's size in samples, blocks its size in blocks that hold some.
func (d *jpegDecoder) size(c *jpegComponent) (w, h int) {
	return (d.w*c.h + d.hMax - 1) / d.hMax, (d.h*c.v + d.vMax - 1) / d.vMax
}

func (d *jpegDecoder) blocks(c *jpegComponent) (x, y int) {
	w, h := d.size(c)
	return (w + 7) / 8, (h + 7) / 8
}

func (d *jpegDecoder) reset(s *jpegScan) {
	s.run = 0
	for _, c := range d.components {
		c.predicted = 0
	}
}

// nextRestart passes over a restart marker.
func (d *jpegDecoder) nextRestart() error {
	r := &d.bits
	r.n = 0
	for r.at+1 < len(r.file) && r.file[r.at] == 0xff && r.file[r.at+1] == 0xff {
		r.at++
	}
	if r.at+2 > len(r.file) || r.file[r.at] != 0xff || r.file[r.at+1]&^7 != 0xd0 {
		return errors.New("a restart marker is missing")
	}
	r.at += 2
	return nil
}

// block reads what a scan says of one block.
func (d *jpegDecoder) block(s *jpegScan, c *jpegComponent, x, y int) {
	b, r := &c.coefficients[y*c.blocksX+x], &d.bits
	k := s.from
	switch {
	case k == 0 && s.high > 0:
		b[0] |= int16(r.bit() << s.low)
		return
	case k == 0:
		c.predicted += r.signed(r.symbol(c.dc) & 15)
		b[0] = int16(c.predicted << s.low)
		k = 1
	case s.high > 0:
		s.refine(r, c.ac, b)
		return
	}
	if s.run > 0 {
		s.run--
		return
	}
	for k <= s.to && r.err == nil {
		symbol := r.symbol(c.ac)
		zeros, n := symbol>>4, symbol&15
		switch {
		case n > 0:
			if k += zeros; k > 63 {
				r.err = errors.New("damaged data")
				return
			}
			b[zigzag[k]] = int16(r.signed(n) << s.low)
			k++
		case zeros == 15:
			k += 16
		case d.progressive:
			s.run = 1<<zeros - 1 + r.bits(zeros)
			return
		default:
			return
		}
	}
}

// refine adds one bit to the coefficients of a block.
func (s *jpegScan) refine(r *jpegBits, ac *huffman, b *[64]int16) {
	bit := int16(1) << s.low
	k := s.from
	// pass refines what is known from k on, up to the coefficient behind so many zeros.
	pass := func(zeros int) {
		for ; k <= s.to; k++ {
			switch v := &b[zigzag[k]]; {
			case *v == 0:
				if zeros == 0 {
					return
				}
				zeros--
			case r.bit() == 0 || *v&bit != 0 && *v > 0 || -*v&bit != 0 && *v < 0:
			case *v > 0:
				*v += bit
			default:
				*v -= bit
			}
		}
	}
	for s.run == 0 && k <= s.to && r.err == nil {
		symbol := r.symbol(ac)
		zeros, n := symbol>>4, symbol&15
		if n == 0 && zeros < 15 {
			s.run = 1<<zeros + r.bits(zeros)
			break
		}
		value := int16(0)
		if n > 0 {
			if value = -bit; r.bit() == 1 {
				value = bit
			}
		}
		pass(zeros)
		if k <= s.to && value != 0 {
			b[zigzag[k]] = value
		}
		k++
	}
	if s.run > 0 {
		pass(64)
		s.run--
	}
}
