package schedule

import (
	"fmt"
	"math"
)

func init() { register("egeria", Kind{Make: newEgeria, Check: optional(fraction)}) }

// egeria freezes blocks that have stopped learning, from the input on. It decides fifty times in a
// run. Each time it measures the plasticity of each block: the distance of its result from that of
// a reference, the network some time ago (see Distance). The values are smoothed by a moving
// average, and a line is fitted to the last ones. A block is calm while the slope is less than a
// fifth, or the share that the argument says, of the steepest slope so far. Calm blocks from the
// input on are frozen.
//
// When the learning rate drops to less than a fifth from one decision to the next, everything is
// thawed, and from then on half as many values decide. A step schedule of the rate does so; a
// cosine does not.
//
// Source: Wang, Sun, Chen and others, Egeria: Efficient DNN Training with Knowledge-Guided Layer
// Freezing, EuroSys 2023 (first as Efficient DNN Training with Knowledge-Guided Layer Freezing,
// 2022), sections 4.1 and 4.2. There the reference is quantised and evaluated on the CPU, and only
// the first block is watched.
type egeria struct {
	base
	tolerance float64

	Frozen int `json:"frozen"` // blocks
	// length of the moving average, of the line, and of calm that freezes
	Window   int         `json:"window"`
	History  [][]float64 `json:"history"`
	Steepest []float64   `json:"steepest"`
	Calm     []int       `json:"calm"` // decisions in a row
	Rate0    float64     `json:"lr"`   // at the last decision
	Age      int         `json:"age"`  // decisions since the reference was made
	Fresh    bool        `json:"fresh"`
}

const (
	egeriaWindow = 3
	egeriaAge    = 10 // decisions after which the reference is replaced
	rateDrop     = 0.2
)

func newEgeria(r Run, arg string) (Schedule, error) {
	e := &egeria{base: base{r, r.interval(50)}, tolerance: share(arg, 0.2), Window: egeriaWindow}
	e.Steepest, e.Calm = make([]float64, r.blocks()), make([]int, r.blocks())
	return e, nil
}

func (*egeria) Measures() Statistic { return Plasticity }
func (e *egeria) Refer() bool       { return e.Fresh }

// renew makes the current weights the reference. Values that were measured against different
// references are not compared.
func (e *egeria) renew() {
	e.Fresh, e.Age, e.History = true, 0, make([][]float64, e.run.blocks())
}

func (e *egeria) Next(m Moment) (Decision, bool) {
	e.Fresh = false
	// the last steps of a cosine drop as much
	dropped := m.LR < rateDrop*e.Rate0 && e.run.total()-m.Step > 2*e.every
	e.Rate0 = m.LR
	if m.Step == 0 {
		e.renew()
		return e.all("everything trains until its results settle"), true
	}
	if dropped && e.Frozen > 0 {
		e.Frozen, e.Window = 0, max(2, e.Window/2)
		clear(e.Calm)
		clear(e.Steepest)
		e.renew()
		return e.all("the learning rate dropped: everything may learn again"), true
	}
	for i := e.Frozen; i < e.run.blocks(); i++ {
		e.watch(i, m.Values[i])
	}
	if e.Age++; e.Age >= egeriaAge {
		e.renew()
	}
	n := e.Frozen
	for n < e.run.blocks() && e.Calm[n] >= e.Window {
		n++
	}
	if n == e.Frozen {
		return Decision{}, false
	}
	frozen := n - e.Frozen
	e.Frozen = n
	return Decision{Live: e.run.last(e.run.blocks() - n), Reason: fmt.Sprintf("the results of %s have settled: frozen up to %s", plural(frozen, "block"), e.run.Units[n-1].Name)}, true
}

// watch adds a value of a block.
func (e *egeria) watch(block int, value float64) {
	if math.IsNaN(value) {
		return
	}
	h := append(e.History[block], value)
	e.History[block] = h
	if len(h) < e.Window {
		return
	}
	s := slope(smooth(h, e.Window))
	if s > e.Steepest[block] {
		e.Steepest[block] = s
	}
	if s < e.tolerance*e.Steepest[block] {
		e.Calm[block]++
	} else {
		e.Calm[block] = 0
	}
}

// smooth gives the last values of the moving average, as many as the window is long. Each averages
// the window's values, or as many as there are.
func smooth(values []float64, window int) []float64 {
	var out []float64
	for end := max(1, len(values)-window+1); end <= len(values); end++ {
		sum, from := 0.0, max(0, end-window)
		for _, v := range values[from:end] {
			sum += v
		}
		out = append(out, sum/float64(end-from))
	}
	return out
}

// slope is the slope of the least-squares line through the values, one unit apart.
func slope(values []float64) float64 {
	n := float64(len(values))
	var sy, sxy float64
	for i, v := range values {
		x := float64(i) - (n-1)/2
		sy += x * x
		sxy += x * v
	}
	if sy == 0 {
		return 0
	}
	return sxy / sy
}

// Gram adds to dst [b,b] the similarities of b examples: the products of their rows in a block's
// results [b,len/b].
func Gram(dst []float64, results []float32, b int) {
	d := len(results) / b
	for i := range b {
		x := results[i*d : (i+1)*d]
		for j := range i + 1 {
			y := results[j*d : (j+1)*d][:len(x)]
			sum := 0.0
			for k, v := range x {
				sum += float64(v) * float64(y[k])
			}
			dst[i*b+j] += sum
			if i != j {
				dst[j*b+i] += sum
			}
		}
	}
}

// Normalise scales each row of a matrix [b,b] to length 1.
func Normalise(gram []float64, b int) {
	for i := range b {
		row := gram[i*b : (i+1)*b]
		sum := 0.0
		for _, v := range row {
			sum += v * v
		}
		if sum > 0 {
			for j := range row {
				row[j] /= math.Sqrt(sum)
			}
		}
	}
}

// Distance is the plasticity of a block. Its normalised similarities [b,b] are g, those of the
// reference are r: |g-r|^2 / b^2. This is the similarity-preserving loss of Tung and Mori,
// Similarity-Preserving Knowledge Distillation, ICCV 2019, which Egeria uses.
func Distance(g, r []float64) float64 {
	sum := 0.0
	for i, v := range g {
		sum += (v - r[i]) * (v - r[i])
	}
	return sum / float64(len(g))
}
