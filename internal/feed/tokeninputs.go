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

// RoleOf returns the role of an input by its name.
func RoleOf(name string) Role {
	name = strings.ToLower(name)
	switch {
	case strings.Contains(name, "mask"):
		return TokenMask
	case strings.Contains(name, "type") || strings.Contains(name, "segment"):
		return TokenType
	case strings.Contains(name, "position"):
		return TokenPlace
	}
	return TokenIDs
}

// takesTokens reports whether a model has the inputs of a language model: integers [N,T], one of
// them the ids.
func takesTokens(m *onnx.Model, _ Options) (bool, error) {
	_, _, err := tokenInputs(m)
	return err == nil, nil
}

// tokenInputs finds the roles of a model's inputs, and the fixed number of tokens that they take or
// -1.
func tokenInputs(m *onnx.Model) (roles []Role, length int, err error) {
	length = -1
	seen := map[Role]string{}
	for _, in := range m.Graph.Inputs {
		dt, s := in.Type.DType, in.Type.Shape
		if len(s) != 2 || dt != tensor.Int64 && dt != tensor.Int32 {
			return nil, 0, fmt.Errorf("the model's input %q is %v; texts need int64 or int32 [N,T]", in.Name, in.Type)
		}
		r := RoleOf(in.Name)
		if other, ok := seen[r]; ok {
			return nil, 0, fmt.Errorf("the model's inputs %q and %q seem to take the same", other, in.Name)
		}
		if r == TokenIDs && !strings.Contains(strings.ToLower(in.Name), "id") && !strings.Contains(strings.ToLower(in.Name), "token") {
			return nil, 0, fmt.Errorf("the model's input %q does not seem to take tokens", in.Name)
		}
		seen[r] = in.Name
		roles = append(roles, r)
		if s[1] >= 0 {
			length = s[1]
		}
	}
	if _, ok := seen[TokenIDs]; !ok {
		return nil, 0, errors.New("the model has no input of token ids")
	}
	return roles, length, nil
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
