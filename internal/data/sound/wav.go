package sound

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"
)

// Codes of the format chunk (RFC 2361).
const (
	wavPCM        = 0x0001
	wavFloat      = 0x0003
	wavALaw       = 0x0006
	wavMuLaw      = 0x0007
	wavExtensible = 0xfffe
)

// wavFormat describes the samples of a WAV file.
type wavFormat struct {
	code     int
	channels int
	rate     int
	width    int // bytes of a sample of one channel
}

// extensibleTail follows the code in the sub-format of WAVE_FORMAT_EXTENSIBLE.
var extensibleTail = [14]byte{0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71}

func parseFormat(b []byte) (f wavFormat, err error) {
	if len(b) < 16 {
		return f, fmt.Errorf("a format chunk of %d bytes is too short", len(b))
	}
	le := binary.LittleEndian
	f.code, f.channels = int(le.Uint16(b)), int(le.Uint16(b[2:]))
	rate, block, bits := le.Uint32(b[4:]), int(le.Uint16(b[12:])), int(le.Uint16(b[14:]))
	f.rate = int(min(rate, maxRate+1))
	if f.code == wavExtensible {
		if len(b) < 40 || [14]byte(b[26:40]) != extensibleTail {
			return f, errors.New("an extensible format without a known sub-format")
		}
		f.code = int(le.Uint16(b[24:]))
	}
	if f.channels == 0 || bits == 0 || block != 0 && (block%f.channels != 0 || block/f.channels < (bits+7)/8) {
		return f, fmt.Errorf("blocks of %d bytes do not hold %d channels of %d bits", block, f.channels, bits)
	}
	f.width = (bits + 7) / 8
	if block > 0 {
		f.width = block / f.channels
	}
	ok := false
	switch f.code {
	case wavPCM:
		ok = f.width >= 1 && f.width <= 4
	case wavFloat:
		ok = f.width == 4 || f.width == 8
	case wavALaw, wavMuLaw:
		ok = f.width == 1
	}
	if !ok {
		return f, fmt.Errorf("samples of format %#04x with %d bits are not read; give integers of 8, 16, 24 or 32 bits, floating point of 32 or 64, A-law or mu-law", f.code, bits)
	}
	return f, nil
}

// sample returns the conversion of one channel's sample to the range -1 to 1.
func (f wavFormat) sample() func(b []byte) float64 {
	le := binary.LittleEndian
	switch {
	case f.code == wavALaw:
		return func(b []byte) float64 { return float64(aLaw(b[0])) / (1 << 15) }
	case f.code == wavMuLaw:
		return func(b []byte) float64 { return float64(muLaw(b[0])) / (1 << 15) }
	case f.code == wavFloat && f.width == 8:
		return func(b []byte) float64 { return math.Float64frombits(le.Uint64(b)) }
	case f.code == wavFloat:
		return func(b []byte) float64 { return float64(math.Float32frombits(le.Uint32(b))) }
	case f.width == 1: // the only unsigned width
		return func(b []byte) float64 { return (float64(b[0]) - 128) / (1 << 7) }
	case f.width == 2:
		return func(b []byte) float64 { return float64(int16(le.Uint16(b))) / (1 << 15) }
	case f.width == 3:
		return func(b []byte) float64 {
			return float64(int32(uint32(b[0])<<8|uint32(b[1])<<16|uint32(b[2])<<24)) / (1 << 31)
		}
	}
	return func(b []byte) float64 { return float64(int32(le.Uint32(b))) / (1 << 31) }
}

// aLaw expands an A-law sample of ITU-T G.711 to 16 bits.
func aLaw(b byte) int {
	b ^= 0x55
	v := int(b&0x0f)<<4 + 8
	if e := int(b >> 4 & 7); e > 0 {
		v = (v + 0x100) << (e - 1)
	}
	if b&0x80 == 0 {
		return -v
	}
	return v
}

// muLaw expands a mu-law sample of ITU-T G.711 to 16 bits.
func muLaw(b byte) int {
	b = ^b
	v := (int(b&0x0f)<<3+0x84)<<(b>>4&7) - 0x84
	if b&0x80 != 0 {
		return -v
	}
	return v
}

// maxFormat limits the size of chunks that are read rather than skipped.
const maxFormat = 1 << 12

