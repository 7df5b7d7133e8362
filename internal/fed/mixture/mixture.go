// Package mixture describes the frozen features of one class at one client by a Gaussian mixture,
// small enough to be sent in place of them, and draws features from it (FedPFT: Beitollahi, Bie,
// Hemati, Brunswic, Li, Chen, Zhang, Parametric Feature Transfer: One-shot Federated Learning with
// Foundation Models, 2024). Components have diagonal covariances. It knows nothing of networks or
// messages.
package mixture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
)

// Mixture is a mixture of Gaussian distributions with diagonal covariances.
type Mixture struct {
	Count      int // examples that it describes
	Components []Component
}

// Component is one Gaussian distribution of a mixture.
type Component struct {
	Weight         float32 // share of the examples; they add up to 1
	Mean, Variance []float32
}

const (
	rounds  = 100
	enough  = 1e-4 // gain in mean log-likelihood below which the fit has converged
	fewEach = 3    // examples below which a component would describe single ones
)

// Fit fits a mixture of at most k components to rows, by expectation maximisation from centres that
// k-means++ seeds. Components with fewer than three examples are not made, so a mixture does not
// hold a single example, unless there is only one. Variances are at least a thousandth of the
// overall one. It errors on no rows, on rows of different lengths, and on numbers that are not
// finite.
func Fit(rows [][]float32, k int, rng *rand.Rand) (*Mixture, error) {
	if len(rows) == 0 || k < 1 {
		return nil, fmt.Errorf("mixture: %d components of %d examples", k, len(rows))
	}
	n, d := len(rows), len(rows[0])
	for i, row := range rows {
		if len(row) != d {
			return nil, fmt.Errorf("mixture: example %d has %d features, the first has %d", i, len(row), d)
		}
		for _, v := range row {
			if v-v != 0 {
				return nil, fmt.Errorf("mixture: example %d has a feature of %g", i, v)
			}
		}
	}
	k = max(1, min(k, n/fewEach))
	f := &fit{rows: rows, d: d, k: k, floor: floor(rows, d), share: make([][]float64, n)}
	for i := range f.share {
		f.share[i] = make([]float64, k)
	}
	f.seed(rng)
	last := math.Inf(-1)
	for range rounds {
		f.maximise()
		now := f.expect()
		if now-last < enough {
			break
		}
		last = now
	}
	return f.mixture(), nil
}

// fit is expectation maximisation at work.
type fit struct {
	rows   [][]float32
	d, k   int
	floor  []float64   // least variance of each feature
	share  [][]float64 // of each component in each example
	weight []float64
	mean   [][]float64
	varian [][]float64
}

// floor is a thousandth of the variance of each feature, and a little more than nothing.
func floor(rows [][]float32, d int) []float64 {
	out := make([]float64, d)
	n := float64(len(rows))
	for j := range d {
		var sum, squares float64
		for _, row := range rows {
			sum += float64(row[j])
		}
		for _, row := range rows {
			x := float64(row[j]) - sum/n
			squares += x * x
		}
		out[j] = 1e-3*squares/n + 1e-8
	}
	return out
}

// seed gives every example to the nearest of k centres. A centre is an example, drawn with the
// square of its distance from those before (Arthur, Vassilvitskii 2007).
func (f *fit) seed(rng *rand.Rand) {
	nearest := make([]float64, len(f.rows))
	for i := range nearest {
		nearest[i] = math.Inf(1)
	}
	owner := make([]int, len(f.rows))
	at := rng.IntN(len(f.rows))
	for c := range f.k {
		var total float64
		for i, row := range f.rows {
			if d := distance(row, f.rows[at]); d < nearest[i] {
				nearest[i], owner[i] = d, c
			}
			total += nearest[i]
		}
		draw := rng.Float64() * total
		for i, d := range nearest {
			if draw -= d; draw < 0 {
				at = i
				break
			}
		}
	}
	for i, c := range owner {
		f.share[i][c] = 1
	}
}

func distance(a, b []float32) (sum float64) {
	for i := range a {
		x := float64(a[i]) - float64(b[i])
		sum += x * x
	}
	return sum
}

// maximise sets the components from the shares.
func (f *fit) maximise() {
	f.weight = make([]float64, f.k)
	f.mean, f.varian = make([][]float64, f.k), make([][]float64, f.k)
	for c := range f.k {
		mean, v := make([]float64, f.d), make([]float64, f.d)
		var total float64
		for i, row := range f.rows {
			s := f.share[i][c]
			total += s
			for j, x := range row {
				mean[j] += s * float64(x)
			}
		}
		for j := range mean {
			mean[j] /= max(total, 1e-12)
		}
		for i, row := range f.rows {
			s := f.share[i][c]
			for j, x := range row {
				e := float64(x) - mean[j]
				v[j] += s * e * e
			}
		}
		for j := range v {
			v[j] = max(v[j]/max(total, 1e-12), f.floor[j])
		}
		f.weight[c], f.mean[c], f.varian[c] = total/float64(len(f.rows)), mean, v
	}
}

