package freeze

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// parts writes what a plan trains: NAME, or NAME with the elements or rows that train.
func parts(p *Plan) string {
	var out []string
	for _, e := range p.Params {
		switch {
		case e.State == Thaw:
			out = append(out, e.Name)
		case e.State == Partly:
			out = append(out, fmt.Sprintf("%s%v", e.Name, e.Rows))
		}
	}
	return strings.Join(out, " ")
}

func TestRows(t *testing.T) {
	for _, c := range []struct{ thaw, freeze, want string }{
		{"rows:fc.weight[0:3]", "", "fc.weight[[0 3]]"},
		{"rows:fc.weight[:2,7,-2:]", "", "fc.weight[[0 2] [7 10]]"},
		{"rows:fc.*[-1]", "", "fc.weight[[9 10]] fc.bias[[9 10]]"},
		{"rows:fc.weight[0:10]", "", "fc.weight"},
		{"rows:fc.weight[0:3],rows:fc.weight[2:5]", "", "fc.weight[[0 5]]"},
		{"fc.weight,!rows:fc.weight[0:9]", "", "fc.weight[[9 10]]"},
		{"rows:fc.weight[0:3],fc.weight", "", "fc.weight"},
		{"rows:fc.weight[1:3],!fc.weight,fc.bias", "", "fc.bias"},
		{"fc.weight", "rows:fc.weight[2:4]", "fc.weight[[0 2] [4 10]]"},
		{"rows:fc.weight['b',\"j\"]", "", "fc.weight[[1 2] [9 10]]"},
		{"rows:stem.bn.weight[0]", "", "stem.bn.weight[[0 1]]"},
		{"channels:layer2.0.conv1[1:3]", "", "layer2.0.conv1.weight[[1 3]] layer2.0.conv1.bias[[1 3]]"},
		{"channels:layer2.0.conv1.weight[1:3]", "", "layer2.0.conv1.weight[[1 3]]"},
		{"channels:stem*[-1]", "", "stem.conv.weight[[3 4]] stem.conv.bias[[3 4]]"},
		{"channels:layer1.0.conv[12].weight[2]", "", "layer1.0.conv1.weight[[2 3]] layer1.0.conv2.weight[[2 3]]"},
	} {
		s := describe()
		s.Tokens = func(token string) (int, bool) { return int(token[0] - 'a'), len(token) == 1 }
		o := Options{Thaw: []string{c.thaw}}
		if c.freeze != "" {
			o.Freeze = []string{c.freeze}
		}
		p, err := New(s, o)
		if err != nil || parts(p) != c.want {
			t.Errorf("--thaw %s --freeze %s: %v (%v), want %s", c.thaw, c.freeze, p, err, c.want)
		}
	}
}

func TestPartErrors(t *testing.T) {
	for _, c := range []struct{ sel, want string }{
		{"rows:fc.weight", "as in rows:NAME[0:8]"},
		{"rows:[0]", "as in rows:NAME[0:8]"},
		{"rows:fc.weight[]", "neither a row"},
		{"rows:fc.weight[a]", "neither a row"},
		{"rows:fc.weight[0:11]", "lies outside"},
		{"rows:fc.weight[3:3]", "is empty"},
		{"rows:fc.weight[-11]", "lies outside"},
		{"rows:fc.weight['a']", "no tokenizer"},
		{"rows:fc.wait[0]", "nearest names are fc.weight"},
		{"channels:fc.weight[0]", "matches no weight"},
		{"fisher:0.5", "as in fisher:0.5%"},
		{"fisher:0%", "above 0%"},
		{"magnitude:101%", "up to 100%"},
		{"magnitude:x%", "above 0%"},
		{"!fisher:1%", "not taken away"},
		{"fisher:1%,magnitude:1%", "taken once"},
		{"stem.bn.weight,magnitude:1%", "is none"},
	} {
		if _, err := New(describe(), Options{Thaw: []string{c.sel}}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", c.sel, err, c.want)
		}
	}
	if _, err := New(describe(), Options{Freeze: []string{"fisher:1%"}}); err == nil || !strings.Contains(err.Error(), "is for option thaw") {
		t.Errorf("a share in --freeze: %v", err)
	}
	if _, err := describe().Select([]string{"fisher:1%"}); err == nil || !strings.Contains(err.Error(), "name weights") {
		t.Errorf("a share in Select: %v", err)
	}
}

// trained lists the elements of a weight that train.
func trained(p *Plan, s *Set, name string) []int {
	var out []int
	for i, m := range p.Of(name).ElementMask(s.ByName(name).Value.Type.Shape) {
		if m == 1 {
			out = append(out, i)
		}
	}
	return out
}

