package dash

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/chart"
	"github.com/permafrost-ml/permafrost/internal/dash/layered"
	"github.com/permafrost-ml/permafrost/internal/inspect"
)

// partBody is a part of the network when it is opened: its layers, and a picture of its nodes.
type partBody struct {
	Index   int
	Layers  []layerRow
	Picture *picture
}

// layerRow is a layer of a part.
type layerRow struct{ Name, Pick, Op, Params, Class, Text string }

// picture is a drawing of nodes.
type picture struct {
	About         string
	Width, Height int
	Lines         []string
	Boxes         []box
}

// box is a node of a picture.
type box struct {
	X, Y, W, H    float64
	Class         string
	Layer, Pick   string // of its weights; empty without
	Text, Small   string
	TextY, SmallY float64
	Tip           string
}

// planBlock shows a part of the network.
func (s *Server) planBlock(w http.ResponseWriter, r *http.Request) {
	q, err := requestOf(r.URL.Query().Get)
	var o *planning
	if err == nil {
		o, err = s.plans.of(r.Context(), q)
	}
	var in *inspect.Inspection
	var outline *inspect.Outline
	if err == nil {
		in, outline, err = o.inspect(r.Context(), q, unpriced)
	}
	if err == nil && q.Part >= len(outline.Parts) {
		err = fmt.Errorf("there is no part %d", q.Part)
	}
	if err != nil {
		s.fail(w, r, http.StatusUnprocessableEntity, err)
		return
	}
	part := &outline.Parts[q.Part]
	b := partBody{Index: q.Part}
	for i, name := range part.Layers {
		at := slices.IndexFunc(in.Layers, func(l inspect.Layer) bool { return l.Name == name })
		if at < 0 {
			continue
		}
		l := &in.Layers[at]
		b.Layers = append(b.Layers, layerRow{l.Name, part.Picks[i], l.Op, chart.Amount(float64(l.Params)), class(l.State), string(l.State)})
	}
	b.Picture = draw(outline, q.Part, b.Layers)
	s.part(w, "part", b)
}

// draw draws the nodes of a part, with stubs for what comes in.
func draw(o *inspect.Outline, part int, layers []layerRow) *picture {
	p := &o.Parts[part]
	if len(p.Nodes) == 0 {
		return nil
	}
	byLayer := map[string]layerRow{}
	for _, l := range layers {
		byLayer[l.Name] = l
	}
	var sizes []layered.Size
	var boxes []box
	var edges [][2]int
	at := map[int]int{} // of a node, in the drawing
	// what other parts compute, once each
	for _, k := range p.Nodes {
		for _, from := range o.Nodes[k].From {
			if _, ok := at[from]; ok || o.Nodes[from].Part == part {
				continue
			}
			at[from] = len(sizes)
			text := cut(o.Parts[o.Nodes[from].Part].Name, 22)
			boxes = append(boxes, box{Class: "outside", Text: text, Tip: "from " + o.Nodes[from].Name})
			sizes = append(sizes, layered.Size{Width: 16 + 6.6*float64(len([]rune(text))), Height: 20})
		}
	}
	for _, k := range p.Nodes {
		n := &o.Nodes[k]
		b := box{Class: "plain", Text: n.Op, Tip: n.Name}
		if l, ok := byLayer[n.Layer]; ok {
			b.Class, b.Layer, b.Pick, b.Small = l.Class, n.Layer, l.Pick, shapeText(n.Shape)
			b.Tip = n.Name + ": weights of " + n.Layer
		}
		at[k] = len(sizes)
		boxes = append(boxes, b)
		wide := 20 + 7.2*float64(max(len(b.Text), len([]rune(b.Small))-2))
		sizes = append(sizes, layered.Size{Width: wide, Height: map[bool]float64{true: 36, false: 24}[b.Small != ""]})
		for _, from := range n.From {
			if f, ok := at[from]; ok {
				edges = append(edges, [2]int{f, at[k]})
			}
		}
	}
	d := layered.Draw(sizes, edges)
	pic := &picture{Width: int(d.Width) + 1, Height: int(d.Height) + 1,
		About: fmt.Sprintf("The operations of %s in their order: %s.", p.Name, strings.Join(ops(o, p), ", "))}
	for i := range boxes {
		b, c, size := &boxes[i], d.At[i], sizes[i]
		b.X, b.Y, b.W, b.H = c.X-size.Width/2, c.Y-size.Height/2, size.Width, size.Height
		b.TextY, b.SmallY = c.Y+4, c.Y+13
		if b.Small != "" {
			b.TextY = c.Y - 2
		}
	}
	pic.Boxes = boxes
	for _, line := range d.Lines {
		pic.Lines = append(pic.Lines, curve(line))
	}
	return pic
}

// ops are the operators of a part in their order, as many as one listens to.
func ops(o *inspect.Outline, p *inspect.Part) []string {
	const most = 60
	var out []string
	for _, k := range p.Nodes[:min(most, len(p.Nodes))] {
		out = append(out, o.Nodes[k].Op)
	}
	if more := len(p.Nodes) - most; more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return out
}

// Middle is the x of the text of a box.
func (b box) Middle() float64 { return b.X + b.W/2 }

// curve is a smooth path through points that go down.
func curve(points []layered.Point) string {
	var b strings.Builder
	fmt.Fprintf(&b, "M%.1f %.1f", points[0].X, points[0].Y)
	for i := 1; i < len(points); i++ {
		p, q := points[i-1], points[i]
		if p.X == q.X {
			fmt.Fprintf(&b, "V%.1f", q.Y)
			continue
		}
		m := (p.Y + q.Y) / 2
		fmt.Fprintf(&b, "C%.1f %.1f %.1f %.1f %.1f %.1f", p.X, m, q.X, m, q.X, q.Y)
	}
	return b.String()
}

func shapeText(shape []int) string {
	parts := make([]string, len(shape))
	for i, n := range shape {
		parts[i] = fmt.Sprint(n)
	}
	return strings.Join(parts, "×")
}

func cut(text string, most int) string {
	if r := []rune(text); len(r) > most {
		return "…" + string(r[len(r)-most+1:])
	}
	return text
}
