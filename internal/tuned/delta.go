package tuned

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"

	"github.com/permafrost-ml/permafrost/internal/atomicfile"
	"github.com/permafrost-ml/permafrost/internal/feed"
	"github.com/permafrost-ml/permafrost/internal/gzipped"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/safetensors"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// A delta is a tuned model without the parts that it shares with its base. It is one safetensors
// file. It holds the changed and new tensors under their names; a tensor with few changed elements
// is stored as only these (see putSparse). Under skeletonTensor it holds the tuned file's bytes,
// compressed with gzip, without the contents of these tensors and of tensors that equal the base's.
// The metadata say where the contents belong. Applied to its base, a delta gives back the tuned
// file bit for bit.
const (
	skeletonTensor = "permafrost.skeleton"
	keyBase        = "permafrost.base"  // digest of the base
	keyTuned       = "permafrost.tuned" // digest of the tuned file
	keySpans       = "permafrost.spans" // JSON: the omitted spans of the tuned file, in order
	keyThaw        = "permafrost.thaw"  // JSON: the selectors of what trained
	keyFormat      = "format"           // which other readers of safetensors ask for
)

// mostTold is the length in bytes up to which a part of the record counts as short.
const mostTold = 1 << 16

// About is what the metadata of safetensors files say of a tuned file with these metadata: the digest of
// its base, what trained, and of its record all that is short.
func About(record map[string]string) (map[string]string, error) {
	r, err := ReadRecord(record)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, key := range []string{keyVersion, keyTask, keyTemperature, feed.KeyKind, feed.KeyLabels} {
		if v, ok := record[key]; ok && len(v) <= mostTold {
			out[key] = v
		}
	}
	if r.Plan == nil {
		return out, nil
	}
	thaw, err := json.Marshal(r.Plan.Thaw)
	out[keyBase], out[keyThaw] = r.Plan.Model, string(thaw)
	return out, err
}

// maxSkeleton limits the decompressed size of a delta's skeleton, in bytes. A skeleton is a file's
// metadata and nodes.
const maxSkeleton = 1 << 30

// Extract computes the delta between a base and a tuned file and writes it to path.
func Extract(base, tunedFile, path string) (*safetensors.File, error) {
	b, err := onnx.Open(base)
	if err != nil {
		return nil, err
	}
	return extract(b, tunedFile, path)
}

func extract(base *onnx.Model, tunedFile, path string) (*safetensors.File, error) {
	t, err := onnx.Open(tunedFile)
	if err != nil {
		return nil, err
	}
	return writeDelta(base, t.Layout(), t.Metadata, path)
}

// WriteDelta writes to path the delta between a base and the file that it gives with a patch, which
// lies at tunedFile. Layout is the base's PatchedLayout for the patch. The file is not read, unless
// weights of the base or its own lie beside it.
func WriteDelta(base *onnx.Model, patch *onnx.Patch, layout *onnx.Layout, tunedFile, path string) error {
	if layout == nil {
		_, err := extract(base, tunedFile, path)
		return err
	}
	_, err := writeDelta(base, layout, patch.Metadata, path)
	return err
}

func writeDelta(base *onnx.Model, tuned *onnx.Layout, record map[string]string, path string) (*safetensors.File, error) {
	f, err := delta(base, tuned)
	if err != nil {
		return nil, err
	}
	f.Metadata[keyFormat] = "pt"
	if Tuned(record) {
		about, err := About(record)
		if err != nil {
			return nil, err
		}
		delete(about, keyBase) // that of the plan: it need not be the one that the delta is made against
		maps.Copy(f.Metadata, about)
	}
	return f, atomicfile.Write(path, func(w io.Writer) error { return safetensors.Write(w, *f) })
}

