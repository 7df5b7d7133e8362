package kernel

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"unsafe"
)

// blocks says, for the column kernels, which slices are vectors (v) of the row's
// width and which are blocks of rows (b).
var blocks = map[string]string{
	"colSum": "vb", "colStats": "vvbv", "colGrad": "vvbbv", "colAffine": "bbvvb", "colAffine2": "bbbvvv",
	"maxTaps": "vb", "sumTaps": "vb",
}

// mayLack counts the trailing slices of a kernel that may be empty.
var mayLack = map[string]int{"normalize": 2, "normSums": 1, "normGrad": 1, "colAffine": 1, "sgd": 1}

// TestVecTable runs every vector kernel between guard bands, at odd lengths and on
// special values, against the generic one.
func TestVecTable(t *testing.T) {
	levels := vecLevels()
	generic := reflect.ValueOf(&levels[0].table).Elem()
	for _, l := range levels[1:] {
		table := reflect.ValueOf(&l.table).Elem()
		for i := range table.NumField() {
			name := table.Type().Field(i).Name
			f, want := open(table.Field(i)), open(generic.Field(i))
			t.Run(l.name+"/"+name, func(t *testing.T) {
				for n := range 71 {
					for lack := range mayLack[name] + 1 {
						for v := range 4 {
							testVec(t, name, f, want, n, lack, v&1 != 0, v&2 != 0)
						}
					}
				}
			})
		}
	}
}

// open makes an unexported field's function callable.
func open(f reflect.Value) reflect.Value {
	return reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem()
}

func testVec(t *testing.T, name string, f, ref reflect.Value, n, lack int, odd, flag bool) {
	t.Helper()
	const rows = 5
	shape := blocks[name]
	if n == 0 && shape != "" {
		return
	}
	if n == 0 && strings.HasSuffix(name, "Taps") {
		return
	}
	floats := []float32{-0.4, 0.9, 0.2, 0.3}
	slices := 0
	for i := range f.Type().NumIn() {
		if f.Type().In(i) == reflect.TypeFor[[]float32]() {
			slices++
		}
	}
	var got, want []reflect.Value
	var bands []*guarded
	var plain [][]float32
	k := 0
	for i := range f.Type().NumIn() {
		switch typ := f.Type().In(i); typ.Kind() {
		case reflect.Slice:
			if typ.Elem().Kind() == reflect.Int { // rows of the block before it, out of order
				at := reflect.ValueOf([]int{2 * n, 0, 4 * n, n})
				got, want = append(got, at), append(want, at)
				continue
			}
			size := n
			if shape != "" && shape[k] == 'b' {
				size = rows * n
			}
			if k >= slices-lack {
				size = 0
			}
			x := random(uint64(k+1), size)
			if k == slices-1 && name == "adamw" {
				for j := range x {
					x[j] = abs32(x[j])
				}
			}
			if odd && k == slices-1-lack {
				special(x)
			}
			g := newGuarded(x)
			bands, plain = append(bands, g), append(plain, x)
			got, want = append(got, reflect.ValueOf(g.body)), append(want, reflect.ValueOf(x))
			k++
		case reflect.Float32:
			v := reflect.ValueOf(floats[0])
			floats = floats[1:]
			got, want = append(got, v), append(want, v)
		case reflect.Bool:
			v := reflect.ValueOf(flag)
			got, want = append(got, v), append(want, v)
		case reflect.Pointer:
			p := reflect.ValueOf(any(&sgdParam{lr: 0.1, momentum: 0.9, damp: 0.8, decay: 0.01, look: 0.5, keep: 0.7}))
			if name == "adamw" {
				p = reflect.ValueOf(any(&adamwParam{shrink: 0.99, beta1: 0.9, rest1: 0.1, beta2: 0.99, rest2: 0.01, step: 0.1, root: 2, eps: 1e-8}))
			}
			got, want = append(got, p), append(want, p)
		}
	}
	what := fmt.Sprintf("%s, length %d, %d slices empty, special %v, flag %v", name, n, lack, odd, flag)
	gr, wr := f.Call(got), ref.Call(want)
	for i := range gr {
		alike(t, what+": result", []float32{float32(gr[i].Float())}, []float32{float32(wr[i].Float())})
	}
	for i, g := range bands {
		g.intact(t, what)
		alike(t, fmt.Sprintf("%s: slice %d", what, i), g.body, plain[i])
	}
}

func alike(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i, w := range want {
		g := got[i]
		if g == w || g != g && w != w {
			continue
		}
		if !(math.Abs(float64(g)-float64(w)) <= 1e-5*(1+math.Abs(float64(w)))) {
			t.Fatalf("%s [%d] = %v, generic %v", what, i, g, w)
		}
	}
}

// TestVecTableComplete: a level that lacks a kernel would crash only when it is used.
func TestVecTableComplete(t *testing.T) {
	for _, l := range vecLevels() {
		table := reflect.ValueOf(l.table)
		var lacks []string
		for i := range table.NumField() {
			if table.Field(i).IsNil() {
				lacks = append(lacks, table.Type().Field(i).Name)
			}
		}
		if lacks != nil {
			t.Errorf("%s lacks %s", l.name, strings.Join(lacks, ", "))
		}
	}
}
