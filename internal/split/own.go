package split

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/ir"
)

// Own is a model's own classifier as the model has it.
type Own struct {
	Graph       *ir.Graph // whose only output is the scores before any softmax
	Classes     int       // number of scores
	PerPosition bool      // every position of a sequence has scores: [N,T,Classes]
	Sigmoid     bool      // the model makes of each score a probability of its own
	Layer       string    // node of the last layer
	Output      string    // of the model, to which the scores lead
}

// Own finds a model's own classifier. It errors if the model has none that gives one score for each
// class.
func (b *Base) Own() (*Own, error) {
	g, _ := ir.Clone(b.Model.Graph)
	c := FindClassifier(g)
	if c == nil {
		return nil, fmt.Errorf("the model ends in features, or in what is no classifier, so it has no classes of its own: permafrost fit gives it a head")
	}
	own := &Own{Graph: g, Layer: c.node.Name, Output: c.output.Name}
	var scores *ir.Value
	scores, own.Sigmoid = c.before()
	types, err := TypesOf(g, []*ir.Value{scores}, b.Shapes(b.Two()))
	if err != nil {
		return nil, err
	}
	s := types[0].Shape
	switch {
	case !types[0].DType.IsFloat() || len(s) < 2:
		return nil, fmt.Errorf("the model's classifier %q gives %v, not one score for each class", own.Layer, types[0])
	case s.Len() == s[0]*s[1]:
		own.Classes = s[1]
	case len(s) == 3:
		own.Classes, own.PerPosition = s[2], true
	default:
		return nil, fmt.Errorf("the model's classifier %q gives %v, not one score for each class", own.Layer, s)
	}
	if own.Classes < 2 {
		return nil, fmt.Errorf("the model's last layer %q gives one number for an example, not a score for each of several classes", own.Layer)
	}
	g.Outputs = []*ir.Value{scores}
	g.Prune()
	return own, nil
}

// before goes from the output back to the classifier and returns the value that a softmax, a
// sigmoid or a choice of the best reads, with what scales the scores on the way; where there is
// none, the output itself. Where something else stands between, it returns the classifier's scores.
func (c *Classifier) before() (scores *ir.Value, sigmoid bool) {
	scores = c.output
	for v := c.output; v != c.Scores; {
		n := v.Node
		if n == nil {
			return c.Scores, false
		}
		i := slices.IndexFunc(n.Inputs, func(in *ir.Value) bool { return in != nil && in.Kind == ir.Result })
		traits := n.RawTraits()
		chooses := n.Op == "ArgMax" || n.Op == "TopK"
		scales := slices.Contains([]string{"Add", "Sub", "Mul", "Div"}, n.Op) && !slices.ContainsFunc(n.Inputs, func(in *ir.Value) bool { return in != nil && in != n.Inputs[max(0, i)] && !in.IsConst() })
		if i < 0 || !(traits.Probabilities || traits.HandsOn || chooses || scales) {
			return c.Scores, sigmoid
		}
		v = n.Inputs[i]
		if traits.Probabilities || chooses {
			scores, sigmoid = v, n.Op == "Sigmoid"
		}
	}
	return scores, sigmoid
}
