package feed

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/data/picture"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Pictures feeds a model with pictures. Each picture is one row.
type Pictures struct {
	Files
	*picture.Pipeline
	input string
	notes []string
}

// pictureFormats are the extensions of pictures.
var pictureFormats = []string{".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pnm"}

// takesPictures reports whether a model takes pictures, as all do that take nothing else and whose
// input may have four axes.
func takesPictures(m *onnx.Model, _ Options) (bool, error) {
	in := m.Graph.Inputs
	return len(in) != 1 || in[0].Type.Shape == nil || len(in[0].Type.Shape) == 4, nil
}

func newPictures(m *onnx.Model, o Options) (Feed, error) {
	said, err := ReadLayout(o.Layout)
	if err != nil {
		return nil, option.Errorf("layout", "%w", err)
	}
	height, width, err := ReadSize(o.Size)
	if err != nil {
		return nil, option.Errorf("size", "%w", err)
	}
	p, from, err := describedPreprocess(m, o)
	if err != nil {
		return nil, err
	}
	f := new(Pictures)
	f.Files = NewFiles(KindPicture, f.media)
	if p.Unknown != "" {
		f.notes = append(f.notes, fmt.Sprintf("%s: the class %s is not known: its keys are followed, and what it may do beside them, as cutting tiles, is not", from, p.Unknown))
	}
	if from == KeySettings && said == "" { // as it was tuned
		said = p.DataFormat
	}
	in, err := PictureInput(m, said, p.DataFormat)
	if err != nil {
		return nil, err
	}
	f.input = in.Name
	preset, why := expects(m, in)
	if from == "" {
		p, from = assumedPreprocess(in, preset, why)
		p.Flip = in.Channels >= 3 && strings.HasPrefix(m.Metadata["Image.BitmapPixelFormat"], "Bgr")
		f.notes = append(f.notes, "no preprocessor file beside the model: assuming "+from+" (option preprocess names another)")
	}
	if said != "" || in.Why == byDataFormat {
		p.DataFormat = in.Layout
	} else {
		p.DataFormat = ""
	}
	if height > 0 {
		if in.Height > 0 && in.Height != height || in.Width > 0 && in.Width != width {
			return nil, option.Errorf("size", "%dx%d is not what the model's input takes, %dx%d", height, width, in.Height, in.Width)
		}
		p = p.Resized(height, width)
		in.Height, in.Width = height, width
	}
	if f.Pipeline, err = p.For(in.Channels, in.Height, in.Width); err != nil {
		return nil, err
	}
	if least, most, whole := bounds(in.DType); whole {
		if err := f.Whole(least, most); err != nil {
			return nil, fmt.Errorf("the model's input %q is %v: %w", in.Name, in.DType, err)
		}
	}
	f.notes = append(f.notes, f.fed(in, from))
	if least, most := f.Range(); preset == "raw" && most-least < 32 {
		f.notes = append(f.notes, fmt.Sprintf("the model seems to want samples from 0 to 255 (%s): if so, give option preprocess raw", why))
	}
	return f, nil
}

// describedPreprocess finds how pictures are prepared: as named, as the tuned model says, or as a
// file beside the model says. from is what says so, "" where nothing does.
func describedPreprocess(m *onnx.Model, o Options) (p picture.Preprocess, from string, err error) {
	if o.Preprocess != "" {
		p, err := picture.LoadPreprocess(o.Preprocess)
		return p, o.Preprocess, err
	}
	if text, ok := m.Metadata[KeySettings]; ok {
		p, err := picture.ParsePreprocess([]byte(text))
		if err != nil {
			err = fmt.Errorf("%s: %w", KeySettings, err)
		}
		return p, KeySettings, err
	}
	if file := FindPreprocess(m.Path); file != "" {
		p, err := picture.LoadPreprocess(file)
		return p, filepath.Base(file), err
	}
	return p, "", nil
}

// assumedPreprocess is the preparation where no file says one: what the model seems to expect, else
// ImageNet's way for colours and 0 to 1 for others.
func assumedPreprocess(in Picture, preset, why string) (picture.Preprocess, string) {
	switch {
	case preset != "":
		why = " (" + why + ")"
	case in.Channels == 3:
		preset = "imagenet"
	default:
		preset = "unit"
	}
	p, _ := picture.Preset(preset)
	return p, "the preset " + preset + why
}

// bounds are the least and the greatest of a type's whole numbers; whole is false for others.
func bounds(dt tensor.DType) (least, most float64, whole bool) {
	if !dt.IsInt() {
		return 0, 0, false
	}
	bits := min(dt.Bits(), 24) // those that float32 holds
	switch dt {
	case tensor.Uint8, tensor.Uint16, tensor.Uint32, tensor.Uint64:
		return 0, float64(int64(1)<<bits - 1), true
	}
	return -float64(int64(1) << (bits - 1)), float64(int64(1)<<(bits-1) - 1), true
}

// fed says in one line what the model gets.
func (f *Pictures) fed(in Picture, from string) string {
	least, most := f.Range()
	colours := [...]string{"grey", "grey and opacity", "red, green, blue", "red, green, blue, opacity"}[f.Channels-1]
	if f.Flip {
		colours = strings.Replace(colours, "red, green, blue", "blue, green, red", 1)
	}
	mean := ""
	if f.DoNormalize {
		mean = fmt.Sprintf(", normalised by mean %v and deviation %v", []float64(f.Mean), []float64(f.Std))
	}
	return fmt.Sprintf("pictures are fed as %s of %dx%d (height x width), %s, %s (%s), values %.4g to %.4g%s, by %s",
		in.DType, f.Height, f.Width, colours, words(in.Layout), in.Why, least, most, mean, from)
}

