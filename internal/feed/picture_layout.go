package feed

import (
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/data/picture"
	"github.com/permafrost-ml/permafrost/internal/ir"
)

// layoutOf tells how the axes of the only input lie, and how many channels it has. What the user
// says counts first, then the operators that read the input, then the number of channels, which is
// 1 to 4, then the names of the axes, then what is usual. It errors where both readings are left, or
// none.
func layoutOf(g *ir.Graph, said, usual string) (Picture, error) {
	in := g.Inputs[0]
	s := in.Type.Shape
	found := readsChannels(g, in)
	fits := func(layout string) bool { n := s[channelAxis(layout)]; return n < 0 || n >= 1 && n <= 4 }
	closed := func(layout string) bool { return s[channelAxis(layout)] > 0 }
	both := []string{picture.ChannelsFirst, picture.ChannelsLast}
	possible := slices.DeleteFunc(slices.Clone(both), func(l string) bool { return !fits(l) })
	p := Picture{}
	switch named := namedChannels(in.Dims); {
	case said != "":
		p.Layout, p.Why = said, "as said"
	case len(possible) == 0:
		return p, fmt.Errorf("the model's input %q is %v: pictures have 1 to 4 channels, and it would have %d (option layout nchw) or %d (nhwc)", in.Name, in.Type, s[1], s[3])
	case found.axis == 1 || found.axis == 3:
		p.Layout, p.Why = both[found.axis/2], "told by "+found.why
	case len(possible) == 1:
		p.Layout, p.Why = possible[0], "told by the number of channels"
	case closed(both[0]) != closed(both[1]):
		p.Layout, p.Why = both[0], "told by the number of channels"
		if closed(both[1]) {
			p.Layout = both[1]
		}
	case named == 1 || named == 3:
		p.Layout, p.Why = both[named/2], "told by the names of the axes"
	case usual != "":
		p.Layout, p.Why = usual, byDataFormat
	default:
		return p, fmt.Errorf("the model's input %q is %v, which may be channels first (N,C,H,W) or channels last (N,H,W,C): say option layout nchw or nhwc", in.Name, in.Type)
	}
	p.Channels = s[channelAxis(p.Layout)]
	if !fits(p.Layout) {
		return p, fmt.Errorf("the model's input %q is %v: %s (%s) it has %d channels, and pictures have 1 to 4", in.Name, in.Type, words(p.Layout), p.Why, p.Channels)
	}
	if p.Channels < 0 {
		if p.Channels = 3; found.channels > 0 && found.axis == channelAxis(p.Layout) {
			p.Channels = found.channels
		}
	}
	return p, nil
}

// byDataFormat says that the preprocessor file told the layout.
const byDataFormat = "told by data_format"

func channelAxis(layout string) int {
	if layout == picture.ChannelsLast {
		return 3
	}
	return 1
}

func words(layout string) string { return strings.ReplaceAll(layout, "_", " ") }

// namedChannels is the axis that is called so, -1 where not exactly one is.
func namedChannels(dims []string) int {
	axis := -1
	for i, name := range dims {
		if name = strings.ToLower(name); name == "c" || strings.Contains(name, "channel") {
			if axis >= 0 {
				return -1
			}
			axis = i
		}
	}
	return axis
}

// channelReading is what the operators tell of the axis of channels.
type channelReading struct {
	axis     int // of the input; -1 where nothing tells
	channels int // 0 where they do not say
	why      string
}

// readsChannels walks from the input to the first operators that have an axis of channels: a
// convolution, a pooling, a normalisation, or a constant for each channel. What lies between may
// change the elements and the order of the axes.
func readsChannels(g *ir.Graph, in *ir.Value) channelReading {
	type step struct {
		v    *ir.Value
		axes [4]int // the input's axis that lies at each of the value's
		all  bool   // no channels were cut off or added
	}
	users := g.Users()
	steps, seen := []step{{in, [4]int{0, 1, 2, 3}, true}}, map[*ir.Value]bool{in: true}
	for i := 0; i < len(steps); i++ {
		s := steps[i]
		for _, n := range users[s.v] {
			if len(n.Outputs) == 0 || n.Outputs[0] == nil {
				continue
			}
			next := step{n.Outputs[0], s.axes, s.all}
			found := channelReading{axis: -1, why: fmt.Sprintf("%s %q", n.Op, n.Name)}
			switch n.Op {
			case "Conv", "ConvInteger", "QLinearConv", "ConvTranspose":
				found.axis = s.axes[1]
				if w := weightOf(n); s.all && w != nil && len(w.Type.Shape) == 4 {
					if found.channels = w.Type.Shape[1] * n.Attrs.Int("group", 1); n.Op == "ConvTranspose" {
						found.channels = w.Type.Shape[0]
					}
				}
			case "BatchNormalization", "InstanceNormalization", "ImageScaler", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "PRelu", "SpaceToDepth", "LRN":
				found.axis = s.axes[1]
			case "Transpose":
				perm := n.Attrs.Ints("perm")
				if len(perm) != 4 {
					continue
				}
				for k, from := range perm {
					next.axes[k] = s.axes[from]
				}
			case "Add", "Sub", "Mul", "Div":
				if k := channelConstant(n, s.v); k >= 0 {
					found.axis, found.channels = s.axes[k], otherInput(n, s.v).Type.Shape.Len()
				}
			case "Slice", "Concat":
				next.all = false
			case "Cast", "Identity", "Pad", "Clip", "Relu", "Neg", "Dropout", "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "Resize", "Upsample", "Floor", "Round", "Sqrt", "Pow":
			default:
				continue
			}
			if found.axis >= 0 {
				return found
			}
			if !seen[next.v] && len(steps) < 64 {
				seen[next.v] = true
				steps = append(steps, next)
			}
		}
	}
	return channelReading{axis: -1}
}

func weightOf(n *ir.Node) *ir.Value {
	if n.Op == "QLinearConv" {
		return n.In(3)
	}
	return n.In(1)
}

// otherInput is the known operand of a node that reads v too, or nil.
func otherInput(n *ir.Node, v *ir.Value) *ir.Value {
	if len(n.Inputs) != 2 {
		return nil
	}
	o := n.Inputs[0]
	if o == v {
		o = n.Inputs[1]
	}
	if o == nil || o == v || o.Data == nil {
		return nil
	}
	return o
}

// channelConstant is the axis of v along which a constant operand has 2 to 4 numbers, one for each
// channel; -1 where it has none.
func channelConstant(n *ir.Node, v *ir.Value) int {
	o := otherInput(n, v)
	if o == nil || o.Type.Shape.Len() < 2 || o.Type.Shape.Len() > 4 || len(o.Type.Shape) > 4 {
		return -1
	}
	for i, d := range o.Type.Shape {
		if d == o.Type.Shape.Len() {
			return i + 4 - len(o.Type.Shape)
		}
	}
	return -1
}
