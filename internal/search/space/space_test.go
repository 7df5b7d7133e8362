package space

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

var known = []Known{
	{Name: "thaw", Type: Lists},
	{Name: "head", Type: Texts, Check: OneOf("linear", "mlp")},
	{Name: "width", Type: Whole, Check: Between(1, 4096)},
	{Name: "dropout", Type: Real, Check: Between(0, 1)},
	{Name: "attach", Type: Lists, Check: OneOf("auto", "a", "b")},
	{Name: "lr", Type: Real},
	{Name: "epochs", Type: Whole},
	{Name: "size", Type: Texts, Ordered: true},
	{Name: "nesterov", Type: Truths},
}

const whole = `# every form
thaw: [head, "last:1", ["layer4.*", "!kind:norm"], all]
head: [linear, mlp]
width: {int: [16, 512], log: true, when: {head: mlp}}
dropout: {float: [0, 0.5], when: {head: [mlp], thaw: [head, "last:1"]}}
attach: {choice: [auto, [a, b]]}
lr: {log: [1e-4, 1e-2]}
epochs: [10, 5]
size: [224, 160]
nesterov: [true, false]
max_params: 3000000
max_bytes: 12MB
max_latency_ms: 2.5
`

func parsed(t *testing.T, file string) *Space {
	t.Helper()
	s, err := Parse([]byte(file), known)
	must(t, err)
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestParse(t *testing.T) {
	s := parsed(t, whole)
	want := []Param{
		{Name: "thaw", Values: []Value{Text("head"), Text("last:1"), List("layer4.*", "!kind:norm"), Text("all")}},
		{Name: "head", Values: []Value{Text("linear"), Text("mlp")}},
		{Name: "width", Kind: Int, Low: 16, High: 512, Log: true, When: []Condition{{"head", []Value{Text("mlp")}}}},
		{Name: "dropout", Kind: Float, High: 0.5, When: []Condition{{"head", []Value{Text("mlp")}}, {"thaw", []Value{Text("head"), Text("last:1")}}}},
		{Name: "attach", Values: []Value{Text("auto"), List("a", "b")}},
		{Name: "lr", Kind: Float, Low: 1e-4, High: 1e-2, Log: true},
		{Name: "epochs", Kind: Ordered, Values: []Value{Number(5), Number(10)}},
		{Name: "size", Kind: Ordered, Values: []Value{Text("224"), Text("160")}},
		{Name: "nesterov", Values: []Value{Truth(true), Truth(false)}},
	}
	if !reflect.DeepEqual(s.Params(), want) {
		t.Errorf("parameters are\n%+v\nwant\n%+v", s.Params(), want)
	}
	if s.Limits() != (Limits{3000000, 12000000, 2.5}) {
		t.Errorf("limits are %+v", s.Limits())
	}
	given := []Value{Number(10), Number(5)}
	if p := parsed(t, "lr: {ordered: [10, 5]}").Params()[0]; !reflect.DeepEqual(p.Values, given) || p.Kind != Ordered {
		t.Errorf("an order is read as %+v", p)
	}
	if p := parsed(t, "lr: {choice: [10, 5]}").Params()[0]; !reflect.DeepEqual(p.Values, given) || p.Kind != Choice {
		t.Errorf("a choice of numbers is read as %+v", p)
	}
	again, err := Parse(s.YAML(), known)
	must(t, err)
	if !reflect.DeepEqual(again, s) {
		t.Errorf("reads back as\n%s\nfrom\n%s", again.YAML(), s.YAML())
	}
}

// TestOrder: a parameter may stand before those that it depends on.
func TestOrder(t *testing.T) {
	s := parsed(t, "width: {int: [1, 2], when: {head: mlp}}\nlr: [1]\nhead: [mlp, linear]\n")
	if got := strings.Join(s.names(), " "); got != "lr head width" {
		t.Errorf("order is %s", got)
	}
	// The names of parameters do not decide their groups: what they need does.
	s = parsed(t, "head: [mlp, linear]\nwidth: {int: [1, 2], when: {head: mlp}}\nlr: [1]\ndropout: {float: [0, 1], when: {head: mlp}}\n")
	if want := [][]int{{0, 2}, {1, 3}}; !reflect.DeepEqual(s.Groups(), want) {
		t.Errorf("groups are %v, want %v", s.Groups(), want)
	}
}

func TestParseErrors(t *testing.T) {
	for file, want := range map[string]string{
		"":                                 "the space is empty",
		"# nothing\n":                      "the space is empty",
		"max_params: 5\n":                  "the space is empty",
		"- a\n":                            "write one parameter a line",
		"lr: [\n":                          "sequence",
		"lr: 1\nlr: 2\n":                   "already defined",
		"lr: [1]\n---\nlr: [2]\n":          "second document",
		"lrr: [1]\n":                       `line 1: lrr: there is no such parameter, did you mean "lr"?`,
		"head: [linear]\nlr: []\n":         "line 2: lr: has no values",
		"lr: [1, 2, 1.0]\n":                "line 1: lr: value 1 stands twice",
		"lr: [fast]\n":                     `"fast" is not a number`,
		"lr: {log: [0, 1]}\n":              "low end must be above 0",
		"lr: {log: [1]}\n":                 "needs its two ends",
		"lr: {log: [2, 1]}\n":              "is empty: give the low end first",
		"lr: {log: [1, .inf]}\n":           "cannot stand as a value",
		"lr: {log: [1, 1e999]}\n":          "too large",
		"lr: {lag: [1, 2]}\n":              `did you mean "log"?`,
		"lr: {log: [1, 2], int: [1, 2]}\n": "needs its values once",
		"lr: {log: true}\n":                "needs its values once",
		"lr: {ordered: [1, 2], log: true}": "log is for a range",
		"lr:\n":                            "has no value",
		"lr: {}\n":                         "needs its values once",
		"epochs: [1.5]\n":                  "1.5 is not a whole number",
		"epochs: {float: [1, 5]}\n":        "takes whole numbers",
		"epochs: {int: [1, 99999999999999999999]}\n":                                       "is not a whole number",
		"thaw: {int: [1, 5]}\n":                                                            "takes no numbers",
		"nesterov: [1]\n":                                                                  "1 is not true or false",
		"head: [linear, nowhere]\n":                                                        `line 1: head: "nowhere" is none of linear, mlp`,
		"attach: [[a, z]]\n":                                                               `"z" is none of`,
		"head: [[linear]]\n":                                                               "a list cannot stand",
		"width: {int: [0, 9]}\n":                                                           "0 is not from 1 to 4096",
		"dropout: {float: [0, 2]}\n":                                                       "2 is not from 0 to 1",
		"lr: [1]\nwidth: {int: [1, 9], when: {head: mlp}}\n":                               `line 2: width: when: the space has no parameter "head"`,
		"lr: [1]\nwidth: {int: [1, 9], when: {haed: mlp}}\n":                               `did you mean "head"`,
		"head: [linear]\nwidth: {int: [1, 9], when: {head: mlp}}":                          `line 2: width: when: head never is "mlp", it has linear`,
		"head: [linear]\nwidth: {int: [1, 9], when: {head: []}}":                           "at least one value",
		"head: [linear]\nwidth: {int: [1, 9], when: {}}":                                   "needs parameters with their values",
		"lr: {log: [1, 2]}\nwidth: {int: [1, 9], when: {lr: 1}}":                           "is a range of numbers",
		"width: {int: [1, 9], when: {epochs: 1}}\nepochs: {int: [1, 2], when: {width: 1}}": "depends on itself",
		"head: [linear, mlp]\nwidth: {int: [1, 9], when: {head: mlp}}\n" +
			"lr: {log: [1, 2], when: {width: 3, head: linear}}\n": "line 3: lr: when: no value of head fulfils all conditions",
		"lr: &a [1]\n":                      "cannot stand as a value",
		"max_bytes: lots\nlr: [1]\n":        "is not a size",
		"max_params: -1\nlr: [1]\n":         "line 1: max_params: -1 is no limit",
		"max_latency_ms: soon\nlr: [1]\n":   "is no limit",
		"lr: {log: [1, 2], when: [head]}\n": "needs parameters with their values",
		"\xff: [1]\n":                       "not UTF-8",
	} {
		_, err := Parse([]byte(file), known)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", file, err, want)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: error of several lines: %v", file, err)
		}
	}
}

