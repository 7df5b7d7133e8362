package data

import (
	"slices"
	"testing"
)

func TestNatural(t *testing.T) {
	want := []string{"a/z", "a-1", "a01", "a1", "a2", "a10", "a10b", "b", "img9/10", "img10/9", "x2y3", "x2y12"}
	got := slices.Clone(want)
	slices.Reverse(got)
	if slices.SortFunc(got, natural); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, a := range want {
		for _, b := range want {
			if (natural(a, b) < 0) != (natural(b, a) > 0) || (natural(a, b) == 0) != (a == b) {
				t.Errorf("%q and %q have no order", a, b)
			}
		}
	}
}
