// Command peak writes the loops that measure how many multiply-adds a core can do.
package main

import (
	"flag"
	"log"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"

	"github.com/permafrost-ml/permafrost/internal/kernel/gen/a64"
)

func main() {
	arch := flag.String("arch", "amd64", "amd64 or arm64")
	flag.Parse()
	if *arch == "arm64" {
		neon()
		return
	}
	ConstraintExpr("!noasm")
	var ys, zs []VecPhysical
	for i := range 12 {
		ys = append(ys, []VecPhysical{Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, Y8, Y9, Y10, Y11}[i])
		zs = append(zs, []VecPhysical{Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z8, Z9, Z10, Z11}[i])
	}
	peak("peakAVX2", ys)
	peak("peakAVX512", zs)
	Generate()
}

// peak emits n rounds of 12 independent multiply-adds of zeros.
func peak(name string, acc []VecPhysical) {
	TEXT(name, NOSPLIT, "func(n int)")
	Doc(name + " does n rounds of 12 independent vector multiply-adds.")
	n := Load(Param("n"), GP64())
	for _, r := range acc {
		VXORPS(r.AsY(), r.AsY(), r.AsY())
	}
	Label("loop")
	for _, r := range acc {
		VFMADD231PS(r, r, r)
	}
	DECQ(n)
	JNZ(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// neon emits rounds of 24: cores with four pipes keep 16 multiply-adds on their way.
func neon() {
	o := a64.NewFile("peakNEON")
	f := a64.NewFunc("peakNEON", "func(n int)", "does n rounds of 24 independent vector multiply-adds.")
	n := f.Param("n")
	var acc []*a64.Reg
	for range 24 {
		acc = append(acc, f.V())
		f.Clear(acc[len(acc)-1])
	}
	x, y := f.V(), f.V()
	f.Clear(x)
	f.Clear(y)
	f.Align()
	f.Label("loop")
	for _, r := range acc {
		f.FMlaBy(r, x, y)
	}
	f.SubsInt(n, 1)
	f.Branch("NE", "loop")
	f.Ret()
	if err := o.Add(f); err != nil {
		log.Fatal(err)
	}
	o.Generate()
}
