package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
)

// TestHostileModels changes bytes of a model file at random: whatever comes out, it is inspected or
// refused, never more.
func TestHostileModels(t *testing.T) {
	world(t)
	whole, err := os.ReadFile("tiny.onnx")
	if err != nil {
		t.Fatal(err)
	}
	n := 300
	if testing.Short() {
		n = 50
	}
	r := rand.New(rand.NewPCG(7, 7))
	refused := 0
	for i := range n {
		b := append([]byte(nil), whole...)
		for range 1 + r.IntN(4) {
			at := r.IntN(len(b))
			if r.IntN(2) == 0 { // names, shapes and operators stand in front of and behind the weights
				at = r.IntN(1200) % len(b)
			}
			switch r.IntN(3) {
			case 0:
				b[at] = byte(r.Uint32())
			case 1:
				b[at] ^= 1 << r.IntN(8)
			case 2:
				b = append(b[:at], b[min(len(b), at+1+r.IntN(8)):]...)
			}
		}
		path := fmt.Sprintf("hostile%d.onnx", i)
		write(t, path, b)
		func() {
			defer func() {
				if p := recover(); p != nil {
					t.Errorf("model %d: panic: %v", i, p)
				}
			}()
			o := permafrostRun(t, "inspect", path, "--no-predict", "--json")
			switch o.code {
			case exitDone:
			case exitUsage:
				refused++
			default:
				t.Errorf("model %d: exit %d: %s", i, o.code, o.stderr)
			}
		}()
		os.Remove(path)
	}
	if refused == 0 {
		t.Error("no changed model was refused")
	}
	t.Logf("%d of %d refused", refused, n)
}
