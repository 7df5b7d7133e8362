package page

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/chart"
	"github.com/permafrost-ml/permafrost/internal/facts"
)

// unit is a row of the network: a block, or several neighbours of a large network.
type unit struct {
	name    string
	first   string // of the blocks in it
	layers  int
	params  int
	thawed  int
	flops   int64
	live    bool
	tensors []string
	seconds float64 // in an epoch, or once where it ran once; 0 if unknown
}

// unitsMost is how many rows the network has at most.
const unitsMost = 60

// units are the rows of the network, with the measured time shared out among them.
func (r *Run) units() []unit {
	if r.Facts == nil {
		return nil
	}
	var out []unit
	per := (len(r.Facts.Blocks) + unitsMost - 1) / unitsMost
	for i := range r.Facts.Blocks {
		b := &r.Facts.Blocks[i]
		if last := len(out) - 1; last < 0 || i%per == 0 || b.Live != out[last].live {
			out = append(out, unit{name: b.Name, first: b.Name, live: b.Live})
		} else {
			out[last].name = out[last].first + " … " + b.Name
		}
		u := &out[len(out)-1]
		u.layers, u.params, u.thawed, u.flops = u.layers+len(b.Layers), u.params+b.Params, u.thawed+b.Thawed, u.flops+b.FLOPs
		u.tensors = append(u.tensors, b.Tensor...)
	}
	r.share(out)
	return out
}

// share shares the measured time out by operations. A forward pass counts once; the gradients of
// what is behind it, and of its own weights, count as much each.
func (r *Run) share(units []unit) {
	work := func(u *unit) float64 {
		passes := 1.0
		if u.live {
			passes++ // the gradient that goes further back
			if u.thawed > 0 {
				passes++
			}
		}
		return passes * float64(u.flops)
	}
	of := func(seconds float64, which func(u *unit) bool) {
		sum := 0.0
		for i := range units {
			if which(&units[i]) {
				sum += work(&units[i])
			}
		}
		for i := range units {
			if u := &units[i]; sum > 0 && which(u) {
				u.seconds = seconds * work(u) / sum
			}
		}
	}
	if r.keeps() {
		of(r.Cache.Seconds, func(u *unit) bool { return !u.live })
		of(r.epoch(), func(u *unit) bool { return u.live })
		return
	}
	of(r.epoch(), func(*unit) bool { return true })
}

// state is the class of a row in page.css, and its words.
func (u *unit) state() (class, text string) {
	switch {
	case u.thawed == 0:
		return "ice", "frozen"
	case u.thawed >= u.params:
		return "warm", "thawed"
	}
	return "mild", "partly thawed"
}

// The columns of the network, in pixels.
const (
	networkWidth = 720.0
	rowHeight    = 26.0
	boxAt        = 190.0
	boxWide      = 130.0
	paramsAt     = 350.0
	secondsAt    = 545.0
	barWide      = 95.0
)

