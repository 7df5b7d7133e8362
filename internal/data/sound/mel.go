package sound

import (
	"math"

	"gonum.org/v1/gonum/dsp/fourier"
)

// melScale maps Hz to mels and back.
type melScale struct{ mel, hertz func(float64) float64 }

// slaney is linear up to 1000 Hz and logarithmic above (M. Slaney, Auditory Toolbox, 1998):
//
//	mel(f) = 3f/200, from 1000 Hz on 15 + 27 ln(f/1000) / ln 6.4
var slaney = melScale{
	mel: func(f float64) float64 {
		if f < 1000 {
			return 3 * f / 200
		}
		return 15 + 27*math.Log(f/1000)/math.Log(6.4)
	},
	hertz: func(m float64) float64 {
		if m < 15 {
			return 200 * m / 3
		}
		return 1000 * math.Exp((m-15)*math.Log(6.4)/27)
	},
}

// kaldi scale: mel(f) = 1127 ln(1 + f/700).
var kaldiScale = melScale{
	mel:   func(f float64) float64 { return 1127 * math.Log1p(f/700) },
	hertz: func(m float64) float64 { return 700 * math.Expm1(m/1127) },
}

// filter weights the frequency bins starting at first.
type filter struct {
	first   int
	weights []float64
}

// triangles makes n filters over bins whose positions are given on some axis. Filter i rises from
// edges[i] to edges[i+1] and falls to edges[i+2].
func triangles(bins, edges []float64) []filter {
	out := make([]filter, len(edges)-2)
	for i := range out {
		lo, mid, hi := edges[i], edges[i+1], edges[i+2]
		for k, f := range bins {
			w := min((f-lo)/(mid-lo), (hi-f)/(hi-mid))
			if w <= 0 {
				continue
			}
			if out[i].weights == nil {
				out[i].first = k
			}
			out[i].weights = append(out[i].weights, w)
		}
	}
	return out
}

// linspace returns n evenly spaced numbers from a to b, both included.
func linspace(a, b float64, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = a + (b-a)*float64(i)/float64(n-1)
	}
	return out
}

// filterBank is a short-time Fourier transform followed by mel filters on the squared magnitudes.
type filterBank struct {
	size     int       // samples per frame
	hop      int       // samples between frames
	fft      int       // samples per transform; frames are padded with zeros
	window   []float64 // size weights
	filters  []filter
	centred  bool    // the mean of each frame is subtracted first
	emphasis float64 // then x[i] -= emphasis x[i-1], with x[-1] = x[0]
}

// frames returns how many complete frames fit in n samples.
func (f *filterBank) frames(n int) int {
	if n < f.size {
		return 0
	}
	return 1 + (n-f.size)/f.hop
}

// each calls fn with the mel energies of every frame of x, valid until fn returns.
func (f *filterBank) each(x []float32, fn func(frame int, energy []float64)) {
	t := fourier.NewFFT(f.fft)
	in, spectrum := make([]float64, f.fft), make([]complex128, f.fft/2+1)
	power, energy := make([]float64, f.fft/2+1), make([]float64, len(f.filters))
	for i := range f.frames(len(x)) {
		frame := in[:f.size]
		mean := 0.0
		for k, v := range x[i*f.hop:][:f.size] {
			frame[k] = float64(v)
			mean += float64(v)
		}
		if f.centred {
			mean /= float64(f.size)
			for k := range frame {
				frame[k] -= mean
			}
		}
		if f.emphasis != 0 {
			for k := f.size - 1; k > 0; k-- {
				frame[k] -= f.emphasis * frame[k-1]
			}
			frame[0] -= f.emphasis * frame[0]
		}
		for k, w := range f.window {
			frame[k] *= w
		}
		for k, c := range t.Coefficients(spectrum, in) {
			power[k] = real(c)*real(c) + imag(c)*imag(c)
		}
		for m, w := range f.filters {
			sum := 0.0
			for k, v := range w.weights {
				sum += v * power[w.first+k]
			}
			energy[m] = sum
		}
		fn(i, energy)
	}
}

// hann returns the Hann window of n points, 0.5 - 0.5 cos(2 pi i / period).
func hann(n, period int) []float64 {
	w := make([]float64, n)
	for i := range w {
		w[i] = 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/float64(period))
	}
	return w
}
