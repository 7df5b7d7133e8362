package main

import (
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/internal/terminal"
)

func treeLayers() []permafrost.Layer {
	return []permafrost.Layer{
		{Name: "stem.conv", Op: "Conv", Params: 432, FLOPs: 217000, State: "frozen"},
		{Name: "layer1.0.conv1", Op: "Conv", Params: 2304, FLOPs: 1180000, State: "frozen"},
		{Name: "layer1.0.conv2", Op: "Conv", Params: 2304, FLOPs: 1180000, State: "frozen"},
		{Name: "layer1.1.conv1", Op: "Conv", Params: 2304, FLOPs: 1180000, State: "frozen"},
		{Name: "layer1.1.conv2", Op: "Conv", Params: 2304, FLOPs: 1180000, State: "thawed"},
		{Name: "head.linear", Op: "Gemm", Params: 650, FLOPs: 1280, State: "thawed"},
	}
}

// colours makes colours readable.
var colours = strings.NewReplacer("\x1b[36m", "❄", "\x1b[33m", "☀", "\x1b[1m", "*", "\x1b[m", "")

// TestTree: columns stand below each other on every width, frozen layers are ice and thawed ones
// warm, and what is folded says so.
func TestTree(t *testing.T) {
	blocks := []permafrost.Block{{Name: "layer1.0"}, {Name: "layer1.1"}}
	for _, c := range []struct {
		name string
		on   terminal.Terminal
		fold bool
		want string
	}{
		{"file", terminal.Terminal{}, false, `layer        parameters     FLOPs  state     operator
stem                432     217 k  frozen
  conv              432     217 k  frozen    Conv
layer1            9,216    4.72 M  partly
  0               4,608    2.36 M  frozen
    conv1         2,304    1.18 M  frozen    Conv
    conv2         2,304    1.18 M  frozen    Conv
  1               4,608    2.36 M  partly
    conv1         2,304    1.18 M  frozen    Conv
    conv2         2,304    1.18 M  thawed    Conv
head                650    1.28 k  thawed
  linear            650    1.28 k  thawed    Gemm
total            10,298    4.94 M  partly
`},
		{"folded", terminal.Fixed(80, false), true, `layer        parameters     FLOPs  state     operator
stem                432     217 k  frozen
  conv              432     217 k  frozen    Conv
layer1            9,216    4.72 M  partly
  0               4,608    2.36 M  frozen    2 layers
  1               4,608    2.36 M  partly
    conv1         2,304    1.18 M  frozen    Conv
    conv2         2,304    1.18 M  thawed    Conv
head                650    1.28 k  thawed
  linear            650    1.28 k  thawed    Gemm
total            10,298    4.94 M  partly
`},
		{"narrow", terminal.Fixed(40, true), true, `*layer     parameters     FLOPs  *state
❄stem             432     217 k  ❄frozen
❄  conv           432     217 k  ❄frozen
layer1         9,216    4.72 M  partly
❄  0            4,608    2.36 M  ❄frozen
  1            4,608    2.36 M  partly
❄    c…         2,304    1.18 M  ❄frozen
☀    c…         2,304    1.18 M  ☀thawed
☀head             650    1.28 k  ☀thawed
☀  lin…           650    1.28 k  ☀thawed
total         10,298    4.94 M  partly
`},
	} {
		root := tree(treeLayers())
		if c.fold {
			root.fold(blocks)
		}
		if root.folded != c.fold {
			t.Errorf("%s: folded %v", c.name, root.folded)
		}
		var b strings.Builder
		root.print(&b, c.on, 0)
		if got := colours.Replace(b.String()); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want)
		}
		for line := range strings.Lines(b.String()) {
			if n := terminal.Columns(strings.TrimSuffix(line, "\n")); c.on.Is() && n > c.on.Width() {
				t.Errorf("%s: %q has %d columns", c.name, line, n)
			}
		}
	}
}