// network draws the blocks from the input, above, to the head, with the frontier between them.
func (r *Run) network(units []unit) *chart.Plot {
	const top = 44.0
	p := &chart.Plot{Width: networkWidth}
	mostParams, mostSeconds := 1, 0.0
	for i := range units {
		mostParams, mostSeconds = max(mostParams, units[i].params), max(mostSeconds, units[i].seconds)
	}
	p.Write("label", "middle", boxAt+boxWide/2, 14, "input", 20)
	p.Write("label", "start", paramsAt, 14, "parameters", 20)
	if mostSeconds > 0 {
		p.Write("label", "start", secondsAt, 14, "time", 20)
	}
	p.Line("flow", boxAt+boxWide/2, 20, boxAt+boxWide/2, top-14)
	y, crossed := top-14, false
	for i := range units {
		u := &units[i]
		above := y - 6
		if u.live && !crossed && i > 0 {
			crossed = true
			p.Line("frontier", 0, y+19, networkWidth, y+19)
			text := "frontier: what crosses it is kept for each example"
			if !r.keeps() {
				text = "frontier: no gradient goes beyond it"
			}
			p.Write("frontier-text halo", "end", networkWidth, y+13, text, 70)
			y += 24
		}
		if i > 0 {
			p.Line("flow", boxAt+boxWide/2, above, boxAt+boxWide/2, y+2)
		}
		class, state := u.state()
		p.Write("tick", "end", boxAt-8, y+16, u.name, 26)
		p.Items = append(p.Items, chart.Item{Class: "box " + class, Path: chart.Rectangle(boxAt, y+2, boxWide, rowHeight-6),
			Tip: fmt.Sprintf("%s: %s, %s, %s parameters, %s thawed", u.name, state, count(u.layers, "layer"), amountText(u.params), amountText(u.thawed))})
		p.Write("in-box "+class, "middle", boxAt+boxWide/2, y+16, state, 20)
		bar := func(at, share float64, text string) {
			p.Path("box "+class, "", chart.Rectangle(at, y+7, max(1, barWide*share), rowHeight-16))
			p.Write("tick", "start", at+max(1, barWide*share)+6, y+16, text, 20)
		}
		bar(paramsAt, float64(u.params)/float64(mostParams), amountText(u.params))
		if mostSeconds > 0 {
			text := chart.Seconds(u.seconds)
			if u.seconds < 0.0005 {
				text = "< 1 ms"
			}
			if !u.live && r.keeps() {
				text += " once"
			}
			bar(secondsAt, u.seconds/mostSeconds, text)
		}
		y += rowHeight
	}
	p.Line("flow", boxAt+boxWide/2, y-6, boxAt+boxWide/2, y+6)
	p.Write("label", "middle", boxAt+boxWide/2, y+18, "answer", 20)
	p.Height = y + 24
	states := map[string]bool{}
	for i := range units {
		class, _ := units[i].state()
		states[class] = true
	}
	for _, l := range []chart.Legend{{Class: "ice", Name: "frozen"}, {Class: "mild", Name: "partly thawed"}, {Class: "warm", Name: "thawed"}} {
		if states[l.Class] {
			p.Legend = append(p.Legend, l)
		}
	}
	p.About = fmt.Sprintf("The network in %d parts from the input to the answer; %d of them have thawed weights. The list of layers has the numbers.", len(units),
		len(slices.DeleteFunc(slices.Clone(units), func(u unit) bool { return u.thawed == 0 })))
	return p
}

func (r *Run) networkSection() *chart.Section {
	units := r.units()
	if len(units) == 0 {
		return nil
	}
	text := "Parts from the input to the answer. "
	if units[0].live {
		text += "There is no frontier: training reaches back to the input. "
	}
	switch mean := r.epoch(); {
	case mean == 0:
	case r.keeps():
		text += fmt.Sprintf("Times are measured, and shared out by operations: %s of an epoch among the parts behind the frontier, and %s, once, among those before it. ", chart.Seconds(mean), chart.Seconds(r.Cache.Seconds))
		if r.found() {
			text += fmt.Sprintf("The frozen values of %s were found in the cache of an earlier run. ", count(r.Cache.Hits+r.Cache.Near, "example"))
		}
	default:
		text += fmt.Sprintf("Times are measured, and shared out by operations: %s of an epoch. ", chart.Seconds(mean))
	}
	return &chart.Section{ID: "network", Title: "What was frozen", Text: text, Plots: []*chart.Plot{r.network(units)}}
}

// layersMost is how many layers are listed.
const layersMost = 500

// layer is a line of the list of layers.
type layer struct{ Block, Name, Op, Params, State string }

func layersOf(f *facts.Facts) []layer {
	var out []layer
	if f == nil {
		return nil
	}
	for _, b := range f.Blocks {
		for _, l := range b.Layers {
			if len(out) == layersMost {
				return out
			}
			out = append(out, layer{b.Name, l.Name, l.Op, amountText(l.Params), l.State})
		}
	}
	return out
}
