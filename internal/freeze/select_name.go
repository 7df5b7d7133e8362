package freeze

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

func init() {
	RegisterSelector(Selector{
		Kind: "re", Examples: []string{"re:"},
		Read: func(_ *Set, arg string) (Named, error) {
			re, err := regexp.Compile(arg)
			return byName(re), err
		},
	})
}

// readName reads a glob, or a name as it is shown: of a weight, a layer, a node or a block. A
// layer's name means every weight below it.
func (s *Set) readName(name string) (Named, error) {
	below := func(w *Weight) bool {
		return slices.ContainsFunc(w.names(), func(own string) bool {
			rest, ok := strings.CutPrefix(own, name)
			return ok && (rest == "" || strings.ContainsRune("./", rune(rest[0])))
		})
	}
	if slices.ContainsFunc(s.Weights, below) {
		return Named{Weights: below}, nil
	}
	if b := slices.Index(s.Blocks, name); b >= 0 {
		return Named{Weights: func(w *Weight) bool { return w.Block == b }}, nil
	}
	re, err := globRegexp(name)
	return byName(re), err
}

// byName are the weights of which a name matches.
func byName(re *regexp.Regexp) Named {
	return Named{Weights: func(w *Weight) bool { return slices.ContainsFunc(w.names(), re.MatchString) }}
}

// names are those that select the weight: its own, its layer's, and the paths of the nodes that
// read it.
func (w *Weight) names() []string {
	out := []string{w.Name, strings.Join(w.Module, ".")}
	for _, n := range w.Nodes {
		out = append(out, n, path.Dir(n))
	}
	return out
}

// globRegexp translates a glob: * is any sequence of characters, ? is one character, [..] is a
// class.
func globRegexp(glob string) (*regexp.Regexp, error) {
	var b strings.Builder
	b.WriteByte('^')
	for i := 0; i < len(glob); i++ {
		switch c := glob[i]; c {
		case '*':
			b.WriteString(".*")
		case '?':
			b.WriteByte('.')
		case '[':
			end := strings.IndexByte(glob[i:], ']')
			if end < 2 {
				return nil, fmt.Errorf("unclosed [")
			}
			b.WriteString(strings.Replace(glob[i:i+end+1], "[!", "[^", 1))
			i += end
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	b.WriteByte('$')
	return regexp.Compile(b.String())
}
