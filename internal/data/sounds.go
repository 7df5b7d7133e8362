package data

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"

	"github.com/permafrost-ml/permafrost/internal/data/sound"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Sounds says how files of sounds become rows of a model's input.
type Sounds struct {
	Pipeline *sound.Pipeline
	Augment  *sound.Augment // of training examples, nil for none
	Input    string         // name of the model's input
	Row      tensor.Shape   // of a row in that input: Pipeline.RowShape with axes of 1 where the model has them
}

// Form says how sounds lie in the model's input: each window is a row.
func (s *Sounds) Form() Form {
	f := Form{Inputs: []Input{{Name: s.Input, DType: tensor.Float32, Shape: s.Row}}, Rows: true, Most: 1}
	if s.Pipeline.Config.Window > 0 {
		f.Most = mostWindows
	}
	return f
}

// mostWindows bounds the windows of a sound: those of ten minutes, a window every 10 ms.
const mostWindows = 60000

func (o Options) media() *media {
	if o.Texts {
		return textFiles
	}
	if o.Sounds != nil {
		return soundFiles
	}
	if o.Bytes != nil {
		return anyFiles
	}
	return pictureFiles
}

// fault is what is wrong with examples that are left out.
func (o Options) fault() string {
	if o.Texts {
		return "empty"
	}
	return "damaged"
}

// sounds is the Source of files of sounds.
type sounds struct {
	*Sounds
	opt    Options
	varied bool // augmented: samples are remembered, not features
	memory *memory
	files  []soundFile
}

type soundFile struct {
	path string
	info atomic.Pointer[soundInfo]
	data atomic.Pointer[[]float32] // what prepared returns
}

// soundInfo is what the check finds out.
type soundInfo struct {
	sum  [sha256.Size]byte // of the file
	rows int
}

func newSounds(examples []Example, opt Options, m *memory) *sounds {
	s := &sounds{Sounds: opt.Sounds, opt: opt, memory: m, files: make([]soundFile, len(examples))}
	for i, e := range examples {
		s.files[i].path = e.Path
	}
	return s
}

// vary makes a Dataset of sounds one that is augmented, before it is checked.
func (d *Dataset) vary() {
	if s, ok := d.source.(*sounds); ok {
		s.varied = s.Augment != nil
	}
}

// shareMemory lets two Datasets keep what they keep within one budget.
func (d *Dataset) shareMemory(other *Dataset) {
	d.memory = other.memory
	if s, ok := d.source.(*sounds); ok {
		s.memory = d.memory
	}
}

// Length is the number of windows; 1 before the check.
func (s *sounds) Length(i int) int {
	if info := s.files[i].info.Load(); info != nil {
		return info.rows
	}
	return 1
}

func (s *sounds) Digest(i int) ([sha256.Size]byte, error) {
	if s.files[i].info.Load() == nil {
		if err := s.check(i); err != nil {
			return [sha256.Size]byte{}, fmt.Errorf("data: %s: %w", s.files[i].path, err)
		}
	}
	return s.files[i].info.Load().sum, nil
}

// check decodes file i, or finds it among what was kept, and learns its digest and its number of windows.
func (s *sounds) check(i int) error {
	f := &s.files[i]
	if s.opt.Files != nil {
		if info, err := os.Stat(f.path); err == nil && info.Mode().IsRegular() {
			if sum, ok := s.opt.Files.Digest(f.path, info); ok && s.restore(f, sum) {
				return nil
			}
		}
	}
	samples, sum, info, err := s.load(f.path)
	if err != nil {
		return err
	}
	if err := f.settle(sum); err != nil {
		return err
	}
	if !s.restore(f, sum) { // else under another name, or the file was touched
		if _, err := s.prepare(f, samples, sum); err != nil {
			return err
		}
	}
	if s.opt.Files != nil {
		s.opt.Files.Learn(f.path, info, sum)
	}
	return nil
}

// settle errors when the file was read before and had another content.
func (f *soundFile) settle(sum [sha256.Size]byte) error {
	if info := f.info.Load(); info != nil && info.sum != sum {
		return errChanged
	}
	return nil
}

