package permafrost_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost"
)

// A kind of data of one's own, as docs/extending.md describes it: files .point of seven numbers, for
// models with the inputs a and b.
func init() {
	if err := permafrost.RegisterDataKind(points); err != nil {
		panic(err)
	}
}

var points = permafrost.DataKind{
	Name: "point", Extensions: []string{".point"}, Version: "1",
	Takes: func(in []permafrost.ModelInput) bool {
		return len(in) == 2 && in[0].Name == "point.a" && in[1].Name == "point.b"
	},
	Decode: func(file []byte) (map[string]permafrost.Tensor, error) {
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
		return map[string]permafrost.Tensor{"point.a": permafrost.NewTensor(numbers[:4]), "point.b": permafrost.NewTensor(numbers[4:])}, nil
	},
}

// TestDataKind fits to class folders of the kind and predicts from its bytes.
func TestDataKind(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	point := func(class int) []byte {
		a, b := twoTensors(r, class)
		return []byte(strings.Trim(fmt.Sprint(append(a, b...)), "[]"))
	}
	m := tunedModel(t, func(dir string, cfg *permafrost.Config) error {
		errs := []error{writeTwoInputs(cfg.Model, "point.a", "point.b")}
		for class, name := range []string{"near", "far"} {
			errs = append(errs, os.MkdirAll(filepath.Join(cfg.Data, name), 0o777))
			for i := range 12 {
				errs = append(errs, os.WriteFile(filepath.Join(cfg.Data, name, fmt.Sprint(i, ".point")), point(4*class), 0o666))
			}
			errs = append(errs, os.WriteFile(filepath.Join(cfg.Data, name, "damaged.point"), []byte("1 2"), 0o666))
		}
		cfg.Epochs = 30
		return errors.Join(errs...)
	})
	if m.Kind() != "point" {
		t.Errorf("the model takes %s", m.Kind())
	}
	for class, want := range []string{"near", "far"} {
		p, err := m.PredictOne(context.Background(), permafrost.Example{Bytes: point(4 * class)})
		if err != nil || p.Label != want {
			t.Errorf("%v (%v), want %s", p, err, want)
		}
	}
	if err := permafrost.RegisterDataKind(points); !errors.Is(err, permafrost.ErrBadInput) {
		t.Errorf("a kind that is known: %v", err)
	}
}
