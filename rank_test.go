package permafrost_test

import (
	"errors"
	"os"
	"testing"

	"github.com/permafrost-ml/permafrost"
)

// TestCriterion: a caller's criterion sees the features and labels, and can decide the order.
func TestCriterion(t *testing.T) {
	dir, model, photos := pretrained()
	defer os.RemoveAll(dir)
	cfg := permafrost.DefaultConfig()
	cfg.Data = photos
	calls := 0
	rising := func(features [][]float64, labels []int, classes int) (float64, error) {
		if len(features) != len(labels) || len(features[0]) != 12 || classes != 3 {
			t.Errorf("%d rows of %d features, %d labels of %d classes", len(features), len(features[0]), len(labels), classes)
		}
		calls++
		return float64(calls), nil
	}
	o := permafrost.RankOptions{Criteria: map[string]permafrost.Criterion{"rising": rising}, By: "rising"}
	r, err := permafrost.Rank(t.Context(), cfg, []string{model, model}, o)
	if err != nil {
		t.Fatal(err)
	}
	if r.By != "rising" || r.Models[0].Score != 2 || r.Models[1].Own["rising"] != 1 {
		t.Errorf("%+v", r)
	}
	o.By = "falling"
	if _, err := permafrost.Rank(t.Context(), cfg, []string{model}, o); !errors.Is(err, permafrost.ErrBadInput) {
		t.Errorf("a criterion that is not given: %v", err)
	}
	if _, err := permafrost.Rank(t.Context(), cfg, nil, permafrost.RankOptions{}); !errors.Is(err, permafrost.ErrBadInput) {
		t.Errorf("no model: %v", err)
	}
	o.Criteria["failing"], o.By = func([][]float64, []int, int) (float64, error) { return 0, errors.New("no idea") }, ""
	if _, err := permafrost.Rank(t.Context(), cfg, []string{model}, o); err == nil {
		t.Error("the error of a criterion is lost")
	}
}
