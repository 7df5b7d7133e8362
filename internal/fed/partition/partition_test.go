package partition

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func source() *rand.Rand { return rand.New(rand.NewPCG(7, 7)) }

func labels(n, classes int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i % classes
	}
	return out
}

// Every example goes to one client; equal shares have the same mixture; the smaller the
// concentration, the more of a client is one class.
func TestDivide(t *testing.T) {
	of := labels(2000, 10)
	var last float64
	for _, text := range []string{"iid", "dirichlet:10", "dirichlet:0.3", "dirichlet:0.05"} {
		d, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		parts, err := d.Divide(of, len(of), 10, 5, source())
		if err != nil {
			t.Fatal(err)
		}
		all := slices.Concat(parts...)
		slices.Sort(all)
		for i, v := range all {
			if v != i {
				t.Fatalf("%s: example %d is given to nobody, or twice", text, i)
			}
		}
		var largest float64 // share of the largest class of a client, on the mean
		for _, p := range parts {
			counts := make([]int, 10)
			for _, i := range p {
				counts[of[i]]++
			}
			largest += float64(slices.Max(counts)) / float64(len(p)) / 10
		}
		if text == "iid" && largest > 0.101 {
			t.Errorf("iid: the largest class of a client is %.3f of it", largest)
		}
		if largest <= last {
			t.Errorf("%s: the largest class is %.3f of a client, before it was %.3f", text, largest, last)
		}
		last = largest
		again, _ := d.Divide(of, len(of), 10, 5, source())
		if !slices.EqualFunc(parts, again, func(a, b []int) bool { return slices.Equal(a, b) }) {
			t.Errorf("%s: the same numbers divide otherwise", text)
		}
	}
}

func TestRefused(t *testing.T) {
	for text, want := range map[string]string{"": "give iid or dirichlet:A", "dirichlet": "give iid", "dirichlet:0": "above 0", "dirichlet:x": "above 0", "dirichlet:NaN": "above 0"} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := (Division{}).Divide(nil, 9, 10, 1, source()); err == nil || !strings.Contains(err.Error(), "9 examples for 10 clients") {
		t.Error(err)
	}
	if _, err := (Division{1e-6}).Divide(labels(100, 2), 100, 20, 4, source()); err == nil || !strings.Contains(err.Error(), "give a larger number, or fewer clients") {
		t.Error(err)
	}
	if parts, err := (Division{}).Divide(nil, 7, 2, 1, source()); err != nil || len(parts[0]) != 4 || len(parts[1]) != 3 {
		t.Errorf("without classes: %v, %v", parts, err)
	}
}
