package permafrost_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost"
)

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
