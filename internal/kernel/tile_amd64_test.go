//go:build !noasm

package kernel

import (
	"testing"
	"unsafe"
)

// The assembly reads the fields of tiles at these offsets.
func TestTileLayout(t *testing.T) {
	var x tile
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
	} {
		if f.got != f.want {
			t.Errorf("tile.%s is at %d, the assembly reads %d", f.name, f.got, f.want)
		}
	}
}
