package sound

import (
	"math"
	"math/bits"
)

// A front end turns samples into one row of features.
type frontEnd interface {
	row(x []float32) []float32
	shape() []int
}

// whisper is the log-mel spectrogram of Whisper (Radford et al. 2022) as Hugging Face's
// WhisperFeatureExtractor computes it. A sound is cut or padded with silence to chunk_length
// seconds. Frames have n_fft samples every hop_length, are centred by mirroring the ends, and have
// a periodic Hann window. There are feature_size triangular filters evenly spaced on the slaney
// scale from 0 to 8000 Hz, each of area 1 over Hz. Then
//
//	y = log10(max(energy, 1e-10))
//	y = (max(y, max(all y) - 8) + 4) / 4
//
// The row is [feature_size, frames], without the last frame, which is on the mirrored end.
type whisper struct {
	bank    filterBank
	samples int
	count   int
}

func newWhisper(c *Config) *whisper {
	w := &whisper{samples: int(c.ChunkLength * float64(c.SamplingRate))}
	w.count = w.samples / c.HopLength
	edges := linspace(slaney.mel(0), slaney.mel(8000), c.FeatureSize+2)
	for i, m := range edges {
		edges[i] = slaney.hertz(m)
	}
	w.bank = filterBank{size: c.NFFT, hop: c.HopLength, fft: c.NFFT, window: hann(c.NFFT, c.NFFT)}
	w.bank.filters = triangles(linspace(0, float64(c.SamplingRate/2), c.NFFT/2+1), edges)
	for i, f := range w.bank.filters {
		for k := range f.weights {
			f.weights[k] *= 2 / (edges[i+2] - edges[i])
		}
	}
	return w
}

func (w *whisper) shape() []int { return []int{len(w.bank.filters), w.count} }

func (w *whisper) row(x []float32) []float32 {
	half := w.bank.size / 2
	padded := make([]float32, w.samples+2*half)
	sound := padded[half : half+w.samples]
	copy(sound, x)
	for i := range half { // mirrored without repeating the last sample
		padded[half-1-i] = sound[min(i+1, len(sound)-1)]
		padded[half+len(sound)+i] = sound[max(len(sound)-2-i, 0)]
	}
	out := make([]float32, len(w.bank.filters)*w.count)
	top := math.Inf(-1)
	w.bank.each(padded, func(frame int, energy []float64) {
		if frame >= w.count {
			return
		}
		for m, e := range energy {
			v := math.Log10(max(e, 1e-10))
			top = max(top, v)
			out[m*w.count+frame] = float32(v)
		}
	})
	for i, v := range out {
		out[i] = float32((max(float64(v), top-8) + 4) / 4)
	}
	return out
}

// ast is Kaldi's log filter bank with the constants of the Audio Spectrogram Transformer (Gong et
// al. 2021), as Hugging Face's ASTFeatureExtractor computes it. Frames are 25 ms every 10 ms, none
// beyond the end. From each frame the mean is subtracted. It is emphasised by 0.97 and weighted by
// a Hann window that is zero at both ends, and transformed at the next power of two. There are
// num_mel_bins triangular filters, evenly spaced and straight-sided on the mel scale 1127 ln(1 +
// f/700), from 20 Hz to half the rate. Then comes the natural logarithm of at least 2^-23. The row
// is [max_length, num_mel_bins], cut or padded with zeros, and finally (x - mean) / (2 std).
type ast struct {
	bank       filterBank
	count      int
	mean, span float64
}

func newAST(c *Config) *ast {
	size, hop := c.SamplingRate*25/1000, c.SamplingRate*10/1000
	fft := 1 << bits.Len(uint(size-1))
	a := &ast{count: c.MaxLength, span: 1}
	if *c.DoNormalize {
		a.mean, a.span = *c.Mean, 2**c.Std
	}
	at := make([]float64, fft/2+1)
	for k := range at {
		at[k] = kaldiScale.mel(float64(k) * float64(c.SamplingRate) / float64(fft))
	}
	edges := linspace(kaldiScale.mel(20), kaldiScale.mel(float64(c.SamplingRate)/2), c.NumMelBins+2)
	a.bank = filterBank{size: size, hop: hop, fft: fft, window: hann(size, size-1), filters: triangles(at, edges), centred: true, emphasis: 0.97}
	return a
}

func (a *ast) shape() []int { return []int{a.count, len(a.bank.filters)} }

func (a *ast) row(x []float32) []float32 {
	n := len(a.bank.filters)
	out := make([]float32, a.count*n)
	if most := (a.count-1)*a.bank.hop + a.bank.size; len(x) > most {
		x = x[:most]
	}
	a.bank.each(x, func(frame int, energy []float64) {
		for m, e := range energy {
			out[frame*n+m] = float32(math.Log(max(e, 0x1p-23)))
		}
	})
	for i, v := range out {
		out[i] = float32((float64(v) - a.mean) / a.span)
	}
	return out
}

// normalize shifts and scales x to mean 0 and variance 1, like Hugging Face's
// Wav2Vec2FeatureExtractor: (x - mean) / sqrt(variance + 1e-7).
func normalize(x []float32) []float32 {
	sum, square := 0.0, 0.0
	for _, v := range x {
		sum += float64(v)
	}
	mean := sum / float64(len(x))
	for _, v := range x {
		square += (float64(v) - mean) * (float64(v) - mean)
	}
	scale := 1 / math.Sqrt(square/float64(len(x))+1e-7)
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32((float64(v) - mean) * scale)
	}
	return out
}
