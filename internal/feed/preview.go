package feed

import (
	"bytes"
	"crypto/sha256"

	"github.com/permafrost-ml/permafrost/internal/data"
	"github.com/permafrost-ml/permafrost/internal/data/picture"
	"github.com/permafrost-ml/permafrost/internal/data/sound"
)

// thumbnailPixels is the longer side of the preview of a picture.
const thumbnailPixels = 96

// previewForm names how previews are made. Change it with the thumbnails, so that none of the old
// kind comes from a cache.
const previewForm = "preview of 96 pixels/1 "

// Preview is the picture as the model gets it, smaller. The cache between runs keeps it: runs on the
// same pictures mostly mistake the same ones.
func (s *pictures) Preview(i int) (*data.Preview, error) {
	sum, known := s.Files.Sum(i)
	known = known && s.Kept != nil && !s.Varied // cropped does not settle what it reads of varied pictures
	key := sha256.Sum256(append([]byte(previewForm), sum[:]...))
	if known {
		if b, ok := s.Kept.Read(key); ok {
			if mime, b, ok := bytes.Cut(b, []byte{'\n'}); ok {
				return &data.Preview{MIME: string(mime), Bytes: b}, nil
			}
		}
	}
	r, err := s.cropped(i)
	if err != nil {
		return nil, err
	}
	mime, b, err := r.Thumbnail(thumbnailPixels)
	if err == nil && known {
		s.Kept.Put(key, []byte(mime+"\n"), b)
	}
	return &data.Preview{MIME: mime, Bytes: b}, err
}

// cropped is picture i, resized and cropped.
func (s *pictures) cropped(i int) (picture.Raster, error) {
	if !s.Varied {
		return s.picture(i)
	}
	file, _, err := s.Files.Read(i, picture.MaxFile)
	if err != nil {
		return picture.Raster{}, err
	}
	return s.feed.Canvas(file, true)
}

// The preview of a sound: its beginning, as loud as can be.
const (
	previewRate    = 8000
	previewSeconds = 3
)

// Preview is the beginning of the sound, at a low rate.
func (s *sounds) Preview(i int) (*data.Preview, error) {
	r, _, err := s.Files.Open(i)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	c, err := sound.Decode(r, 0)
	if err != nil {
		return nil, err
	}
	samples, rate := c.Samples[:min(len(c.Samples), previewSeconds*c.Rate)], c.Rate
	if rate > previewRate {
		samples, rate = sound.Resample(samples, rate, previewRate), previewRate
	}
	if peak := peakOf(samples); peak > 0 {
		loud := make([]float32, len(samples))
		for k, v := range samples {
			loud[k] = v / peak
		}
		samples = loud
	}
	return &data.Preview{MIME: "audio/wav", Bytes: sound.WAV(samples, rate)}, nil
}
