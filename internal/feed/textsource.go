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
		if err := cmp.Or(e.Err, f.unknown(e.IDs)); err != nil || len(e.IDs) == 0 {
			if err == nil {
				err = errEmpty
			}
			skipped = append(skipped, data.Skipped{Path: examples[i].Path, Err: err})
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
		end := "end"
		if f.Tokenizer.Truncation.Left {
			end = "beginning"
		}
		d.Remarks = append(d.Remarks, fmt.Sprintf("%s: %d of %d texts are longer than the %d tokens that the model gets, and lose their %s", cmp.Or(root, "input"), cut, len(kept), f.most, end))
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
	n := len(s.rows[i].ids)
	if m := s.feed.multiple; m > 1 {
		n = min((n+m-1)/m*m, max(n, s.feed.most))
	}
	return max(n, s.feed.least)
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
		in, role := s.feed.form.Inputs[k], s.feed.roles[k]
		first := 0 // step of the text
		if s.feed.Tokenizer.Padding.Left {
			first = t.Len() - len(row.ids)
		}
		for j := range t.Len() {
			v, at := in.Pad, j-first
			if at >= 0 && at < len(row.ids) {
				switch role {
				case TokenIDs:
					v = int64(row.ids[at])
				case TokenMask:
					v = 1
				case TokenType:
					v = int64(row.types[at])
				case TokenPlace:
					v = int64(at)
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