// decodeWAV reads the chunks of a RIFF, RF64 or BW64 file up to the end of its samples. size is how
// many bytes r holds, -1 where that is not known.
func decodeWAV(r *bufio.Reader, size int, limit time.Duration) (*mixer, error) {
	var head [12]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, fmt.Errorf("WAV: %w", early(err))
	}
	if string(head[8:]) != "WAVE" {
		return nil, fmt.Errorf("a RIFF file of kind %q is no WAV sound", head[8:])
	}
	le := binary.LittleEndian
	form := uint64(le.Uint32(head[4:]))
	at := uint64(12) // the position in the file
	var f *wavFormat
	var long uint64 // the size of the samples according to RF64
	for {
		var h [8]byte
		if _, err := io.ReadFull(r, h[:]); err != nil {
			if errors.Is(err, io.EOF) {
				return nil, errors.New("WAV: no data chunk")
			}
			return nil, fmt.Errorf("WAV: %w", early(err))
		}
		n := uint64(le.Uint32(h[4:]))
		at += 8
		end := at + n
		switch id := string(h[:4]); id {
		case "fmt ", "ds64":
			if n > maxFormat {
				return nil, fmt.Errorf("WAV: a chunk %q of %d bytes", id, n)
			}
			b := make([]byte, n)
			if _, err := io.ReadFull(r, b); err != nil {
				return nil, fmt.Errorf("WAV: %w", early(err))
			}
			if id == "ds64" && n >= 16 {
				long = le.Uint64(b[8:])
			} else if id == "fmt " {
				parsed, err := parseFormat(b[:n])
				if err != nil {
					return nil, fmt.Errorf("WAV: %w", err)
				}
				f = &parsed
			}
		case "data":
			if f == nil {
				return nil, errors.New("WAV: no format chunk before the data")
			}
			if n == math.MaxUint32 && long > 0 {
				n = long
			}
			m, err := newMixer(f.rate, f.channels, limit)
			if err == nil {
				n = overlong(n, form, at, size, f.channels*f.width)
				err = m.readWAV(r, *f, n, streamed(n, form, at), size)
			}
			if err != nil {
				return nil, fmt.Errorf("WAV: %w", err)
			}
			return m, nil
		default:
			if _, err := io.CopyN(io.Discard, r, int64(n)); err != nil && !errors.Is(err, io.EOF) {
				return nil, fmt.Errorf("WAV: %w", err)
			}
		}
		if at = end; n%2 == 1 && !chunkFollows(r) {
			if _, err := r.Discard(1); err != nil && !errors.Is(err, io.EOF) {
				return nil, fmt.Errorf("WAV: %w", err)
			}
			at++
		}
	}
}

// chunkFollows reports whether a chunk begins right behind one of odd length, where the byte that
// should follow it is missing.
func chunkFollows(r *bufio.Reader) bool {
	id, _ := r.Peek(4)
	return slices.Contains([]string{"data", "fmt ", "fact", "LIST", "cue ", "smpl", "bext", "id3 "}, string(id))
}

// overlong is the data's size n, or what there is of it where the file is whole and n alone says too
// much: the form, whose header says form bytes, ends where the file of size bytes does, or no more
// is missing than a header's worth. What lacks more is cut off. The data begin at at.
func overlong(n, form, at uint64, size, block int) uint64 {
	if size < 0 || uint64(size) <= at || at+n <= uint64(size) {
		return n
	}
	have := uint64(size) - at
	if whole := form+8 == uint64(size) || form == uint64(size); whole || n-have <= 64 {
		return have - have%uint64(block)
	}
	return n
}

// streamed reports whether the data's size n was written before the writer knew it, as writers to a
// pipe do: the largest number, nearly the largest signed one, or 0 in a form that does not reach
// past the data's header either, which stands at at.
func streamed(n, form, at uint64) bool {
	return n == math.MaxUint32 || n >= math.MaxInt32-0xfff && n <= math.MaxInt32 ||
		n == 0 && (form+8 <= at || form == math.MaxUint32)
}

// readWAV reads n bytes of samples, or all samples of a stream.
func (m *mixer) readWAV(r io.Reader, f wavFormat, n uint64, stream bool, size int) error {
	block := f.channels * f.width
	if !stream {
		if err := m.expect(n / uint64(block)); err != nil {
			return err
		}
		if size >= 0 {
			m.grow(int(min(n, uint64(size))) / block)
		}
	}
	buf := make([]byte, max(1, 1<<15/block)*block)
	sample := f.sample()
	for left := n; stream || left > 0; {
		want := len(buf)
		if !stream {
			want = int(min(uint64(want), left))
		}
		got, err := io.ReadFull(r, buf[:want])
		for b := buf[:got-got%block]; len(b) > 0; b = b[f.width:] {
			if err := m.add(sample(b)); err != nil {
				return err
			}
		}
		left -= uint64(got)
		switch ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF); {
		// some writers count a pad byte that they do not write
		case ended && (stream || left < uint64(block)):
			return nil
		case ended:
			return fmt.Errorf("cut off after %d of %d bytes of samples", n-left, n)
		case err != nil:
			return err
		}
	}
	return nil
}
