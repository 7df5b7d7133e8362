package freeze

import "testing"

func TestOnly(t *testing.T) {
	s := describe()
	full, err := New(s, Options{Thaw: []string{"all"}})
	if err != nil {
		t.Fatal(err)
	}
	full.Params[0].State, full.Params[0].Rows, full.Params[0].LR = Partly, [][2]int{{0, 2}}, 0.5
	before := full.Digest()
	some := full.Only(s, func(w *Weight) bool { return w.Head || w.Block == 1 })
	for _, c := range []struct {
		name string
		want State
	}{
		{"stem.conv.weight", Frozen}, {"stem.bn.running_mean", Frozen}, {"layer1.0.conv1.weight", Thaw},
		{"layer1.0.bn1.running_var", Tracking}, {"layer2.0.conv1.weight", Frozen}, {"fc.bias", Thaw},
	} {
		if got := some.Of(c.name).State; got != c.want || some.Live(c.name) != (c.want != Frozen) {
			t.Errorf("%s is %s, want %s", c.name, got, c.want)
		}
	}
	if e := some.Of("stem.conv.weight"); e.Rows != nil || e.LR != 0 {
		t.Errorf("a frozen weight keeps rows and rate: %+v", e)
	}
	if full.Digest() != before {
		t.Error("the full plan changed")
	}
	if all := full.Only(s, func(*Weight) bool { return true }); all.Digest() != before {
		t.Error("with everything live the plan is another")
	}
}
