package kernel

import "math"

// Activation is a function applied to every element of a result as it is stored.
type Activation uint8

// The activations that a product or a convolution can end with.
const (
	ActNone        Activation = iota
	ActRelu                   // max(x, 0)
	ActClip                   // min(max(x, Lo), Hi); Relu6 is Lo 0, Hi 6
	ActLeakyRelu              // x if x >= 0, else Lo*x
	ActSigmoid                // 1/(1+exp(-x))
	ActSilu                   // x*sigmoid(x)
	ActHardSigmoid            // clip(x/6+1/2, 0, 1)
	ActHardSwish              // x*clip(x/6+1/2, 0, 1)
	ActTanh                   // tanh(x)
	ActGelu                   // x*(1+erf(x/sqrt 2))/2
	ActGeluTanh               // Gelu by its tanh approximation
)

// Epilogue is what happens to a result element before it is stored:
//
//	y[i,j] = act(sum[i,j] + Bias[j] + Residual[i,j])
//
// A nil slice adds nothing. For convolutions j is the output channel. Residual
// has the layout and leading dimension of the result and may be the result
// itself. A nil *Epilogue stores the sum.
type Epilogue struct {
	Bias     []float32
	Residual []float32
	Act      Activation
	Lo, Hi   float32 // bounds of ActClip; Lo is the slope of ActLeakyRelu
}

// clip returns the bounds, if the activation is nothing but bounds.
func (e *Epilogue) clip() (lo, hi float32, ok bool) {
	inf := float32(math.Inf(1))
	switch e.Act {
	case ActRelu:
		return 0, inf, true
	case ActClip:
		return e.Lo, e.Hi, true
	}
	return -inf, inf, false
}

// activate applies act to x in place, on the calling goroutine.
func (e *Epilogue) activate(x []float32) {
	switch e.Act {
	case ActRelu:
		vec.relu(x, x)
	case ActClip:
		vec.clip(x, x, e.Lo, e.Hi)
	case ActLeakyRelu:
		vec.leaky(x, x, e.Lo)
	case ActSigmoid:
		vec.sigmoid(x, x)
	case ActSilu:
		vec.silu(x, x)
	case ActHardSigmoid:
		vec.hardSigmoid(x, x, 1.0/6, 0.5)
	case ActHardSwish:
		vec.hardSwish(x, x)
	case ActTanh:
		vec.tanh(x, x)
	case ActGelu:
		vec.gelu(x, x)
	case ActGeluTanh:
		vec.geluTanh(x, x)
	}
}

// activateRows applies the activation to rows of n values, step apart.
func (e *Epilogue) activateRows(x []float32, rows, step, n int) {
	if step == n {
		rows, n = 1, rows*n
	}
	for i := range rows {
		e.activate(x[i*step : i*step+n])
	}
}

// finishes says whether the activation needs a pass of its own: the kernels do bounds only.
func (e *Epilogue) finishes() bool {
	_, _, clip := e.clip()
	return !clip && e.Act != ActNone
}
