package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/internal/terminal"
)

// manyRows is from where on a tree is folded to blocks.
const manyRows = 50

// branch is a level of the tree of layers.
type branch struct {
	name   string
	params int
	flops  int64
	layers int // below it
	states map[string]bool
	bare   string // state of layers in which nothing could train
	op     string // of a leaf
	below  []*branch
	folded bool // of the root: some branches are not shown
}

// tree arranges layers by the parts of their names.
func tree(layers []permafrost.Layer) *branch {
	root := &branch{states: map[string]bool{}}
	for _, l := range layers {
		parts := strings.FieldsFunc(l.Name, func(r rune) bool { return r == '.' })
		if strings.Contains(l.Name, "/") {
			parts = []string{l.Name}
		}
		at := root
		at.add(l)
		for _, p := range parts {
			at = at.child(p)
			at.add(l)
		}
		at.op = l.Op
	}
	return root
}

// child finds or makes the branch of a name. It looks at the last one first: layers come in order.
func (b *branch) child(name string) *branch {
	for _, c := range slices.Backward(b.below) {
		if c.name == name {
			return c
		}
	}
	c := &branch{name: name, states: map[string]bool{}}
	b.below = append(b.below, c)
	return c
}

func (b *branch) add(l permafrost.Layer) {
	b.params += l.Params
	b.flops += l.FLOPs
	b.layers++
	if l.Params == 0 {
		b.bare = l.State
	} else {
		b.states[l.State] = true
	}
}

func (b *branch) state() string {
	for s := range b.states {
		if len(b.states) == 1 {
			return s
		}
		return "partly"
	}
	return b.bare
}

// rows is how many rows a branch has below it.
func (b *branch) rows() int {
	n := len(b.below)
	for _, c := range b.below {
		n += c.rows()
	}
	return n
}

// fold leaves out what is below blocks that have one state.
func (b *branch) fold(blocks []permafrost.Block) {
	root := b
	var walk func(b *branch, path string)
	walk = func(b *branch, path string) {
		isBlock := slices.ContainsFunc(blocks, func(block permafrost.Block) bool { return block.Name == path })
		if isBlock && b.state() != "partly" && len(b.below) > 0 {
			b.op = fmt.Sprintf("%d layers", b.layers)
			b.below, root.folded = nil, true
		}
		for _, c := range b.below {
			walk(c, strings.TrimPrefix(path+"."+c.name, "."))
		}
	}
	walk(b, "")
}

// treeTable is how a tree is printed: down to a depth (0: all), on a terminal in colours and no wider
// than that.
type treeTable struct {
	on        terminal.Terminal
	depth     int
	names     int  // columns of the first column
	operators bool // there is room for the last column
}

// numberColumns is the width of the numbers and the state, with the gaps before them.
const numberColumns = 2 + 12 + 2 + 8 + 2 + 8

func (b *branch) print(w io.Writer, on terminal.Terminal, depth int) {
	t := treeTable{on, depth, max(len("layer"), b.width(0, depth)), true}
	if width := on.Width(); width > 0 {
		t.operators = t.names+numberColumns+2+len("BatchNormalization") <= width
		t.names = min(t.names, max(width-numberColumns, len("layer")))
	}
	t.row(w, "layer", "parameters", "FLOPs", "state", "operator", t.on.Bold)
	for _, c := range b.below {
		t.branch(w, c, 0)
	}
	t.row(w, "total", thousands(b.params), flopsText(b.flops), b.state(), "", t.colour(b.state()))
}

// branch prints a row and those below it.
func (t *treeTable) branch(w io.Writer, b *branch, level int) {
	t.row(w, strings.Repeat("  ", level)+b.name, thousands(b.params), flopsText(b.flops), b.state(), b.op, t.colour(b.state()))
	if t.depth > 0 && level+1 >= t.depth {
		return
	}
	for _, c := range b.below {
		t.branch(w, c, level+1)
	}
}

// row prints one row. Name and state have the colour.
func (t *treeTable) row(w io.Writer, name, params, flops, state, op string, colour func(string) string) {
	name = fmt.Sprintf("%-*s", t.names, terminal.Cut(name, t.names))
	if !t.operators {
		op = ""
	}
	if op == "" {
		state = strings.TrimRight(state, " ")
	} else {
		state = fmt.Sprintf("%-8s", state)
	}
	line := fmt.Sprintf("%s  %12s  %8s  %s", colour(name), params, flops, colour(state))
	if op != "" {
		line += "  " + t.on.Faint(op)
	}
	fmt.Fprintln(w, line)
}

// colour is that of a state: ice for frozen, warm for thawed, none for some of both.
func (t *treeTable) colour(state string) func(string) string {
	switch state {
	case "frozen":
		return t.on.Ice
	case "thawed":
		return t.on.Warm
	}
	return func(s string) string { return s }
}

func (b *branch) width(level, depth int) int {
	n := 2*(level-1) + len([]rune(b.name))
	if depth > 0 && level >= depth {
		return n
	}
	for _, c := range b.below {
		n = max(n, c.width(level+1, depth))
	}
	return n
}
