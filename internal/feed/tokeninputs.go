package feed

import (
	"errors"
	"fmt"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/ir"
	"github.com/permafrost-ml/permafrost/internal/onnx"
	"github.com/permafrost-ml/permafrost/internal/tensor"
)

// Role says what an input of a language model holds for each token.
type Role int

const (
	TokenIDs   Role = iota // the token's id
	TokenMask              // 1 for tokens, 0 for padding
	TokenType              // 1 in the second text of a pair, else 0
	TokenPlace             // its position, from 0
)

// roleNamed tells the role of an input by its name, where that says one.
func roleNamed(name string) (Role, bool) {
	name = strings.ToLower(name)
	switch {
	case strings.Contains(name, "mask"):
		return TokenMask, true
	case strings.Contains(name, "type") || strings.Contains(name, "segment"):
		return TokenType, true
	case strings.Contains(name, "position"):
		return TokenPlace, true
	}
	return TokenIDs, strings.Contains(name, "id") || strings.Contains(name, "token")
}

// mostTypes is how many rows a table of the parts of a text has at most.
const mostTypes = 16

// TokenRoles finds what the inputs of a language model take, by their names, else by what reads
// them: ids look rows up in the largest table, types in a small one, and a mask in none. Guessed
// are the inputs whose names do not say it. It errors on inputs that are not those of a language
// model: integers [N,T], one of them the ids.
func TokenRoles(g *ir.Graph) (roles map[string]Role, guessed []string, err error) {
	roles = map[string]Role{}
	var ids *ir.Value
	for _, in := range g.Inputs {
		dt, s := in.Type.DType, in.Type.Shape
		if len(s) != 2 || dt != tensor.Int64 && dt != tensor.Int32 {
			return nil, nil, fmt.Errorf("the model's input %q is %v; texts need int64 or int32 [N,T]", in.Name, in.Type)
		}
		r, ok := roleNamed(in.Name)
		if !ok {
			guessed = append(guessed, in.Name)
			switch rows := tableRows(g, in); {
			case rows == 0 && len(g.Inputs) > 1:
				r = TokenMask
			case rows == 0:
				return nil, nil, fmt.Errorf("the model's input %q does not seem to take tokens", in.Name)
			case rows <= mostTypes && len(g.Inputs) > 1:
				r = TokenType
			}
		}
		for other, taken := range roles {
			if taken == r {
				return nil, nil, fmt.Errorf("the model's inputs %q and %q seem to take the same", other, in.Name)
			}
		}
		if roles[in.Name] = r; r == TokenIDs {
			ids = in
		}
	}
	if ids == nil {
		return nil, nil, errors.New("the model has no input of token ids")
	}
	return roles, guessed, nil
}

// tableRows is the number of rows of the table in which an input looks some up, 0 for none.
func tableRows(g *ir.Graph, in *ir.Value) int {
	same := map[*ir.Value]bool{in: true}
	for _, n := range g.Nodes {
		switch {
		case n.Op == "Cast" && same[n.In(0)]:
			same[n.Outputs[0]] = true
		case n.Op == "Gather" && same[n.In(1)] && n.In(0) != nil && n.In(0).Kind == ir.Param:
			return n.In(0).Type.Shape[0]
		}
	}
	return 0
}

// takesTokens reports whether a model's inputs are those of a language model. Where their names do
// not say so, there must be a tokenizer.
func takesTokens(m *onnx.Model, o Options) (bool, error) {
	_, guessed, err := TokenRoles(m.Graph)
	if err != nil {
		return false, nil
	}
	return guessed == nil || o.Text.Tokenizer != "" || FindTokenizer(m.Path) != "", nil
}

// tokenInputs finds the roles of a model's inputs in order, and the fixed number of tokens that
// they take, or -1. The note says what was guessed, "" for nothing.
func tokenInputs(m *onnx.Model) (roles []Role, length int, note string, err error) {
	byName, guessed, err := TokenRoles(m.Graph)
	if err != nil {
		return nil, 0, "", err
	}
	length = -1
	for _, in := range m.Graph.Inputs {
		roles = append(roles, byName[in.Name])
		if n := in.Type.Shape[1]; n >= 0 {
			length = n
		}
	}
	var said []string
	for _, name := range guessed {
		said = append(said, fmt.Sprintf("%q takes %s", name, [...]string{"the tokens", "the mask", "the parts of a pair", "positions"}[byName[name]]))
	}
	if said != nil {
		note = "by what the model does with its inputs, " + strings.Join(said, ", ")
	}
	return roles, length, note, nil
}

// fits errors if the tokenizer produces ids outside the model's vocabulary.
func (f *Texts) fits(m *onnx.Model) error {
	isIDs := map[*ir.Value]bool{}
	for i, in := range m.Graph.Inputs {
		isIDs[in] = f.roles[i] == TokenIDs
	}
	for _, n := range m.Graph.Nodes {
		switch {
		case n.Op == "Cast" && isIDs[n.In(0)]:
			isIDs[n.Outputs[0]] = true
		case n.Op == "Gather" && isIDs[n.In(1)] && n.In(0) != nil && n.In(0).Kind == ir.Param:
			rows := n.In(0).Type.Shape[0]
			if f.Tokenizer.Own() > rows {
				return fmt.Errorf("the tokenizer gives ids up to %d, and the model's table %q has %d rows: it belongs to another model, name the right one with option tokenizer",
					f.Tokenizer.Size()-1, n.In(0).Name, rows)
			}
			f.rows = rows
		}
	}
	return nil
}
