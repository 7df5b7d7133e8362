package feed

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/tensor"
	"github.com/permafrost-ml/permafrost/internal/tokenize"
)

var errEmpty = errors.New("the text is empty")

// dataset makes a data set, with tokenization in parallel.
func (f *Texts) dataset(ctx context.Context, root string, classes []string, examples []data.Example, inputs []input, opt data.Options) (*data.Dataset, error) {
	encoded := make([]tokenize.Encoding, len(inputs))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(max(1, opt.Workers), len(inputs)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(inputs) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				if in := inputs[i]; strings.TrimSpace(in.text) != "" {
					encoded[i] = f.Tokenizer.Encode(in.text, in.pair, f.most)
				}
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s := &texts{feed: f}
	var kept []data.Example
	var skipped []data.Skipped
	cut := 0
	for i, e := range encoded {
		if len(e.IDs) == 0 {
			skipped = append(skipped, data.Skipped{Path: examples[i].Path, Err: errEmpty})
			continue
		}
		if e.Lost > 0 {
			cut++
		}
		kept = append(kept, examples[i])
		s.rows = append(s.rows, textRow{narrow(e.IDs), narrow(e.Types)})
	}
	d := data.New(root, classes, kept, s, textMedia, opt)
	d.Skipped = skipped
	if cut > 0 {
		d.Remarks = append(d.Remarks, fmt.Sprintf("%s: %d of %d texts are longer than the %d tokens that the model gets, and lose their end", cmp.Or(root, "input"), cut, len(kept), f.most))
	}
	return d, nil
}

// texts is the Source of texts.
type texts struct {
	feed *Texts
	rows []textRow
}

type textRow struct{ ids, types []int32 }

func narrow(v []int) []int32 {
	out := make([]int32, len(v))
	for i, x := range v {
		out[i] = int32(x)
	}
	return out
}

func (s *texts) Form() data.Form { return s.feed.form }

func (s *texts) Length(i int) int {
	if s.feed.form.Rows {
		return 1
	}
	return max(len(s.rows[i].ids), s.feed.least)
}

func (s *texts) Digest(i int) ([sha256.Size]byte, error) {
	h := sha256.New()
	for _, v := range [][]int32{s.rows[i].ids, s.rows[i].types} {
		// writing to a hash never fails
		binary.Write(h, binary.LittleEndian, int32(len(v))) //nolint:errcheck
		binary.Write(h, binary.LittleEndian, v)             //nolint:errcheck
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

func (s *texts) Read(i int, _ *data.Draw, dst []*tensor.Tensor) error {
	row := s.rows[i]
	for k, t := range dst {
		in := s.feed.form.Inputs[k]
		for j := range t.Len() {
			v, padding := int64(0), j >= len(row.ids)
			switch s.feed.roles[k] {
			case TokenIDs:
				if v = in.Pad; !padding {
					v = int64(row.ids[j])
				}
			case TokenMask:
				if !padding {
					v = 1
				}
			case TokenType:
				if !padding {
					v = int64(row.types[j])
				}
			case TokenPlace:
				if !padding {
					v = int64(j)
				}
			}
			if t.DType == tensor.Int32 {
				tensor.Data[int32](t)[j] = int32(v)
			} else {
				t.I64()[j] = v
			}
		}
	}
	return nil
}
