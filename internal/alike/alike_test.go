package alike

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// made are features of objects with several frames each: classes are clusters, objects are points
// of a cluster, and frames are near their object. Each class lies in directions of its own, as the
// features of a trunk do; apart is how far from the others.
func made(classes, objects, frames int, spread, apart float64) (rows []float32, width int, labels, object []int) {
	const dimension = 8
	width = 40
	r := rand.New(rand.NewPCG(1, 2))
	normal := func(n int) []float64 {
		v := make([]float64, n)
		for i := range v {
			v[i] = r.NormFloat64()
		}
		return v
	}
	for c := range classes {
		centre, basis := normal(width), normal(width*dimension)
		for range objects {
			at := normal(dimension)
			id := 0
			if len(object) > 0 {
				id = object[len(object)-1] + 1
			}
			for range frames {
				moved := normal(dimension)
				for j := range width {
					x := apart * centre[j]
					for k := range dimension {
						x += basis[j*dimension+k] * (at[k] + spread*moved[k])
					}
					rows = append(rows, float32(x))
				}
				labels, object = append(labels, c), append(object, id)
			}
		}
	}
	return rows, width, labels, object
}

func TestFind(t *testing.T) {
	for name, c := range map[string]struct {
		classes, objects, frames int
		spread                   float64 // of the frames of an object
		apart                    float64
		least                    float64 // share of the examples with copies that are in a group
		groups                   bool
	}{
		"different examples":       {5, 60, 1, 0, 3, 0, false},
		"few different examples":   {10, 8, 1, 0, 3, 0, false},
		"two classes":              {2, 150, 1, 0, 3, 0, false},
		"pairs":                    {5, 40, 2, 0.05, 3, 0.95, true},
		"frames":                   {5, 20, 6, 0.1, 3, 0.95, true},
		"long tracks, few of them": {5, 6, 20, 0.1, 3, 0.95, true},
		"equal":                    {5, 20, 3, 0, 3, 1, true},
		"classes that overlap":     {20, 15, 1, 0, 0.3, 0, false},
		"three objects of each":    {30, 3, 5, 0.35, 0.3, 0.8, true},
	} {
		t.Run(name, func(t *testing.T) {
			rows, width, labels, object := made(c.classes, c.objects, c.frames, c.spread, c.apart)
			f := Find(rows, width, labels)
			if !c.groups {
				if f.Groups != 0 || f.Examples != 0 {
					t.Errorf("%d examples in %d groups", f.Examples, f.Groups)
				}
				return
			}
			false_, counts := 0, map[int]int{}
			for i, n := range f.Near {
				counts[n]++
				if object[n] != object[i] {
					false_++
				}
				if n > i || f.Near[n] != n {
					t.Fatalf("example %d belongs with %d, and that with %d", i, n, f.Near[n])
				}
			}
			if false_ > len(labels)/20 {
				t.Errorf("%d of %d examples are with another object", false_, len(labels))
			}
			in := 0
			for _, n := range counts {
				if n > 1 {
					in += n
				}
			}
			if share := float64(in) / float64(len(labels)); share < c.least || in != f.Examples {
				t.Errorf("%d of %d examples are in %d groups, and %d are counted", in, len(labels), f.Groups, f.Examples)
			}
			if a, b := f.Pair[0], f.Pair[1]; a == b || f.Near[a] != f.Near[b] {
				t.Errorf("the pair is %v", f.Pair)
			}
			for k := range rows {
				rows[k] = 1000*rows[k] + 5
			}
			if again := Find(rows, width, labels); !slices.Equal(again.Near, f.Near) {
				t.Error("other scales of features give other groups")
			}
		})
	}
}

// TestFindSomeCopies: a few copies among many different examples are found, and nothing else.
func TestFindSomeCopies(t *testing.T) {
	rows, width, labels, _ := made(4, 50, 1, 0, 3)
	r := rand.New(rand.NewPCG(3, 4))
	copies := map[int]int{199: 150, 60: 51, 20: 3}
	for to, from := range copies {
		for j := range width {
			rows[to*width+j] = rows[from*width+j] + float32(0.02*r.NormFloat64())
		}
	}
	f := Find(rows, width, labels)
	if f.Groups != len(copies) || f.Examples != 2*len(copies) || f.Largest != 2 {
		t.Errorf("%d groups of %d examples", f.Groups, f.Examples)
	}
	for to, from := range copies {
		if f.Near[to] != from {
			t.Errorf("%d belongs with %d, not with %d", to, f.Near[to], from)
		}
	}
}

func TestFindBulk(t *testing.T) {
	rows, width, labels, object := made(4, 12, 8, 0.05, 3)
	for i := range labels { // most of the last class is frames of one object
		if labels[i] == 3 && object[i] < 44 {
			copy(rows[i*width:(i+1)*width], rows[36*8*width:(36*8+1)*width])
		}
	}
	f := Find(rows, width, labels)
	if !slices.Equal(f.Disbelieved, []int{3}) || f.Largest > 16 {
		t.Errorf("disbelieved %v, largest %d", f.Disbelieved, f.Largest)
	}
}

func TestFindTooMany(t *testing.T) {
	labels := make([]int, 5793)
	if f := Find(make([]float32, len(labels)), 1, labels); !f.TooMany || f.Groups != 0 || f.Near[5792] != 5792 {
		t.Error("many examples are compared")
	}
	same := Find(make([]float32, 40), 1, labels[:40]) // no feature varies
	if same.TooMany || len(same.Near) != 40 {
		t.Errorf("%+v", same)
	}
	if f := Find(nil, 3, nil); len(f.Near) != 0 {
		t.Errorf("%+v", f)
	}
}
