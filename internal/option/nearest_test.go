package option

import "testing"

func TestDidYouMean(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "abc", 3}, {"kitten", "sitting", 3}, {"same", "same", 0}} {
		if got := EditDistance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance of %q and %q is %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
	if s := DidYouMean("qqqq", []string{"model", "data"}); s != "" {
		t.Errorf("hint %q for a word near to nothing", s)
	}
}
