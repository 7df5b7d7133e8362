package sound

import (
	"math"
	"sync"
	"sync/atomic"
)

// The low-pass filter of Resample is a sinc under a Kaiser window of 100 dB (J. F. Kaiser,
// Nonrecursive digital filter design using the I0-sinh window function, 1974). It falls to half at
// cutoff times the lower Nyquist frequency, and has crossings zero crossings on either side. It is
// flat up to 0.9 of that Nyquist frequency and blocks everything above it.
const (
	crossings = 64
	cutoff    = 0.95
	kaiser    = 0.1102 * (100 - 8.7)
)

// Resample converts x from a sampling rate of from Hz to one of to Hz with a polyphase filter. With
// L/M the ratio to/from in lowest terms,
//
//	y[n] = sum_k x[k] h(n M/L - k)   for n < ceil(len(x) L/M)
//
// where h is the low-pass filter described above, sampled at L phases, and x is silent outside its
// range. There is no delay. Sines up to 0.9 of the lower Nyquist frequency come out within -90 dB
// of the exact sine, away from the ends by the filter's length of 64 periods of the lower rate.
// Frequencies above that Nyquist frequency are attenuated by 90 dB. If the rates are equal it
// returns a copy of x. The result depends on nothing else.
func Resample(x []float32, from, to int) []float32 {
	if from == to {
		return append([]float32(nil), x...)
	}
	b := bankOf(from, to)
	out := make([]float32, (len(x)*b.up+b.down-1)/b.down)
	scratch := make([]float32, 2*b.half)
	for n := range out {
		at := n * b.down
		k, phase := at/b.up, at%b.up
		h := b.phase(phase, scratch)
		lo := k - b.half + 1 // h[0] is the weight of x[lo]
		first, last := max(0, -lo), min(len(h), len(x)-lo)
		if first < last {
			out[n] = dot(x[lo+first:lo+last], h[first:last])
		}
	}
	return out
}

// dot is a dot product in four interleaved partial sums.
func dot(x, h []float32) float32 {
	var a, b, c, d float32
	h = h[:len(x)]
	i := 0
	for ; i+4 <= len(x); i += 4 {
		a += x[i] * h[i]
		b += x[i+1] * h[i+1]
		c += x[i+2] * h[i+2]
		d += x[i+3] * h[i+3]
	}
	for ; i < len(x); i++ {
		a += x[i] * h[i]
	}
	return (a + b) + (c + d)
}

// bank holds the filter at every phase of a ratio, each computed on first use. Unusual rates have
// too many phases, so theirs are interpolated each time.
type bank struct {
	up, down int
	half     int                         // samples of x that a result reads on either side
	width    float64                     // periods of the lower rate per sample of x
	phases   []atomic.Pointer[[]float32] // nil if they would need more than mostWeights
}

// mostWeights limits the weights of a bank. Those between common rates need less than a tenth of
// it.
const mostWeights = 1 << 20

// phase returns the weights of x[k-half+1] to x[k+half] for a result at k + p/up. They may be in
// scratch.
func (b *bank) phase(p int, scratch []float32) []float32 {
	if b.phases == nil {
		for i := range scratch {
			t := (float64(p)/float64(b.up) + float64(b.half-1-i)) * b.width
			scratch[i] = float32(b.width * interpolated(t))
		}
		return scratch
	}
	if h := b.phases[p].Load(); h != nil {
		return *h
	}
	h := make([]float32, 2*b.half)
	for i := range h {
		t := (float64(p)/float64(b.up) + float64(b.half-1-i)) * b.width
		h[i] = float32(b.width * lowPass(t))
	}
	b.phases[p].Store(&h)
	return h
}

// lowPass is the filter, t periods of the lower rate from its centre.
func lowPass(t float64) float64 {
	u := t / crossings
	if u <= -1 || u >= 1 {
		return 0
	}
	x := math.Pi * cutoff * t
	sinc := cutoff
	if x != 0 {
		sinc = cutoff * math.Sin(x) / x
	}
	return sinc * bessel(kaiser*math.Sqrt(1-u*u)) / bessel(kaiser)
}

// fine is the number of points per period in the table of interpolated. Its error is below -120 dB.
const fine = 1024

var filterTable = sync.OnceValue(func() []float64 {
	v := make([]float64, crossings*fine+2)
	for i := range v {
		v[i] = lowPass(float64(i) / fine)
	}
	return v
})

// interpolated is lowPass, interpolated linearly between the points of a table.
func interpolated(t float64) float64 {
	t = math.Abs(t) * fine
	i := int(t)
	if i >= crossings*fine {
		return 0
	}
	v := filterTable()
	return v[i] + (t-float64(i))*(v[i+1]-v[i])
}

// bessel is the modified Bessel function of the first kind of order zero, by its power series.
func bessel(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > 1e-17*sum; k++ {
		term *= (x / (2 * k)) * (x / (2 * k))
		sum += term
	}
	return sum
}

// banks keeps the filters of recently used ratios, as a data set has few rates.
var banks struct {
	sync.Mutex
	list []*bank
}

func bankOf(from, to int) *bank {
	g := gcd(from, to)
	up, down := to/g, from/g
	banks.Lock()
	defer banks.Unlock()
	for _, b := range banks.list {
		if b.up == up && b.down == down {
			return b
		}
	}
	b := &bank{up: up, down: down, width: min(1, float64(up)/float64(down))}
	b.half = int(math.Ceil(crossings / b.width))
	if up*2*b.half <= mostWeights {
		b.phases = make([]atomic.Pointer[[]float32], up)
	}
	if banks.list = append(banks.list, b); len(banks.list) > 4 {
		banks.list = banks.list[1:]
	}
	return b
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
