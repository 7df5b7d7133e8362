package permafrost_test

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/permafrost-ml/permafrost"
)

// The kind of data that docs/extending.md adds: TestDataKind runs it. Its files hold seven numbers,
// for models with the inputs point.a [N,4] and point.b [N,3].

var points = permafrost.DataKind{
	Name: "point", Extensions: []string{".point"}, Version: "1",
	Takes: func(in []permafrost.ModelInput) bool {
		return len(in) == 2 && in[0].Name == "point.a" && in[1].Name == "point.b"
	},
	Decode: func(file []byte) (map[string]permafrost.Tensor, error) {
		numbers, err := parse(file)
		if err != nil {
			return nil, err // the file is damaged
		}
		return map[string]permafrost.Tensor{
			"point.a": permafrost.NewTensor(numbers[:4]),
			"point.b": permafrost.NewTensor(numbers[4:]),
		}, nil
	},
}

func init() {
	if err := permafrost.RegisterDataKind(points); err != nil {
		panic(err)
	}
}

func parse(file []byte) ([]float32, error) {
	words := strings.Fields(string(file))
	if len(words) != 7 {
		return nil, fmt.Errorf("%d numbers, want 7", len(words))
	}
	numbers := make([]float32, len(words))
	for i, w := range words {
		v, err := strconv.ParseFloat(w, 32)
		if err != nil {
			return nil, err
		}
		numbers[i] = float32(v)
	}
	return numbers, nil
}
