package run

import (
	"testing"

	"github.com/permafrost-ml/permafrost/internal/split"
)

// TestBackwardCosts: convolutions of 8 by 8 pictures, two at once: multiplications and additions by
// hand.
func TestBackwardCosts(t *testing.T) {
	s, err := Prepare(t.Context(), tinyConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	costs, err := s.Net.BackwardCosts()
	if err != nil {
		t.Fatal(err)
	}
	const pixels = 2 * 8 * 8
	got, reach := map[string]split.BackwardCost{}, 0.0
	for _, c := range costs {
		if c.Reach < reach {
			t.Errorf("%s is nearer to the loss than the one before it", c.Weight.Name)
		}
		reach = c.Reach
		got[c.Weight.Name] = c
	}
	if len(got) != 15 { // weight, scale and shift of five layers
		t.Errorf("%d weights of the trunk: %v", len(got), got)
	}
	const stem, block = pixels * 8 * 3 * 9 * 2, pixels * 8 * 8 * 9 * 2
	for name, own := range map[string]float64{"conv1.weight": stem, "layer1.0.conv1.weight": block, "layer2.0.conv2.weight": block, "layer2.0.bn2.weight": pixels * 8} {
		if got[name].Own != own {
			t.Errorf("the gradient of %s costs %v, want %v", name, got[name].Own, own)
		}
	}
	passed := got["layer2.0.conv1.weight"].Reach - got["layer2.0.conv2.weight"].Reach
	if passed < block || passed > 1.2*block {
		t.Errorf("carrying the gradient through a convolution, its norm and its activation costs %v, the convolution alone %v", passed, block)
	}
}
