package chart

import (
	"strings"
	"testing"
)

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		a    Axis
		want string
	}{
		{Axis{Low: 0, High: 1, Text: Number}, "0 0.2 0.4 0.6 0.8 1"},
		{Axis{Low: -3, High: 7, Text: Number}, "-2 0 2 4 6"},
		{Axis{Low: 0.903, High: 0.917, Text: Percent}, "90.5% 91% 91.5%"},
		{Axis{Low: 1e-4, High: 1e-2, Log: true, Text: Number}, "0.0001 0.0003 0.001 0.003 0.01"},
		{Axis{Low: 1, High: 1e9, Log: true, Text: Amount}, "1 100 10k 1M 100M"},
		{Axis{Names: []string{"a", "b"}}, "a b"},
	} {
		var got []string
		for _, k := range c.a.Between(0, 100).Ticks(5) {
			got = append(got, k.Text)
			if k.At < 0 || k.At > 100 {
				t.Errorf("%+v: tick %s at %g", c.a, k.Text, k.At)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%+v: %v, want %s", c.a, got, c.want)
		}
	}
}

func TestSeconds(t *testing.T) {
	for in, want := range map[float64]string{0: "0 ms", 0.25: "250 ms", 2.514: "2.51 s", 119: "119 s", 120: "2 min", 145.2: "2 min 25 s", 3599.7: "1 h 0 min", 7260: "2 h 1 min"} {
		if got := Seconds(in); got != want {
			t.Errorf("%g: %s, want %s", in, got, want)
		}
	}
}

func TestQuoted(t *testing.T) {
	for in, want := range map[string]string{"runs/a-1": "runs/a-1", "my run": "'my run'", "it's": `'it'\''s'`, "$(x)": "'$(x)'", "": "''"} {
		if got := Quoted(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}