func TestSize(t *testing.T) {
	for file, want := range map[string]int{
		"head: [linear, mlp]\nepochs: [1, 2, 3]\n": 6,
		"head: linear\n": 1,
		"head: [linear, mlp]\nwidth: {int: [1, 10], when: {head: mlp}}\n":                 11,
		"head: [linear, mlp]\nwidth: {int: [1, 10], when: {head: mlp}}\nepochs: [1, 2]\n": 22,
		"epochs: {int: [1, 9]}\nwidth: {int: [1, 5], when: {epochs: [3, 4]}}\n":           7 + 2*5,
		"lr: {log: [1, 2]}\n": Endless,
		"lr: {log: [2, 2]}\n": 1,
		"head: [linear, mlp]\nlr: {log: [1, 2], when: {head: mlp}}\n":                       Endless,
		"epochs: {int: [1, 9000000000000]}\nwidth: {int: [1, 4096]}\nsize: [1,2,3,4,5,6]\n": 9000000000000 * 4096 * 6,
		"epochs: {int: [0, 9000000000000000]}\nwidth: {int: [1, 4096]}\n":                   Endless,
		"head: [linear, mlp]\nepochs: {int: [1, 4], when: {head: mlp}}\n" +
			"width: {int: [1, 10], when: {epochs: 2}}\nthaw: {choice: [a, b], when: {width: [1, 2], head: mlp}}": 1 + 3 + 8 + 2*2,
	} {
		s := parsed(t, file)
		if s.Size() != want {
			t.Errorf("%q has %d points, want %d", file, s.Size(), want)
		}
		if want > 1000 {
			continue
		}
		seen := map[Digest]bool{}
		for p := range s.All() {
			must(t, s.Check(p))
			seen[p.Digest()] = true
		}
		if len(seen) != want {
			t.Errorf("%q: All gives %d points, want %d", file, len(seen), want)
		}
	}
}

