package secure

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// party runs the protocol over n clients. late are clients that drop out before they share, gone
// those that drop out after. It returns the decoded sum.
func party(t *testing.T, xs map[string][]uint32, late, gone []string, change func(*Sum)) ([]uint32, error) {
	t.Helper()
	const session = "f/round 3/attempt 1"
	clients, roster := map[string]*Client{}, Roster{}
	for name := range xs {
		c, err := NewClient(name, session)
		if err != nil {
			t.Fatal(err)
		}
		clients[name], roster[name] = c, c.Keys()
	}
	s := &Sum{Session: session, Roster: roster, Threshold: MinThreshold(len(roster)), Masked: map[string][]uint32{}, Revealed: map[string]Revealed{}}
	boxes := map[string]map[string][]byte{}
	for name, c := range clients {
		if slices.Contains(late, name) {
			continue
		}
		sealed, err := c.Share(roster, s.Threshold)
		if err != nil {
			return nil, err
		}
		s.Shared = append(s.Shared, name)
		for to, b := range sealed {
			if boxes[to] == nil {
				boxes[to] = map[string][]byte{}
			}
			boxes[to][name] = b
		}
	}
	for _, name := range s.Shared {
		if slices.Contains(gone, name) {
			continue
		}
		before := slices.Clone(xs[name])
		y, err := clients[name].Mask(xs[name], boxes[name])
		if err != nil {
			return nil, err
		}
		if !slices.Equal(before, xs[name]) {
			t.Fatal("Mask changes the vector")
		}
		if hidden(y, xs[name]) {
			t.Errorf("%s: the masked vector shows the vector", name)
		}
		s.Masked[name] = y
	}
	survivors := slices.Sorted(maps.Keys(s.Masked))
	for _, name := range survivors {
		r, err := clients[name].Reveal(survivors)
		if err != nil {
			return nil, err
		}
		for other := range r.Own {
			if r.Mask[other] != nil {
				t.Fatalf("%s reveals both secrets of %s", name, other)
			}
		}
		if _, err := clients[name].Reveal(survivors[1:]); err == nil {
			t.Fatal("a client reveals twice")
		}
		s.Revealed[name] = r
	}
	if change != nil {
		change(s)
	}
	return s.Unmask()
}

// hidden reports whether some number of x stands in y.
func hidden(y, x []uint32) bool {
	same := 0
	for i := range x {
		if x[i] == y[i] {
			same++
		}
	}
	return same > 1 // one in four thousand million by chance
}

func vectors(n, size int) (map[string][]uint32, map[string][]float32, Fixed) {
	rng := rand.New(rand.NewPCG(4, 5))
	f := Fixed{Limit: 2, Terms: n}
	xs, raw := map[string][]uint32{}, map[string][]float32{}
	for i := range n {
		name := fmt.Sprintf("client %02d", i)
		v := make([]float32, size)
		for j := range v {
			v[j] = float32(rng.NormFloat64() / 2)
		}
		raw[name] = v
		xs[name], _ = f.Encode(v, 1)
	}
	return xs, raw, f
}

// The sum is that of the survivors, up to the rounding of each term, with nobody and with a third
// of the clients gone, before they share and after.
func TestSum(t *testing.T) {
	for _, c := range []struct{ n, late, gone int }{{3, 0, 0}, {10, 0, 0}, {10, 0, 3}, {10, 3, 0}, {10, 1, 2}, {20, 3, 3}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			xs, raw, f := vectors(c.n, 100)
			names := slices.Sorted(maps.Keys(xs))
			late, gone := names[:c.late], names[len(names)-c.gone:]
			sum, err := party(t, xs, late, gone, nil)
			if err != nil {
				t.Fatal(err)
			}
			got := f.Decode(sum)
			for i := range got {
				var want float64
				for _, name := range names[c.late : len(names)-c.gone] {
					want += min(max(float64(raw[name][i]), -2), 2)
				}
				if math.Abs(got[i]-want) > float64(c.n)*f.Step()/2+1e-12 {
					t.Fatalf("number %d: %g, want %g", i, got[i], want)
				}
			}
		})
	}
}

func TestTooManyGone(t *testing.T) {
	xs, _, _ := vectors(10, 8)
	names := slices.Sorted(maps.Keys(xs))
	for want, c := range map[string][2][]string{
		"6 clients are left, the threshold is 7": {nil, names[:4]},
		"5 clients are left, the threshold is 7": {names[:5], nil},
	} {
		if _, err := party(t, xs, c[0], c[1], nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// Shares that a client changed, or that are missing, make an error and never another sum.
func TestBadShares(t *testing.T) {
	xs, _, _ := vectors(7, 8)
	gone := []string{"client 06"}
	swap := func(m map[string][]byte) {
		for of, b := range m {
			m[of] = slices.Clone(b)
			m[of][3] ^= 1
		}
	}
	for want, change := range map[string]func(*Sum){
		"the shares of the key of client 06 do not fit together": func(s *Sum) { swap(s.Revealed["client 01"].Mask) },
		"4 shares came, 5 are needed":                            func(s *Sum) { delete(s.Revealed, "client 01"); delete(s.Revealed, "client 02") },
		"client 01 sent 3 numbers":                               func(s *Sum) { s.Masked["client 01"] = s.Masked["client 01"][:3] },
	} {
		if _, err := party(t, xs, nil, gone, change); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestBadRosters(t *testing.T) {
	c, err := NewClient("a", "s")
	if err != nil {
		t.Fatal(err)
	}
	other := func() Keys {
		o, err := NewClient("x", "s")
		if err != nil {
			t.Fatal(err)
		}
		return o.Keys()
	}
	b := other()
	for want, r := range map[string]Roster{
		"does not hold a with its keys": {"a": other(), "b": b, "c": other()},
		"3 are needed":                  {"a": c.Keys(), "b": b},
		"b and c have the same key":     {"a": c.Keys(), "b": b, "c": b},
	} {
		if _, err := c.Share(r, MinThreshold(len(r))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	good := Roster{"a": c.Keys(), "b": b, "c": other()}
	if _, err := c.Share(good, 2); err == nil || !strings.Contains(err.Error(), "give one from 3 to 3") {
		t.Error(err)
	}
	if _, err := c.Share(good, 3); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Mask([]uint32{1}, map[string][]byte{"b": make([]byte, 92), "c": nil}); err == nil || !strings.Contains(err.Error(), "shares from b for a") {
		t.Error(err)
	}
}

func TestFixed(t *testing.T) {
	f := Fixed{Limit: 0.5, Terms: 1000}
	sum := make([]uint32, 2)
	for range f.Terms {
		x, err := f.Encode([]float32{0.5, -0.7}, 1) // -0.7 is cut to -0.5
		if err != nil {
			t.Fatal(err)
		}
		for i := range sum {
			sum[i] += x[i]
		}
	}
	got := f.Decode(sum)
	if math.Abs(got[0]-500) > 1000*f.Step() || math.Abs(got[1]+500) > 1000*f.Step() {
		t.Errorf("%v: the largest sum wraps around", got)
	}
	if _, err := f.Encode([]float32{float32(math.NaN())}, 1); err == nil {
		t.Error("NaN has a whole number")
	}
	if _, err := f.Encode(nil, 1.5); err == nil {
		t.Error("a weight above 1 is taken")
	}
	if (Fixed{Limit: 1}).Check() == nil || (Fixed{Limit: math.Inf(1), Terms: 2}).Check() == nil {
		t.Error("no terms, or no limit, is taken")
	}
}
