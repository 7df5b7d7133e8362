package feed

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync/atomic"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/data/sound"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// sounds is the Source of sound files, where each window is a row. It remembers the values of a
// sound's rows, or its samples if every epoch augments them anew.
type sounds struct {
	data.Setting
	feed    *Sounds
	augment *sound.Augment
	rows    []atomic.Int64              // windows of each sound; 0 before the check
	made    []atomic.Pointer[[]float32] // the results of prepared
	loud    []atomic.Int64              // the peaks of sounds above tooLoud, else 0
}

// tooLoud is a peak that only samples that nobody scaled have: full scale is -1 to 1, and what a
// mix adds to that is less.
const tooLoud = 4

// mostWindows limits the windows of a sound: ten minutes with a window every 10 ms.
const mostWindows = 60000

func newSoundFiles(f *Sounds, a *sound.Augment, s data.Setting) *sounds {
	n := s.Files.Len()
	return &sounds{Setting: s, feed: f, augment: a, rows: make([]atomic.Int64, n), made: make([]atomic.Pointer[[]float32], n), loud: make([]atomic.Int64, n)}
}

func (s *sounds) Form() data.Form { return s.feed.Form() }

// Length returns the number of windows, 1 before the check.
func (s *sounds) Length(i int) int { return max(1, int(s.rows[i].Load())) }

// Digest returns the digest of the file.
func (s *sounds) Digest(i int) ([sha256.Size]byte, error) {
	if sum, ok := s.Files.Sum(i); ok {
		return sum, nil
	}
	err := s.Check(i)
	sum, _ := s.Files.Sum(i)
	return sum, err
}

// Check decodes sound i, or finds it in the cache. It stores its digest and number of windows.
func (s *sounds) Check(i int) error {
	if sum, ok := s.Files.Recall(i); ok && s.restore(i, sum) {
		return s.Files.Settle(i, sum)
	}
	samples, sum, info, err := s.load(i)
	if err != nil {
		return err
	}
	// the cache may have it under another name, or the file was only touched
	if !s.restore(i, sum) {
		if _, err := s.prepare(i, samples, sum); err != nil {
			return err
		}
	}
	if peak := peakOf(samples); peak > tooLoud {
		s.loud[i].Store(int64(peak))
		return nil // what is not learnt is read again, and said again, by the next run
	}
	s.Files.Learn(i, info, sum)
	return nil
}

func peakOf(samples []float32) (peak float32) {
	for _, v := range samples {
		peak = max(peak, v, -v)
	}
	return peak
}

// Remarks name the sounds far above full scale.
func (s *sounds) Remarks(at []int, paths []string) []string {
	const most = 3
	var named []string
	n := 0
	for k, i := range at {
		if peak := s.loud[i].Load(); peak > 0 {
			if n++; n <= most {
				named = append(named, fmt.Sprintf("%s peaks at %d", paths[k], peak))
			}
		}
	}
	if n == 0 {
		return nil
	}
	if n > most {
		named = append(named, fmt.Sprintf("%d more", n-most))
	}
	return []string{fmt.Sprintf("%d of %d sounds are far above full scale, which is -1 to 1, and are fed so: divide samples of 16 bits that are kept as floating point by 32768 (%s)", n, len(at), strings.Join(named, ", "))}
}

// load reads a file as samples and computes its digest in the same pass.
func (s *sounds) load(i int) (samples []float32, sum [sha256.Size]byte, info fs.FileInfo, err error) {
	r, info, err := s.Files.Open(i)
	if err != nil {
		return nil, sum, nil, err
	}
	defer r.Close()
	h := sha256.New()
	tee := io.TeeReader(r, h)
	if samples, err = s.feed.Pipeline.Load(tee); err != nil {
		return nil, sum, nil, err
	}
	if _, err := io.Copy(io.Discard, tee); err != nil { // the bytes after the samples
		return nil, sum, nil, err
	}
	sum = [sha256.Size]byte(h.Sum(nil))
	return samples, sum, info, s.Files.Settle(i, sum)
}