// TestSample: every point drawn lies in the space, reads back from JSON and YAML to the same bits,
// and a place on the line gives its value back.
func TestSample(t *testing.T) {
	s := parsed(t, whole)
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		p := s.Sample(r)
		must(t, s.Check(p))
		var q, y Point
		must(t, json.Unmarshal([]byte(p.String()), &q))
		b, err := yaml.Marshal(p)
		must(t, err)
		must(t, yaml.Unmarshal(b, &y))
		if !reflect.DeepEqual(q, p) || !reflect.DeepEqual(y, p) {
			t.Fatalf("%s reads back as %s from JSON and %s from YAML\n%s", p, q, y, b)
		}
		for _, v := range p.Settings() {
			q := s.Param(v.Name)
			if q.Kind == Choice {
				continue
			}
			if lo, hi := q.Cell(v.Value); q.At(q.Unit(v.Value)) != v.Value || lo > hi || lo < 0 || hi > 1 {
				t.Errorf("%s %s: its place %g holds %s, its cell is [%g, %g]", v.Name, v.Value, q.Unit(v.Value), q.At(q.Unit(v.Value)), lo, hi)
			}
		}
		_, width := p.Get("width")
		if head, _ := p.Get("head"); width != (head == Text("mlp")) {
			t.Errorf("%s: width without mlp, or mlp without width", p)
		}
	}
}