// load reads a file as samples and takes its digest from the same reading.
func (s *sounds) load(path string) (samples []float32, sum [sha256.Size]byte, info fs.FileInfo, err error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, sum, nil, err
	}
	defer r.Close()
	if info, err = r.Stat(); err != nil {
		return nil, sum, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, sum, nil, errors.New("not a regular file")
	}
	h := sha256.New()
	tee := io.TeeReader(r, h)
	if samples, err = s.Pipeline.Load(tee); err != nil {
		return nil, sum, nil, err
	}
	if _, err := io.Copy(io.Discard, tee); err != nil { // what follows the samples
		return nil, sum, nil, err
	}
	return samples, [sha256.Size]byte(h.Sum(nil)), info, nil
}

// prepare computes what is remembered of a file: the values of its rows, or the samples themselves where every epoch varies them.
func (s *sounds) prepare(f *soundFile, samples []float32, sum [sha256.Size]byte) ([]float32, error) {
	rows, err := s.Pipeline.Prepare(samples, nil, nil)
	if err != nil {
		return nil, err
	}
	if rows.Count > mostWindows {
		return nil, fmt.Errorf("%d windows are more than %d", rows.Count, mostWindows)
	}
	data := rows.Values
	if s.varied {
		data = samples
	}
	f.info.Store(&soundInfo{sum, rows.Count})
	s.remember(f, data)
	if s.opt.Pictures != nil {
		s.opt.Pictures.Put(s.key(sum), binary.LittleEndian.AppendUint32(nil, uint32(rows.Count)), tensor.Of(data, len(data)).Bytes)
	}
	return data, nil
}

func (s *sounds) remember(f *soundFile, data []float32) {
	if n := 4 * len(data); s.memory.take(n) && !f.data.CompareAndSwap(nil, &data) {
		s.memory.left.Add(int64(n))
	}
}

// key names what is kept of a file between runs.
func (s *sounds) key(sum [sha256.Size]byte) [sha256.Size]byte {
	if s.varied {
		return sha256.Sum256(append([]byte("samples"), sum[:]...))
	}
	return sum
}

// restore takes what is remembered of a file, and the number of its rows, from what is kept between runs.
func (s *sounds) restore(f *soundFile, sum [sha256.Size]byte) bool {
	data, rows, ok := s.kept(sum)
	if ok {
		f.info.Store(&soundInfo{sum, rows})
		s.remember(f, data)
	}
	return ok
}

func (s *sounds) kept(sum [sha256.Size]byte) (data []float32, rows int, ok bool) {
	if s.opt.Pictures == nil {
		return nil, 0, false
	}
	b, ok := s.opt.Pictures.Read(s.key(sum))
	if !ok || len(b) < 8 || len(b)%4 != 0 {
		return nil, 0, false
	}
	rows = int(binary.LittleEndian.Uint32(b))
	t := tensor.New(tensor.Float32, len(b)/4-1)
	copy(t.Bytes, b[4:])
	if s.varied {
		return t.F32(), rows, rows >= 1 && rows <= mostWindows
	}
	r, err := s.Pipeline.Rows(t.F32())
	return t.F32(), rows, err == nil && r.Count == rows
}

// prepared returns what is remembered of file i, read again where memory did not hold it.
func (s *sounds) prepared(i int) ([]float32, error) {
	f := &s.files[i]
	if p := f.data.Load(); p != nil {
		return *p, nil
	}
	if info := f.info.Load(); info != nil {
		if data, _, ok := s.kept(info.sum); ok {
			return data, nil
		}
	}
	samples, sum, _, err := s.load(f.path)
	if err == nil {
		err = f.settle(sum)
	}
	if err != nil {
		return nil, err
	}
	return s.prepare(f, samples, sum)
}

func (s *sounds) Read(i, epoch int, dst []*tensor.Tensor) error {
	data, err := s.prepared(i)
	if err != nil {
		return err
	}
	var rows sound.Rows
	switch {
	case !s.varied:
		rows, err = s.Pipeline.Rows(data)
	case epoch == Plain:
		rows, err = s.Pipeline.Prepare(data, nil, nil)
	default:
		rows, err = s.Pipeline.Prepare(data, s.Augment, random(s.opt.Seed, epoch, i))
	}
	if err != nil {
		return err
	}
	out := dst[0].F32()
	n := s.Row.Len()
	if rows.Count*n < len(out) {
		return fmt.Errorf("%d rows where there were %d", rows.Count, len(out)/n)
	}
	for k := range len(out) / n {
		copy(out[k*n:(k+1)*n], rows.Row(k))
	}
	return nil
}