// The largest numbers of all weights together train; the head as selectors say; ties go to the
// first.
func TestMagnitude(t *testing.T) {
	s := describe()
	w := s.ByName("layer1.0.conv1.weight").Value.Data.F32() // 144 numbers
	w[7], w[100], s.ByName("layer2.0.conv2.bias").Value.Data.F32()[2] = -5, 3, 4
	w[20], w[21], w[22] = 1, 1, float32(math.NaN())
	total := 0
	for _, v := range s.Weights {
		if !v.Head && v.Role != RoleStat {
			total += v.Len()
		}
	}
	p, err := New(s, Options{Thaw: []string{"head", fmt.Sprintf("magnitude:%.9f%%", 400/float64(total))}})
	if err != nil {
		t.Fatal(err)
	}
	if got := parts(p); got != "layer1.0.conv1.weight[] layer2.0.conv2.bias[] fc.weight fc.bias" {
		t.Errorf("trains %s", got)
	}
	if a, b := trained(p, s, "layer1.0.conv1.weight"), trained(p, s, "layer2.0.conv2.bias"); !slices.Equal(a, []int{7, 20, 100}) || !slices.Equal(b, []int{2}) {
		t.Errorf("trains %v and %v", a, b)
	}
	if n := p.Thawed(s).Elements(); n != 4+50 || p.Share.Elements != 4 || p.Pending() {
		t.Errorf("%d numbers train, the share says %+v", n, p.Share)
	}
	if p, err = New(s, Options{Thaw: []string{"rows:layer1.0.conv1.weight[0:1]", "magnitude:50%"}}); err != nil || !slices.Contains(trained(p, s, "layer1.0.conv1.weight"), 7) ||
		slices.Contains(trained(p, s, "layer1.0.conv1.weight"), 100) || p.Share.Elements != 18 {
		t.Errorf("half of one row: %v (%v)", p, err)
	}
}

// A plan whose share is measured later is pending until then, goes through JSON, and is adopted by
// a plan made anew.
func TestFisherPlan(t *testing.T) {
	s := describe()
	o := Options{Thaw: []string{"layer2.*", "fisher:2%"}, NewHead: []string{"fc.weight", "fc.bias"}, Model: "m"}
	p, err := New(s, o)
	if err != nil || !p.Pending() {
		t.Fatalf("%v %v", p, err)
	}
	scores := map[string][]float32{"layer2.0.conv1.weight": make([]float32, 144), "layer2.0.conv2.weight": make([]float32, 144)}
	for i := range 144 {
		scores["layer2.0.conv2.weight"][i] = float32(i)
	}
	if err := p.Mask(s, scores); err != nil {
		t.Fatal(err)
	}
	if got := trained(p, s, "layer2.0.conv2.weight"); !slices.Equal(got, []int{138, 139, 140, 141, 142, 143}) {
		t.Errorf("trains %v", got)
	}
	js, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var read *Plan
	if err := json.Unmarshal(js, &read); err != nil {
		t.Fatal(err)
	}
	if read.Digest() != p.Digest() {
		t.Error("a plan that was read has another digest")
	}
	again, _ := New(s, o)
	if again.Digest() == p.Digest() {
		t.Error("a pending plan has the digest of the plan it becomes")
	}
	if err := again.Adopt(s, read); err != nil || again.Digest() != p.Digest() || again.Pending() {
		t.Errorf("adopted: %v", err)
	}
	o.Thaw = []string{"fisher:3%"}
	other, _ := New(s, o)
	if err := other.Adopt(s, read); err == nil {
		t.Error("a plan of another share was adopted")
	}
}

// Whatever a selector says, it is read or refused, and a plan trains rows that exist.
func FuzzParts(f *testing.F) {
	for _, s := range []string{"all", "layer[12].*,!kind:bias", "re:^fc", "first:1", "depth:10%-50%", "rows:fc.weight[0:3,-1,'x']", "channels:layer*[1]", "magnitude:5%", "fisher:0.5%,head", "rows:[[]]", "!,,[", "rows:a[:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sel string) {
		s := describe()
		p, err := New(s, Options{Thaw: []string{sel}})
		if err != nil {
			return
		}
		p.Thawed(s).Each(func(w *Weight, e Entry) {
			for _, r := range e.Rows {
				if r[0] < 0 || r[1] <= r[0] || r[1] > w.Value.Type.Shape[0] {
					t.Errorf("%q: rows %v of %s %v", sel, r, w.Name, w.Value.Type.Shape)
				}
			}
		})
		if n := p.Thawed(s).Elements(); n == 0 {
			t.Errorf("%q: a plan that trains nothing", sel)
		}
	})
}

func FuzzBits(f *testing.F) {
	f.Add([]byte{1, 0, 0, 128})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		text, err := Bits(b).MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back Bits
		if err := back.UnmarshalText(text); err != nil || string(back) != string(b) {
			t.Errorf("%v came back as %v (%v)", b, back, err)
		}
		_ = back.UnmarshalText(b) // whatever it is, it is refused or read
	})
}