func TestEnds(t *testing.T) {
	for _, p := range []Param{
		{Kind: Int, Low: 1, High: 8}, {Kind: Int, Low: 1, High: 512, Log: true}, {Kind: Int, Low: -3, High: -3},
		{Kind: Float, Low: 1e-5, High: 0.3, Log: true}, {Kind: Float, Low: -1, High: math.Pi}, {Kind: Float, Low: 1000, High: 1000.001},
	} {
		if p.At(0) != Number(p.Low) || p.At(1) != Number(p.High) || p.At(-1) != Number(p.Low) || p.At(2) != Number(p.High) {
			t.Errorf("%+v ends at %s and %s", p, p.At(0), p.At(1))
		}
	}
	if p := (Param{Kind: Float, Low: 1, High: 1.001}); p.At(0.5) == p.Nth(0) || p.At(0.5).x == 1.001 {
		t.Error("a narrow range is rounded away")
	}
	if v := (&Param{Kind: Float, Low: 1e-4, High: 1e-2, Log: true}).At(0.75); v.String() != "0.003162" {
		t.Errorf("a wide range gives %s", v)
	}
}

func TestComplete(t *testing.T) {
	s := parsed(t, "head: [linear, mlp]\nwidth: {int: [1, 9], when: {head: mlp}}\nlr: {log: [1e-4, 1e-2]}\nsize: [224, 160]\n")
	r := rand.New(rand.NewPCG(1, 2))
	point := func(js string) Point {
		var p Point
		must(t, json.Unmarshal([]byte(js), &p))
		return p
	}
	for range 20 { // a parameter that is set decides those that it needs
		p, err := s.Complete(point(`{"size":224,"width":3}`), r)
		must(t, err)
		must(t, s.Check(p))
		if !strings.HasPrefix(p.String(), `{"head":"mlp","width":3,"lr":`) || !strings.HasSuffix(p.String(), `"size":"224"}`) {
			t.Fatalf("completed to %s", p)
		}
	}
	for js, want := range map[string]string{
		`{"head":"cnn"}`:              `head: "cnn" is not in the space, which has linear, mlp`,
		`{"lr":1}`:                    "lr: 1 is not in the space, which has 0.0001 to 0.01",
		`{"width":1.5}`:               "width: 1.5 is not in the space",
		`{"hed":"mlp"}`:               `hed: the space has no such parameter, did you mean "head"?`,
		`{"head":"linear","width":3}`: "width: does not exist here: it needs head mlp",
		`{"head":["linear"]}`:         "is not in the space",
	} {
		if _, err := s.Complete(point(js), r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", js, err, want)
		}
	}
	if err := s.Check(point(`{"head":"linear","size":"160"}`)); err == nil || !strings.Contains(err.Error(), "lr: is not set") {
		t.Errorf("an incomplete point: %v", err)
	}
	for _, js := range []string{`[]`, `{"a":1,"a":2}`, `{"a":{}}`, `{"a":null}`, `{"a":[1]}`, `{"a":1`} {
		if err := json.Unmarshal([]byte(js), new(Point)); err == nil {
			t.Errorf("%s is read as a point", js)
		}
		if err := new(Point).UnmarshalJSON([]byte(js)); err == nil {
			t.Errorf("%s is read as a point", js)
		}
	}
}

func TestParsePoints(t *testing.T) {
	points, err := ParsePoints([]byte("- thaw: [a, b]\n  lr: 1e-3\n- {size: 224, nesterov: true}\n- {\"epochs\": 5}\n"), known)
	must(t, err)
	want := []string{`{"thaw":["a","b"],"lr":0.001}`, `{"size":"224","nesterov":true}`, `{"epochs":5}`}
	for i, p := range points {
		if p.String() != want[i] {
			t.Errorf("point %d is %s, want %s", i, p, want[i])
		}
	}
	if len(points) != len(want) {
		t.Errorf("%d points", len(points))
	}
	for file, want := range map[string]string{
		"lr: 1\n":              "write a list of points",
		"":                     "write a list of points",
		"- 5\n":                "line 1: point 1:",
		"- lr: 1\n- lrr: 1\n":  `line 2: point 2: lrr: there is no such parameter, did you mean "lr"?`,
		"- epochs: 1.5\n":      "epochs: 1.5 is not a whole number",
		"- {lr: 1, lr: 2}\n":   "already defined",
		"- {lr: {log: [1,2]}}": "cannot stand as a value",
	} {
		if _, err := ParsePoints([]byte(file), known); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", file, err, want)
		}
	}
}