// prepare computes what is remembered of a sound.
func (s *sounds) prepare(i int, samples []float32, sum [sha256.Size]byte) ([]float32, error) {
	rows, err := s.feed.Pipeline.Prepare(samples, nil, nil)
	if err != nil {
		return nil, err
	}
	if rows.Count > mostWindows {
		return nil, fmt.Errorf("%d windows are more than %d", rows.Count, mostWindows)
	}
	made := rows.Values
	if s.Varied {
		made = samples
	}
	s.rows[i].Store(int64(rows.Count))
	s.remember(i, made)
	if s.Kept != nil {
		s.Kept.Put(s.key(sum), binary.LittleEndian.AppendUint32(nil, uint32(rows.Count)), tensor.Of(made, len(made)).Bytes)
	}
	return made, nil
}

func (s *sounds) remember(i int, made []float32) {
	if n := 4 * len(made); s.Budget.Take(n) && !s.made[i].CompareAndSwap(nil, &made) {
		s.Budget.Give(n)
	}
}

// key is the name of a sound in the cache between runs.
func (s *sounds) key(sum [sha256.Size]byte) [sha256.Size]byte {
	if s.Varied {
		return sha256.Sum256(append([]byte("samples"), sum[:]...))
	}
	return sum
}

// restore loads what is remembered of a sound, and its number of rows, from the cache between runs.
func (s *sounds) restore(i int, sum [sha256.Size]byte) bool {
	made, rows, ok := s.kept(sum)
	if ok {
		s.rows[i].Store(int64(rows))
		s.remember(i, made)
	}
	return ok
}

func (s *sounds) kept(sum [sha256.Size]byte) (made []float32, rows int, ok bool) {
	if s.Kept == nil {
		return nil, 0, false
	}
	b, ok := s.Kept.Read(s.key(sum))
	if !ok || len(b) < 8 || len(b)%4 != 0 {
		return nil, 0, false
	}
	rows = int(binary.LittleEndian.Uint32(b))
	t := tensor.New(tensor.Float32, len(b)/4-1)
	copy(t.Bytes, b[4:])
	if s.Varied {
		return t.F32(), rows, rows >= 1 && rows <= mostWindows
	}
	r, err := s.feed.Pipeline.Rows(t.F32())
	return t.F32(), rows, err == nil && r.Count == rows
}

// prepared returns what is remembered of sound i. It reads the sound again if memory does not hold
// it.
func (s *sounds) prepared(i int) ([]float32, error) {
	if p := s.made[i].Load(); p != nil {
		return *p, nil
	}
	if sum, ok := s.Files.Sum(i); ok {
		if made, _, ok := s.kept(sum); ok {
			return made, nil
		}
	}
	samples, sum, _, err := s.load(i)
	if err != nil {
		return nil, err
	}
	return s.prepare(i, samples, sum)
}

func (s *sounds) Read(i int, draw *data.Draw, dst []*tensor.Tensor) error {
	made, err := s.prepared(i)
	if err != nil {
		return err
	}
	var rows sound.Rows
	switch {
	case !s.Varied:
		rows, err = s.feed.Pipeline.Rows(made)
	case draw == nil:
		rows, err = s.feed.Pipeline.Prepare(made, nil, nil)
	default: // i is the index among the files, not in the Dataset
		rows, err = s.feed.Pipeline.Prepare(made, s.augment, data.Draw{Seed: draw.Seed, Epoch: draw.Epoch, Item: i}.Rand())
	}
	if err != nil {
		return err
	}
	out := dst[0].F32()
	n := s.feed.row.Len()
	if rows.Count*n < len(out) {
		return fmt.Errorf("%d rows where there were %d", rows.Count, len(out)/n)
	}
	for k := range len(out) / n {
		copy(out[k*n:(k+1)*n], rows.Row(k))
	}
	return nil
}
