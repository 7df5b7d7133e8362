package split

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/freeze"
	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/option"
)

// Shortened is a model's raw graph of which blocks are left out.
type Shortened struct {
	Graph    *ir.Graph
	Cut      string          // the last block that is left; "": the last one that the model has
	End      string          // name of the value that a head reads then
	Bypasses []freeze.Bypass // blocks that were left out before it
	Notes    []string
}

// None is the value of the options cut and skip that leaves nothing out.
const None = "none"

// Shorten leaves blocks out of a model: with cut all blocks behind one, which is named, or counted
// from the end as last:N; with skip those named, whose inputs then take the place of their results.
// Without either it returns the model's own graph. It errors on blocks that do not exist or cannot
// be left out, with those that can.
func (b *Base) Shorten(cut string, skip []string) (*Shortened, error) {
	s := &Shortened{Graph: b.Model.Graph}
	if names := skipped(skip); cut == "" && len(names) == 0 {
		return s, nil
	} else if cut == None && len(names) == 0 {
		return s, nil
	}
	blocks, err := b.Blocks()
	if err != nil {
		return nil, option.Errorf(shorteningOption(cut), "%w", err)
	}
	at := len(blocks) - 1
	if cut != "" && cut != None {
		if at, err = cutAt(blocks, cut); err != nil {
			return nil, err
		}
		s.Cut, s.End = blocks[at].Name, blocks[at].End
	}
	out, err := skips(blocks, skip, at)
	if err != nil {
		return nil, err
	}
	if len(out) > 0 {
		s.bypass(blocks, out)
	}
	if s.Cut != "" {
		s.Notes = append(s.Notes, fmt.Sprintf("the model ends behind block %q: %s left out", s.Cut, blocksAre(blocks[at+1:])))
	}
	if len(out) > 0 {
		var gone []Block
		for _, i := range out {
			gone = append(gone, blocks[i])
		}
		s.Notes = append(s.Notes, fmt.Sprintf("%s left out: what each read takes the place of its result", blocksAre(gone)))
	}
	return s, nil
}

func shorteningOption(cut string) string {
	if cut != "" && cut != None {
		return "cut"
	}
	return "skip"
}

// skipped lists the names of blocks in the option skip.
func skipped(skip []string) []string {
	var names []string
	for _, text := range skip {
		for _, name := range strings.Split(text, ",") {
			if name = strings.TrimSpace(name); name != "" && name != None {
				names = append(names, name)
			}
		}
	}
	return names
}

// cutAt is the index of the last block that a cut leaves.
func cutAt(blocks []Block, cut string) (int, error) {
	possible := func() string {
		var names []string
		for _, b := range blocks[:len(blocks)-1] {
			if b.End != "" {
				names = append(names, b.Name)
			}
		}
		if len(names) == 0 {
			return "it has no other block behind which a head could read"
		}
		return "it can end behind " + someNames(names)
	}
	at := slices.IndexFunc(blocks, func(b Block) bool { return b.Name == cut })
	if text, ok := strings.CutPrefix(cut, "last:"); at < 0 && ok {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return 0, option.Errorf("cut", "%s: give the number of blocks to leave out, as in last:2", cut)
		}
		if n >= len(blocks) {
			return 0, option.Errorf("cut", "%s leaves nothing: the model has %d blocks", cut, len(blocks))
		}
		at = len(blocks) - 1 - n
	}
	switch {
	case at < 0:
		return 0, option.Errorf("cut", "the model has no block %q; %s", cut, possible())
	case at == len(blocks)-1:
		return 0, option.Errorf("cut", "%q is the model's last block, behind which nothing is to be left out; %s", cut, possible())
	case blocks[at].End == "":
		return 0, option.Errorf("cut", "behind block %q there is nothing that a head could read; %s", blocks[at].Name, possible())
	}
	return at, nil
}

// skips are the indices of the blocks to leave out, in order; at is the last block that is left.
func skips(blocks []Block, skip []string, at int) ([]int, error) {
	possible := func() string {
		var names []string
		for _, b := range blocks[:at+1] {
			if b.Bypass != nil {
				names = append(names, b.Name)
			}
		}
		if len(names) == 0 {
			return "none of the model's blocks can: they have no shortcut of the same shape around their layers"
		}
		return "these can be left out: " + someNames(names)
	}
	var out []int
	for _, name := range skipped(skip) {
		i := slices.IndexFunc(blocks, func(b Block) bool { return b.Name == name })
		switch {
		case i < 0:
			return nil, option.Errorf("skip", "the model has no block %q; %s", name, possible())
		case i > at:
			return nil, option.Errorf("skip", "block %q is behind the cut, which leaves it out anyway; %s", name, possible())
		case blocks[i].Bypass == nil:
			return nil, option.Errorf("skip", "block %q has no shortcut of the same shape around its layers; %s", name, possible())
		case i == at && at < len(blocks)-1:
			return nil, option.Errorf("skip", "block %q is the last one before the cut: cut behind the block before it instead", name)
		case slices.Contains(out, i):
			return nil, option.Errorf("skip", "block %q stands twice", name)
		}
		out = append(out, i)
	}
	slices.Sort(out)
	return out, nil
}

// bypass makes a copy of the graph in which the blocks are left out.
func (s *Shortened) bypass(blocks []Block, out []int) {
	s.Graph, _ = ir.Clone(s.Graph)
	byName := map[string]*ir.Value{}
	for _, n := range s.Graph.Nodes {
		for _, v := range n.Outputs {
			if v != nil {
				byName[v.Name] = v
			}
		}
	}
	instead := map[*ir.Value]*ir.Value{}
	for _, i := range out {
		p := *blocks[i].Bypass
		x, y := byName[p.Instead], byName[p.Value]
		for instead[x] != nil { // the block before it is left out, too
			x = instead[x]
		}
		s.Graph.Replace(y, x)
		instead[y] = x
		p.Instead = x.Name
		s.Bypasses = append(s.Bypasses, p)
	}
	s.Graph.Prune()
}

// blocksAre names blocks as the subject of a sentence.
func blocksAre(blocks []Block) string {
	var names []string
	for _, b := range blocks {
		names = append(names, b.Name)
	}
	if len(names) == 1 {
		return fmt.Sprintf("block %q is", names[0])
	}
	return fmt.Sprintf("%d blocks (%s) are", len(names), someNames(names))
}

// someNames lists names, of many the first and the last.
func someNames(names []string) string {
	if len(names) > 12 {
		names = slices.Concat(names[:8], []string{"..."}, names[len(names)-2:])
	}
	return strings.Join(names, ", ")
}

// instead is the name of the value that what read the named one reads now.
func (s *Shortened) instead(name string) string {
	for i := 0; s != nil && i < len(s.Bypasses); i++ {
		if s.Bypasses[i].Value == name {
			return s.Bypasses[i].Instead
		}
	}
	return name
}