func TestDigest(t *testing.T) {
	a := NewPoint(Setting{"x", Number(1)}, Setting{"y", Text("1")})
	b := NewPoint(Setting{"y", Text("1")}, Setting{"x", Number(1)})
	if a.Digest() != b.Digest() {
		t.Error("the digest depends on the order")
	}
	// A digest is kept in files of earlier searches.
	if got := a.Digest().String(); got != "d506816b2949633246bea616cd249055" {
		t.Errorf("digest is %s", got)
	}
	others := []Point{NewPoint(Setting{"x", Number(1)}, Setting{"y", Number(1)}), NewPoint(Setting{"x", Number(1)}), {},
		NewPoint(Setting{"x", Number(1)}, Setting{"y", List("1")}), NewPoint(Setting{"x", Truth(true)}, Setting{"y", Text("1")})}
	for i, p := range others {
		if p.Digest() == a.Digest() || slices.ContainsFunc(others[:i], func(q Point) bool { return q.Digest() == p.Digest() }) {
			t.Errorf("%s has the digest of another point", p)
		}
	}
}

func TestDistance(t *testing.T) {
	s := parsed(t, "head: [linear, mlp]\nwidth: {int: [1, 10], when: {head: mlp}}\nlr: {float: [0, 1]}\n")
	p := func(js string) (p Point) { must(t, json.Unmarshal([]byte(js), &p)); return p }
	a, b, c := p(`{"head":"mlp","width":1,"lr":0}`), p(`{"head":"mlp","width":10,"lr":0.5}`), p(`{"head":"linear","lr":0}`)
	for _, tt := range []struct {
		a, b Point
		want float64
	}{{a, a, 0}, {a, b, (0.9 + 0.5) / 3}, {a, c, 2.0 / 3}, {c, a, 2.0 / 3}} {
		if got := s.Distance(tt.a, tt.b); math.Abs(got-tt.want) > 1e-12 {
			t.Errorf("distance of %s and %s is %g, want %g", tt.a, tt.b, got, tt.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(whole)
	f.Add("lr: {log: [1e-4, 1e-2]}\nhead: [linear, mlp]\nwidth: {int: [1, 9], when: {head: mlp}}\n")
	f.Add("head: |\n  linear\nlr: !!float 1\n? thaw\n: a\n")
	f.Fuzz(func(t *testing.T, file string) {
		s, err := Parse([]byte(file), append(slices.Clone(known), Known{Name: "any"}))
		if err != nil {
			return
		}
		again, err := Parse(s.YAML(), append(slices.Clone(known), Known{Name: "any"}))
		if err != nil || !reflect.DeepEqual(again, s) {
			t.Fatalf("%q is written as\n%s\nwhich reads back with %v", file, s.YAML(), err)
		}
		p := s.Sample(rand.New(rand.NewPCG(1, 2)))
		if err := s.Check(p); err != nil {
			t.Fatalf("%q: %s: %v", file, p, err)
		}
		b, err := yaml.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var q Point
		if err := yaml.Unmarshal(b, &q); err != nil || !reflect.DeepEqual(q, p) {
			t.Fatalf("%s is written as %q, which reads back as %s, %v", p, b, q, err)
		}
	})
}

// TestDocs: the example of docs/search.md is a space.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile("../../../docs/search.md")
	must(t, err)
	_, file, _ := strings.Cut(string(page), "```yaml\n")
	file, _, ok := strings.Cut(file, "```")
	if !ok {
		t.Fatal("docs/search.md has no example")
	}
	var names []Known
	for _, name := range []string{"thaw", "head", "lr", "epochs", "optimizer", "momentum"} {
		names = append(names, Known{Name: name})
	}
	s, err := Parse([]byte(file), names)
	must(t, err)
	if len(s.Params()) != len(names) || s.Limits().Params != 3000000 {
		t.Errorf("the example reads as\n%s", s.YAML())
	}
}