// expect sets the shares from the components, and returns the mean log-likelihood.
func (f *fit) expect() float64 {
	constant := make([]float64, f.k)
	for c := range f.k {
		constant[c] = math.Log(max(f.weight[c], 1e-300))
		for _, v := range f.varian[c] {
			constant[c] -= 0.5 * math.Log(2*math.Pi*v)
		}
	}
	var sum float64
	for i, row := range f.rows {
		best := math.Inf(-1)
		for c := range f.k {
			l := constant[c]
			for j, x := range row {
				e := float64(x) - f.mean[c][j]
				l -= 0.5 * e * e / f.varian[c][j]
			}
			f.share[i][c] = l
			best = max(best, l)
		}
		var total float64
		for c := range f.k {
			f.share[i][c] = math.Exp(f.share[i][c] - best)
			total += f.share[i][c]
		}
		for c := range f.k {
			f.share[i][c] /= total
		}
		sum += best + math.Log(total)
	}
	return sum / float64(len(f.rows))
}

// mixture leaves out components that describe hardly anything.
func (f *fit) mixture() *Mixture {
	m := &Mixture{Count: len(f.rows)}
	var kept float64
	for c := range f.k {
		if f.weight[c]*float64(len(f.rows)) < 0.5 {
			continue
		}
		kept += f.weight[c]
		g := Component{Weight: float32(f.weight[c])}
		for j := range f.d {
			g.Mean = append(g.Mean, float32(f.mean[c][j]))
			g.Variance = append(g.Variance, float32(f.varian[c][j]))
		}
		m.Components = append(m.Components, g)
	}
	for c := range m.Components {
		m.Components[c].Weight /= float32(kept)
	}
	return m
}

// Draw draws one row.
func (m *Mixture) Draw(rng *rand.Rand) []float32 {
	at, u := 0, rng.Float32()
	for at < len(m.Components)-1 && u >= m.Components[at].Weight {
		u -= m.Components[at].Weight
		at++
	}
	g := &m.Components[at]
	out := make([]float32, len(g.Mean))
	for j := range out {
		out[j] = g.Mean[j] + float32(math.Sqrt(float64(g.Variance[j]))*rng.NormFloat64())
	}
	return out
}

// Marshal writes the mixture: three numbers, then a weight, d means and d variances of each
// component, in float32.
func (m *Mixture) Marshal() []byte {
	d := len(m.Components[0].Mean)
	out := binary.AppendUvarint(nil, uint64(m.Count))
	out = binary.AppendUvarint(out, uint64(len(m.Components)))
	out = binary.AppendUvarint(out, uint64(d))
	put := func(v float32) { out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v)) }
	for _, g := range m.Components {
		put(g.Weight)
		for j := range d {
			put(g.Mean[j])
			put(g.Variance[j])
		}
	}
	return out
}

var errBytes = errors.New("mixture: the bytes are no mixture")

// Unmarshal reads a mixture of d features. It errors on bytes that are none, as where a variance is
// not above zero.
func Unmarshal(b []byte, d int) (*Mixture, error) {
	var head [3]uint64
	for i := range head {
		v, size := binary.Uvarint(b)
		if size <= 0 {
			return nil, errBytes
		}
		head[i], b = v, b[size:]
	}
	count, k := head[0], head[1]
	if count < 1 || count > math.MaxInt32 || k < 1 || k > 1<<16 || head[2] != uint64(d) || uint64(len(b)) != k*uint64(1+2*d)*4 {
		return nil, errBytes
	}
	take := func() float32 {
		v := math.Float32frombits(binary.LittleEndian.Uint32(b))
		b = b[4:]
		return v
	}
	m := &Mixture{Count: int(count), Components: make([]Component, k)}
	var total float64
	for c := range m.Components {
		g := &m.Components[c]
		g.Weight = take()
		total += float64(g.Weight)
		if !(g.Weight >= 0 && g.Weight <= 1.001) {
			return nil, errBytes
		}
		for range d {
			mean, v := take(), take()
			if mean-mean != 0 || !(v > 0 && v <= math.MaxFloat32) {
				return nil, errBytes
			}
			g.Mean, g.Variance = append(g.Mean, mean), append(g.Variance, v)
		}
	}
	if math.Abs(total-1) > 1e-3 {
		return nil, errBytes
	}
	return m, nil
}
