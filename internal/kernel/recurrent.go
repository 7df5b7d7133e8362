package kernel

// LSTM computes a step of the units of an LSTM, one by one: their gates in place, from the sums of
// the inputs and of the states before, then the next cell states c and the next states h.
//
//	in, out, forget = sigmoid(in), sigmoid(out), sigmoid(forget)
//	fresh = tanh(fresh)
//	c = forget*c + in*fresh
//	h = out*tanh(c)
//
// All slices have the length of c and do not overlap. It runs on the caller's goroutine.
func LSTM(in, out, forget, fresh, c, h []float32) {
	n := len(c)
	vec.lstm(in[:n], out[:n], forget[:n], fresh[:n], c, h[:n])
}

func lstmGo(i, o, f, g, c, h []float32) {
	for j := range c {
		i[j], o[j], f[j], g[j] = sigmoid32(i[j]), sigmoid32(o[j]), sigmoid32(f[j]), tanh32(g[j])
		kept, added := f[j]*c[j], i[j]*g[j]
		c[j] = kept + added
		h[j] = o[j] * tanh32(c[j])
	}
}