func (f *Pictures) Form() data.Form {
	shape := tensor.Shape{f.Channels, f.Height, f.Width}
	return data.Form{Rows: true, Most: 1, Inputs: []data.Input{{Name: f.input, DType: tensor.Float32, Shape: shape}}}
}

func (f *Pictures) Notes() []string                    { return f.notes }
func (f *Pictures) Settings() (json.RawMessage, error) { return json.Marshal(f.Preprocess) }

func (f *Pictures) Keeps() (what, form string) {
	return "pictures", fmt.Sprintf("uint8[%d,%d,%d]", f.Height, f.Width, f.Channels)
}

func (f *Pictures) media(augment string) (*data.Media, error) {
	a, err := picture.ParseAugment(augment)
	if err != nil {
		return nil, err
	}
	return &data.Media{
		One: "picture", Many: "pictures", Formats: "jpeg, png, gif, bmp, tiff, webp or ppm",
		Extensions: pictureFormats,
		Source: func(s data.Setting) data.Source {
			return &pictures{Setting: s, feed: f, augment: a, resized: make([]atomic.Pointer[picture.Raster], s.Files.Len())}
		},
	}, nil
}

// pictures is the Source of picture files. It remembers pictures after resizing. If augmentation
// may need more than the crop, it remembers them before cropping.
type pictures struct {
	data.Setting
	feed    *Pictures
	augment *picture.Augment
	resized []atomic.Pointer[picture.Raster]
}

func (s *pictures) Form() data.Form { return s.feed.Form() }
func (s *pictures) Length(int) int  { return 1 }

// Digest returns the digest of the file.
func (s *pictures) Digest(i int) ([sha256.Size]byte, error) {
	if sum, ok := s.Files.Sum(i); ok {
		return sum, nil
	}
	b, _, err := s.Files.Read(i, picture.MaxFile)
	if err != nil {
		return [sha256.Size]byte{}, err
	}
	sum := sha256.Sum256(b)
	return sum, s.Files.Settle(i, sum)
}

func (s *pictures) Read(i int, draw *data.Draw, dst []*tensor.Tensor) error {
	r, err := s.picture(i)
	if err != nil {
		return err
	}
	if draw != nil && s.Varied {
		s.feed.Write(r, true, s.augment, draw.Rand(), dst[0].F32())
	} else {
		s.feed.Write(r, s.Varied, nil, nil, dst[0].F32())
	}
	return nil
}

// picture returns picture i, decoded and resized. It comes from memory, from the cache between
// runs, or else from its file.
func (s *pictures) picture(i int) (picture.Raster, error) {
	if p := s.resized[i].Load(); p != nil {
		return *p, nil
	}
	if r, ok := s.kept(i); ok {
		return r, nil
	}
	file, info, err := s.Files.Read(i, picture.MaxFile)
	if err != nil {
		return picture.Raster{}, err
	}
	sum := sha256.Sum256(file)
	if err := s.Files.Settle(i, sum); err != nil {
		s.Files.Learn(i, info, sum) // so that the next run knows the digest
		return picture.Raster{}, err
	}
	return s.decode(i, file)
}

// decode prepares a picture and remembers it in the cache between runs, or in memory if the cache
// declines. A picture in the cache needs no further memory: the system's page cache serves it
// almost as fast, and yields when memory is short.
func (s *pictures) decode(i int, file []byte) (picture.Raster, error) {
	r, err := s.feed.Canvas(file, !s.Varied)
	if err != nil {
		return r, err
	}
	if key, ok := s.key(i); ok {
		if head, samples := r.Bytes(); s.Kept.Put(key, head, samples) {
			return r, nil
		}
	}
	if s.Budget.Take(r.Len()) && !s.resized[i].CompareAndSwap(nil, &r) {
		s.Budget.Give(r.Len())
	}
	return r, nil
}

// key is the name of picture i in the cache between runs.
func (s *pictures) key(i int) (key [sha256.Size]byte, ok bool) {
	sum, ok := s.Files.Sum(i)
	switch {
	case s.Kept == nil || !ok:
		return key, false
	case s.Varied:
		return sha256.Sum256(append([]byte("whole"), sum[:]...)), true
	}
	return sum, true
}

// kept returns picture i from the cache between runs.
func (s *pictures) kept(i int) (r picture.Raster, ok bool) {
	key, ok := s.key(i)
	if !ok {
		return r, false
	}
	b, ok := s.Kept.Read(key)
	if !ok {
		return r, false
	}
	return s.feed.Restore(b, s.Varied)
}

// Check decodes picture i, unless its content is known to decode.
func (s *pictures) Check(i int) error {
	if sum, ok := s.Files.Recall(i); ok && s.Files.Settle(i, sum) == nil {
		return nil
	}
	file, info, err := s.Files.Read(i, picture.MaxFile)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(file)
	if err := s.Files.Settle(i, sum); err != nil {
		return err
	}
	// The cache may have it under another name, or the file was only touched.
	if _, ok := s.kept(i); !ok && (s.Trusted == nil || !s.Trusted(sum)) {
		if _, err := s.decode(i, file); err != nil {
			return err
		}
	}
	s.Files.Learn(i, info, sum)
	return nil
}
