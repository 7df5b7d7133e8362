package frozenpass

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/keep"
	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// mostBytes limits what a shard has before it is compressed, and what comes back.
const mostBytes = 32 << 20

// header says what a shard holds. The contents of its examples follow, one after the other.
type header struct {
	Salt     string    `json:"salt"`  // of the pass: no other has a blob of this content
	Files    bool      `json:"files"` // the contents are files, else prepared tensors
	Plain    bool      `json:"plain"` // the examples are not changed at random, so that their values may be kept
	Examples []content `json:"examples"`
}

// content is an example in a shard.
type content struct {
	Digest []byte `json:"digest"`
	Steps  int    `json:"steps"` // see data.Source.Length
	Bytes  int    `json:"bytes"`
}

// writeShard makes a shard of examples of a pass. Files travel as they are where examples are files and
// that is less: pictures and sounds are many times smaller so, and the worker prepares them. All else
// travels prepared: rows of tables, whose preparation may depend on all rows, and what was changed at
// random.
func writeShard(p *keep.Pass, indices []int, salt string) ([]byte, error) {
	h := header{Salt: salt, Plain: p.Variant == data.Plain}
	var contents [][]byte
	var err error
	if h.Plain {
		if contents, err = filesOf(p, indices); err != nil {
			return nil, err
		}
		h.Files = contents != nil
	}
	for k, i := range indices {
		if !h.Files {
			b, err := prepare(p, i)
			if err != nil {
				return nil, err
			}
			contents = append(contents, b)
		}
		sum, err := p.Data.Digest(i)
		if err != nil {
			return nil, err
		}
		h.Examples = append(h.Examples, content{Digest: sum[:], Steps: p.Data.Length(i), Bytes: len(contents[k])})
	}
	text, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(text)))
	b = append(b, text...)
	for _, c := range contents {
		b = append(b, c...)
	}
	return b, nil
}

// filesOf gives the files of examples, nil where they are none or large.
func filesOf(p *keep.Pass, indices []int) (files [][]byte, err error) {
	most := 0 // prepared
	size := 0
	for _, i := range indices {
		b, ok, err := p.Data.File(i)
		if err != nil || !ok {
			return nil, err
		}
		most += preparedBytes(p, i)
		if size += len(b); size > min(most, mostBytes) {
			return nil, nil
		}
		files = append(files, b)
	}
	return files, nil
}

// preparedBytes is the size of an example in the model's inputs.
func preparedBytes(p *keep.Pass, i int) int {
	n := 0
	for _, in := range p.Data.Form().Inputs {
		n += p.Data.Length(i) * in.Shape.Len() * in.DType.Size()
	}
	return n
}

// prepare gives example i as the model takes it.
func prepare(p *keep.Pass, i int) ([]byte, error) {
	b := make([]byte, preparedBytes(p, i))
	return b, p.Data.Read(i, p.Variant, inputs(p.Data.Form(), b, p.Data.Length(i)))
}

// inputs are views of the inputs of an example of some steps, one after the other in b.
func inputs(form data.Form, b []byte, steps int) (all []*tensor.Tensor) {
	for _, in := range form.Inputs {
		n := steps * in.Shape.Len() * in.DType.Size()
		all = append(all, &tensor.Tensor{DType: in.DType, Shape: append(tensor.Shape{steps}, in.Shape...), Bytes: b[:n:n]})
		b = b[n:]
	}
	return all
}

// errShard says that a shard is not as it was written.
var errShard = errors.New("the shard cannot be read")

// openShard gives the examples of a shard as a data set.
func openShard(ctx context.Context, w *prepared, b []byte) (h header, d *data.Dataset, err error) {
	if len(b) < 4 || int64(binary.LittleEndian.Uint32(b)) > int64(len(b)-4) {
		return h, nil, errShard
	}
	n := int(binary.LittleEndian.Uint32(b))
	if err := json.Unmarshal(b[4:4+n], &h); err != nil {
		return h, nil, fmt.Errorf("%w: %w", errShard, err)
	}
	b = b[4+n:]
	var contents [][]byte
	for _, e := range h.Examples {
		if e.Bytes < 0 || e.Bytes > len(b) || len(e.Digest) != sha256.Size || e.Steps < 1 {
			return h, nil, errShard
		}
		contents, b = append(contents, b[:e.Bytes:e.Bytes]), b[e.Bytes:]
	}
	if len(contents) == 0 || len(b) > 0 {
		return h, nil, errShard
	}
	f := w.base.Feed
	switch {
	case h.Files && feedDigest(w.base) != w.feed:
		err = fmt.Errorf("%w: files are prepared in another way here", errCannot)
	case h.Files:
		d, err = openFiles(ctx, f, contents)
	default:
		d, err = openPrepared(f, &h, contents)
	}
	if err != nil {
		return h, nil, err
	}
	for i, e := range h.Examples {
		if sum, err := d.Digest(i); err != nil || sum != [sha256.Size]byte(e.Digest) || d.Length(i) != e.Steps {
			return h, nil, fmt.Errorf("example %d of the shard is another one here: %w", i+1, errors.Join(err, errCannot))
		}
	}
	return h, d, nil
}

// decoded limits the bytes of prepared files in memory, so that each is decoded once.
const decoded = 256 << 20

func openFiles(ctx context.Context, f feed.Feed, files [][]byte) (*data.Dataset, error) {
	held := data.Memory{}
	var names []string
	for i, b := range files {
		names = append(names, fmt.Sprint(i))
		held[names[i]] = b
	}
	place := feed.InputFiles(names)
	place.FS = held
	d, err := f.OpenInputs(ctx, place, data.Options{Workers: kernel.Threads(), Budget: decoded})
	if err == nil && d.Len() != len(files) {
		err = fmt.Errorf("%w: %s cannot be read here", errCannot, d.Skipped[0].Path)
	}
	return d, err
}

func openPrepared(f feed.Feed, h *header, contents [][]byte) (*data.Dataset, error) {
	s := &preparedExamples{f.Form(), h.Examples, contents}
	for i, e := range h.Examples {
		n := 0
		for _, in := range s.form.Inputs {
			n += in.Shape.Len() * in.DType.Size()
		}
		if e.Steps > max(1, s.form.Most) || n*e.Steps != len(contents[i]) {
			return nil, fmt.Errorf("%w: an example has %d bytes in %d steps, the model takes %d a step", errCannot, len(contents[i]), e.Steps, n)
		}
	}
	return data.New("", nil, make([]data.Example, len(contents)), s, nil, data.Options{}), nil
}

// preparedExamples is the data.Source of examples that came prepared.
type preparedExamples struct {
	form     data.Form
	about    []content
	contents [][]byte
}

func (s *preparedExamples) Form() data.Form  { return s.form }
func (s *preparedExamples) Length(i int) int { return s.about[i].Steps }

func (s *preparedExamples) Digest(i int) ([sha256.Size]byte, error) {
	return [sha256.Size]byte(s.about[i].Digest), nil
}

func (s *preparedExamples) Read(i int, _ *data.Draw, dst []*tensor.Tensor) error {
	for k, t := range inputs(s.form, s.contents[i], s.about[i].Steps) {
		copy(dst[k].Bytes, t.Bytes)
	}
	return nil
}
