// Package sound turns sound files into model inputs: decoding, resampling, features, windows,
// augmentation. It knows nothing of folders, labels or training. [Pipeline] processes one file:
//
//	WAV or FLAC -> Clip (mono) -> resampled -> [augmented] -> features -> rows
package sound

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

// Clip is a sound with one channel.
type Clip struct {
	Rate    int       // samples per second
	Samples []float32 // full scale is -1 to 1; floating-point sounds may exceed it
}

// Duration returns the length of the clip.
func (c *Clip) Duration() time.Duration {
	return time.Duration(float64(len(c.Samples)) / float64(c.Rate) * float64(time.Second))
}

const (
	// DefaultLimit is the default limit on the length of a sound.
	DefaultLimit = 10 * time.Minute
	// minRate and maxRate limit the accepted sampling rates, in Hz.
	minRate, maxRate = 1000, 384000
	// maxSamples limits a decoded clip, whatever the other limits, to half a gigabyte.
	maxSamples = 1 << 27
)

// Decode reads a WAV or FLAC sound and mixes its channels to their mean. It recognises the format
// by the content. limit bounds the length; 0 is DefaultLimit, see Config.MaxSeconds. Memory is
// limited by that length, whatever the headers say: four bytes a sample, and the same again while
// the clip grows.
//
// It errors on other formats, on damaged and truncated files, on a sound without samples and on one
// longer than limit.
func Decode(r io.Reader, limit time.Duration) (*Clip, error) {
	if limit <= 0 {
		limit = DefaultLimit
	}
	size := -1
	if l, ok := r.(interface{ Len() int }); ok {
		size = l.Len()
	}
	br := bufio.NewReaderSize(r, 64<<10)
	head, err := br.Peek(4)
	switch {
	case len(head) == 0 && errors.Is(err, io.EOF):
		return nil, errors.New("empty file")
	case err != nil && !errors.Is(err, io.EOF):
		return nil, err
	}
	var d *mixer
	switch {
	case bytes.Equal(head, []byte("fLaC")), bytes.HasPrefix(head, []byte("ID3")) && !mp3(br):
		d, err = decodeFLAC(br, limit)
	case bytes.Equal(head, []byte("RIFF")), bytes.Equal(head, []byte("RF64")), bytes.Equal(head, []byte("BW64")):
		d, err = decodeWAV(br, size, limit)
	default:
		return nil, errors.New("not a WAV or FLAC sound" + looksLike(head))
	}
	if err != nil {
		return nil, err
	}
	if len(d.clip.Samples) == 0 {
		return nil, errors.New("a sound of zero length")
	}
	return &d.clip, nil
}

// mp3 reports whether an ID3 tag is followed by something else than a FLAC sound, as in MP3 files.
func mp3(r *bufio.Reader) bool {
	const header = 10
	b, err := r.Peek(header)
	if err != nil {
		return true
	}
	n := 0
	for _, v := range b[6:] { // seven bits each
		n = n<<7 | int(v&0x7f)
	}
	if b, err = r.Peek(header + n + 4); err != nil {
		return len(b) < r.Size() // a tag longer than the buffer is left to the decoder
	}
	return !bytes.Equal(b[header+n:], []byte("fLaC"))
}

// looksLike names a format that is not read by its first bytes.
func looksLike(head []byte) string {
	for _, f := range []struct{ magic, name string }{{"OggS", "Ogg"}, {"FORM", "AIFF"}, {"ID3", "MP3"}, {"\xff\xfb", "MP3"}, {"\xff\xf3", "MP3"}, {"\xff\xf2", "MP3"}, {".snd", "AU"}, {"\x00\x00\x00", "MPEG-4"}} {
		if bytes.HasPrefix(head, []byte(f.magic)) {
			return ": it looks like " + f.name
		}
	}
	return ""
}

// loudest bounds samples in floating point: those of 32 bits that nobody scaled.
const loudest = 1 << 31

// mixer collects samples of several channels in one.
type mixer struct {
	clip     Clip
	channels int
	limit    time.Duration
	most     int // maximum number of samples
	sum      float64
	have     int // channels received of the current sample
}

func newMixer(rate, channels int, limit time.Duration) (*mixer, error) {
	switch {
	case channels < 1:
		return nil, errors.New("a sound without channels")
	case rate < minRate || rate > maxRate:
		return nil, fmt.Errorf("a sampling rate of %d Hz is not from %d to %d", rate, minRate, maxRate)
	}
	most := int(min(limit.Seconds()*float64(rate), maxSamples))
	return &mixer{clip: Clip{Rate: rate}, channels: channels, limit: limit, most: most}, nil
}

// expect errors if n samples per channel are too many.
func (m *mixer) expect(n uint64) error {
	if n <= uint64(m.most) {
		return nil
	}
	seconds := float64(n) / float64(m.clip.Rate)
	if seconds <= m.limit.Seconds() {
		return fmt.Errorf("a sound of %d samples has more than %d", n, maxSamples)
	}
	return fmt.Errorf("a sound of %v is longer than the limit of %v (max_seconds in the preprocessor file)", time.Duration(min(seconds, 1e9)*float64(time.Second)).Round(time.Second/10), m.limit)
}

// grow allocates room for n samples per channel.
func (m *mixer) grow(n int) { m.clip.Samples = make([]float32, 0, n) }

// add takes the next channel's value of the current sample.
func (m *mixer) add(v float64) error {
	if m.sum += v; m.have+1 < m.channels {
		m.have++
		return nil
	}
	s := float32(m.sum / float64(m.channels))
	m.sum, m.have = 0, 0
	if s-s != 0 {
		return fmt.Errorf("sample %d is not a number", len(m.clip.Samples))
	}
	if math.Abs(float64(s)) > loudest {
		return fmt.Errorf("sample %d is %g, and full scale is -1 to 1: the file is damaged", len(m.clip.Samples), s)
	}
	if n := len(m.clip.Samples) + 1; n > m.most {
		return m.expect(uint64(n))
	}
	m.clip.Samples = append(m.clip.Samples, s)
	return nil
}
