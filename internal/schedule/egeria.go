package schedule

import (
	"fmt"
	"math"
)

func init() { register("egeria", Kind{Make: newEgeria, Check: optional(fraction)}) }

// egeria freezes from the front what has stopped learning. Fifty times in a run it measures the plasticity of each block: how far its result
// is from that of a reference, the network as it was some time ago (see Distance). Values are smoothed by a moving average, and a
// line is fitted to the last of them; a block is calm while the line rises less than a fifth, or the share that the argument says, of
// the steepest that it ever rose. Calm blocks at the front are frozen. When the learning rate drops to less than a fifth from one
// question to the next, as a rate in steps does and a cosine does not, everything is thawed, and half as many values decide from then on.
//
// Source: Wang, Sun, Chen and others, Egeria: Efficient DNN Training with Knowledge-Guided Layer Freezing, EuroSys 2023 (first as
// Efficient DNN Training with Knowledge-Guided Layer Freezing, 2022), sections 4.1 and 4.2. There the reference is quantised and
// evaluated on the processor, and only the front block is watched.
type egeria struct {
	base
	tolerance float64

	Frozen   int         `json:"frozen"` // blocks
	Window   int         `json:"window"` // values that are averaged, that a line is fitted to, and that must be calm
	History  [][]float64 `json:"history"`
	Steepest []float64   `json:"steepest"`
	Calm     []int       `json:"calm"` // questions in a row
	Rate0    float64     `json:"lr"`   // when it was last asked
	Age      int         `json:"age"`  // questions since the reference was made
	Fresh    bool        `json:"fresh"`
}

const (
	egeriaWindow = 3
	egeriaAge    = 10 // questions after which the reference is made anew
	rateDrop     = 0.2
)

func newEgeria(r Run, arg string) (Schedule, error) {
	e := &egeria{base: base{r, r.part(50)}, tolerance: share(arg, 0.2), Window: egeriaWindow}
	e.Steepest, e.Calm = make([]float64, r.blocks()), make([]int, r.blocks())
	return e, nil
}

func (*egeria) Measures() Statistic { return Plasticity }
func (e *egeria) Refer() bool       { return e.Fresh }

// renew makes the weights as they are the reference. Values that are measured against another are not compared.
func (e *egeria) renew() {
	e.Fresh, e.Age, e.History = true, 0, make([][]float64, e.run.blocks())
}

func (e *egeria) Next(m Moment) (Decision, bool) {
	e.Fresh = false
	dropped := m.LR < rateDrop*e.Rate0 && e.run.total()-m.Step > 2*e.every // the last steps of a cosine fall as far
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

// watch takes in a value of a block.
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

// smooth gives the last window values of the moving average over window values, or over as many as there are.
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

// slope is that of the line that fits the values, one a unit apart, with the least squares.
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

// Gram adds to dst [b,b] how alike b examples are by one of a block's results, rows [b,len/b]: the products of their rows.
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

// Normalise brings each row of a matrix [b,b] to length 1.
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

// Distance is the plasticity of results whose normalised matrix [b,b] of likeness is g against a reference r: |g-r|^2 / b^2, the
// similarity-preserving loss of Tung and Mori, Similarity-Preserving Knowledge Distillation, ICCV 2019, which Egeria takes.
func Distance(g, r []float64) float64 {
	sum := 0.0
	for i, v := range g {
		sum += (v - r[i]) * (v - r[i])
	}
	return sum / float64(len(g))
}
