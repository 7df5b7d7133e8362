package kernel

import "fmt"

// Conv2D is the shape of a two-dimensional convolution: input N by H by W by C,
// output N by OutH by OutW by K, both NHWC; weights K by C/Groups by R by S, as ONNX
// stores them. A one-dimensional convolution has H = R = 1. The zero values of
// strides, dilations and Groups count as 1.
//
//	for n, oh, ow, k := range y {
//		g := k / (K/Groups)
//		sum := 0
//		for r, s, c := range R, S, C/Groups {
//			ih := oh*StrideH + r*DilH - PadT
//			iw := ow*StrideW + s*DilW - PadL
//			sum += x[n,ih,iw,g*C/Groups+c] * w[k,c,r,s]    // 0 outside of x
//		}
//		y[n,oh,ow,k] = act(sum + bias[k] + residual[n,oh,ow,k])
//	}
type Conv2D struct {
	N, H, W, C             int
	K, R, S                int
	StrideH, StrideW       int
	DilH, DilW             int
	PadT, PadL, PadB, PadR int
	Groups                 int

	// ChosenFor is the number of images for which an algorithm is chosen; 0 is N. An algorithm has
	// rounding of its own, so shapes that differ in N alone give an image the same bits only if
	// this is the same.
	ChosenFor int
}

// norm puts 1 for the zero values that mean 1.
func (v Conv2D) norm() Conv2D {
	for _, p := range []*int{&v.StrideH, &v.StrideW, &v.DilH, &v.DilW, &v.Groups} {
		*p = max(*p, 1)
	}
	if v.ChosenFor == 0 {
		v.ChosenFor = v.N
	}
	return v
}

// OutH is the height of the output.
func (v Conv2D) OutH() int {
	v = v.norm()
	return outSize(v.H+v.PadT+v.PadB, v.R, v.StrideH, v.DilH)
}

// OutW is the width of the output.
func (v Conv2D) OutW() int {
	v = v.norm()
	return outSize(v.W+v.PadL+v.PadR, v.S, v.StrideW, v.DilW)
}

func outSize(in, taps, stride, dil int) int {
	span := (taps-1)*dil + 1
	if in < span {
		return 0
	}
	return (in-span)/stride + 1
}

// FLOPs is the number of floating point operations of one pass: two for each
// product of an input with a weight, padding counted as if it were there.
func (v Conv2D) FLOPs() int64 {
	v = v.norm()
	return 2 * int64(v.N*v.OutH()*v.OutW()) * int64(v.K*v.R*v.S*(v.C/v.Groups))
}

// XLen, YLen and WLen are the lengths of input, output and weights.
func (v Conv2D) XLen() int { return v.N * v.H * v.W * v.C }

// YLen is the length of the output.
func (v Conv2D) YLen() int { return v.N * v.OutH() * v.OutW() * v.K }

// WLen is the length of the weights.
func (v Conv2D) WLen() int { return v.K * v.C / v.norm().Groups * v.R * v.S }

// Check says what is wrong with the shape, if anything.
func (v Conv2D) Check() error {
	g := v.norm().Groups
	switch {
	case min(v.N, v.H, v.W, v.C, v.K, v.R, v.S) < 1:
		return fmt.Errorf("kernel: convolution %+v: sizes must be positive", v)
	case min(v.PadT, v.PadL, v.PadB, v.PadR) < 0:
		return fmt.Errorf("kernel: convolution %+v: pads must not be negative", v)
	case v.C%g != 0 || v.K%g != 0:
		return fmt.Errorf("kernel: convolution %+v: %d groups divide neither %d nor %d channels evenly", v, g, v.C, v.K)
	case v.OutH() < 1 || v.OutW() < 1:
		return fmt.Errorf("kernel: convolution %+v: the window is larger than the padded input", v)
	}
	return nil
}

// pointwise: a product of pixels with weights and nothing else.
func (v Conv2D) pointwise() bool {
	return v.R == 1 && v.S == 1 && v.StrideH == 1 && v.StrideW == 1 && v.Groups == 1 &&
		v.PadT|v.PadL|v.PadB|v.PadR == 0
}

// depthwise: every channel on its own.
func (v Conv2D) depthwise() bool { return v.Groups > 1 && v.Groups == v.C && v.K == v.C }

// window is a convolution as the kernels see it. Every output pixel (y, x) of a grid sums over
// taps, which are at input row y*sh+rows[r] and column x*sw+cols[s]. The forward pass is one
// window; the input gradient of a strided convolution is one for each phase of the stride. Inputs
// outside are 0.
type window struct {
	n, h, w, c int // input
	rows, cols []int
	sh, sw     int
	oh, ow     int // grid
	k, groups  int
	dst        grid
}

// grid says where pixel (n, y, x) of a window goes in an output of k channels.
type grid struct{ h, w, y0, x0, dy, dx int }

func (g *grid) pixel(n, y, x int) int {
	return (n*g.h+g.y0+y*g.dy)*g.w + g.x0 + x*g.dx
}

// forward is the window of the forward pass.
func (v Conv2D) forward() window {
	w := window{
		n: v.N, h: v.H, w: v.W, c: v.C, sh: v.StrideH, sw: v.StrideW,
		oh: v.OutH(), ow: v.OutW(), k: v.K, groups: v.Groups,
	}
	for r := range v.R {
		w.rows = append(w.rows, r*v.DilH-v.PadT)
	}
	for s := range v.S {
		w.cols = append(w.cols, s*v.DilW-v.PadL)
	}
	w.dst = grid{w.oh, w.ow, 0, 0, 1, 1}
	return w
}
