//go:build (amd64 || arm64) && !noasm

package kernel

import (
	"testing"
	"unsafe"
)

// The assembly reads the fields of its arguments at fixed offsets.
func TestTileLayout(t *testing.T) {
	var x tile
	var d dwTile
	var g dwGradTile
	var q dwTap
	var wi winoInput
	var wo winoOutput
	for _, f := range []struct {
		name      string
		got, want uintptr
	}{
		{"a", unsafe.Offsetof(x.a), 0},
		{"b", unsafe.Offsetof(x.b), 24},
		{"c", unsafe.Offsetof(x.c), 48},
		{"bias", unsafe.Offsetof(x.bias), 72},
		{"res", unsafe.Offsetof(x.res), 96},
		{"offs", unsafe.Offsetof(x.offs), 120},
		{"runLen", unsafe.Offsetof(x.runLen), 144},
		{"ars", unsafe.Offsetof(x.ars), 152},
		{"acs", unsafe.Offsetof(x.acs), 160},
		{"bks", unsafe.Offsetof(x.bks), 168},
		{"crow", unsafe.Offsetof(x.crow), 176},
		{"lo", unsafe.Offsetof(x.lo), 288},
		{"hi", unsafe.Offsetof(x.hi), 292},
		{"acc", unsafe.Offsetof(x.acc), 296},
		{"clip", unsafe.Offsetof(x.clip), 297},
		{"soon", unsafe.Offsetof(x.soon), 304},
		{"dw x", unsafe.Offsetof(d.x), 0},
		{"dw w", unsafe.Offsetof(d.w), 24},
		{"dw y", unsafe.Offsetof(d.y), 48},
		{"dw bias", unsafe.Offsetof(d.bias), 72},
		{"dw res", unsafe.Offsetof(d.res), 96},
		{"dw taps", unsafe.Offsetof(d.taps), 120},
		{"dw xs", unsafe.Offsetof(d.xs), 144},
		{"dw ys", unsafe.Offsetof(d.ys), 152},
		{"dw lo", unsafe.Offsetof(d.lo), 160},
		{"dw hi", unsafe.Offsetof(d.hi), 164},
		{"dw clip", unsafe.Offsetof(d.clip), 168},
		{"dw ws", unsafe.Offsetof(d.ws), 176},
		{"grad ws", unsafe.Offsetof(g.ws), 112},
		{"tap x", unsafe.Offsetof(q.x), 0},
		{"tap w", unsafe.Offsetof(q.w), 8},
		{"tap edge", unsafe.Offsetof(q.edge), 16},
		{"tap fresh", unsafe.Offsetof(q.fresh), 28},
		{"tap size", unsafe.Sizeof(q), 32},
		{"grad x", unsafe.Offsetof(g.x), 0},
		{"grad w", unsafe.Offsetof(g.w), 24},
		{"grad dy", unsafe.Offsetof(g.dy), 48},
		{"grad taps", unsafe.Offsetof(g.taps), 72},
		{"grad xs", unsafe.Offsetof(g.xs), 96},
		{"grad ys", unsafe.Offsetof(g.ys), 104},
		{"wino x", unsafe.Offsetof(wi.x), 0},
		{"wino in row", unsafe.Offsetof(wi.row), 24},
		{"wino in pixel", unsafe.Offsetof(wi.pixel), 32},
		{"wino v", unsafe.Offsetof(wi.v), 40},
		{"wino in comp", unsafe.Offsetof(wi.comp), 64},
		{"wino in n", unsafe.Offsetof(wi.n), 72},
		{"wino m", unsafe.Offsetof(wo.m), 0},
		{"wino comp", unsafe.Offsetof(wo.comp), 24},
		{"wino y", unsafe.Offsetof(wo.y), 32},
		{"wino row", unsafe.Offsetof(wo.row), 56},
		{"wino pixel", unsafe.Offsetof(wo.pixel), 64},
		{"wino bias", unsafe.Offsetof(wo.bias), 72},
		{"wino res", unsafe.Offsetof(wo.res), 96},
		{"wino n", unsafe.Offsetof(wo.n), 120},
		{"wino height", unsafe.Offsetof(wo.height), 128},
		{"wino width", unsafe.Offsetof(wo.width), 136},
		{"wino lo", unsafe.Offsetof(wo.lo), 144},
		{"wino hi", unsafe.Offsetof(wo.hi), 148},
		{"wino clip", unsafe.Offsetof(wo.clip), 152},
	} {
		if f.got != f.want {
			t.Errorf("%s is at %d, the assembly reads %d", f.name, f.got, f.want)
		}
	}
}
