package kernel

// ConvForward computes y from x, both NHWC and unpadded, with weights from
// PackConv or PackConvFrozen and the epilogue ep (nil for none). y must not overlap x; the residual
// may be y.
func ConvForward(v Conv2D, x []float32, w *PackedConv, y []float32, ep *Epilogue) {
	v = v.norm()
	switch {
	case v.pointwise():
		newProduct(false, v.N*v.H*v.W, v.K, v.C, x, v.C, false, y, v.K, ep).packed(w.data)
	case v.depthwise():
		win := v.forward()
		win.runDepthwise(x, w.data, y, ep)
	case w.wino:
		runWinograd(v, x, w.data, y, ep)
	default:
		win := v.forward()
		win.run(x, w.data, y, ep)
	}
}