func delta(base *onnx.Model, tuned *onnx.Layout) (*safetensors.File, error) {
	f := &safetensors.File{Tensors: map[string]*tensor.Tensor{}, Metadata: map[string]string{keyBase: base.Digest(), keyTuned: tuned.Digest}}
	for _, s := range tuned.Spans {
		t, b := tuned.Tensors[s.Name], base.Param(s.Name)
		switch {
		case t == nil: // the base's
		case b == nil:
			f.Tensors[s.Name] = t
		case !sameTensor(b.Tensor, t):
			putSparse(f.Tensors, s.Name, b.Tensor, t)
		}
	}
	f.Tensors[skeletonTensor] = tensor.Of(gzipped.Pack(tuned.Skeleton))
	js, err := json.Marshal(tuned.Spans)
	if err != nil {
		return nil, err
	}
	f.Metadata[keySpans] = string(js)
	return f, nil
}

func sameTensor(a, b *tensor.Tensor) bool {
	return a.DType == b.DType && a.Shape.Equal(b.Shape) && string(a.Bytes) == string(b.Bytes)
}

// Apply writes what Restore gives to path.
func Apply(base, deltaFile, path string) error {
	_, whole, err := Restore(base, deltaFile)
	if err != nil {
		return err
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		_, err := w.Write(whole)
		return err
	})
}

// Restore rebuilds the tuned model from its base and a delta file, and its bytes. It errors if the
// delta belongs to another base, or if the result is not the model from which the delta was made.
func Restore(base, deltaFile string) (*onnx.Model, []byte, error) {
	b, err := onnx.Open(base)
	if err != nil {
		return nil, nil, err
	}
	f, err := safetensors.ReadFile(deltaFile)
	if err != nil {
		if _, isModel := onnx.Open(deltaFile); isModel == nil {
			return nil, nil, fmt.Errorf("%s is no delta, it is an ONNX model: permafrost delta extract makes a delta of it, and a run has its own, delta.safetensors", deltaFile)
		}
		return nil, nil, fmt.Errorf("%s is no delta: %w", deltaFile, err)
	}
	skeleton := f.Tensors[skeletonTensor]
	var spans []onnx.Span
	if skeleton == nil || skeleton.DType != tensor.Uint8 || json.Unmarshal([]byte(f.Metadata[keySpans]), &spans) != nil {
		return nil, nil, fmt.Errorf("%s is no delta: make one with permafrost delta extract", deltaFile)
	}
	if f.Metadata[keyBase] != b.Digest() {
		return nil, nil, fmt.Errorf("%s was made for another base than %s (sha256 %.12s, here %.12s)", deltaFile, base, f.Metadata[keyBase], b.Digest())
	}
	bones := skeleton.Bytes
	if gzipped.Is(bones) {
		bones, err = gzipped.Unpack(bones, maxSkeleton)
	}
	var whole []byte
	if err == nil {
		whole, err = refill(bones, spans, f, b)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", deltaFile, err)
	}
	m, err := onnx.Parse(whole, "")
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", deltaFile, err)
	}
	if d := m.Digest(); d != f.Metadata[keyTuned] {
		return nil, nil, fmt.Errorf("%s does not give back the model it was made from (sha256 %.12s, want %.12s): the file is damaged", deltaFile, d, f.Metadata[keyTuned])
	}
	return m, whole, nil
}

// refill puts the omitted contents back.
func refill(skeleton []byte, spans []onnx.Span, f *safetensors.File, base *onnx.Model) ([]byte, error) {
	var out []byte
	for _, s := range spans {
		keep := s.Offset - len(out)
		if keep < 0 || keep > len(skeleton) {
			return nil, fmt.Errorf("the place of tensor %q lies outside of the file: the delta is damaged", s.Name)
		}
		out = append(out, skeleton[:keep]...)
		skeleton = skeleton[keep:]
		t := f.Tensors[s.Name]
		if t == nil {
			if p := base.Param(s.Name); p != nil {
				var err error
				if t, err = getSparse(f.Tensors, s.Name, p.Tensor); err != nil {
					return nil, err
				}
			}
		}
		if t == nil || len(t.Bytes) != s.Len {
			return nil, fmt.Errorf("neither delta nor base has tensor %q with %d bytes", s.Name, s.Len)
		}
		out = append(out, t.Bytes...)
	}
	return append(out, skeleton...), nil
}
