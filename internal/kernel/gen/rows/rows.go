// Package rows addresses up to 15 rows of a matrix with five registers.
package rows

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// Rows are Count rows, Step bytes apart, from Base[0] on.
type Rows struct {
	Count       int
	Base        [3]Register // rows 0, 5 and 10
	Step, Step3 Register
}

// SetStep emits the load of the step, in floats.
func (r Rows) SetStep(floats Mem) {
	MOVQ(floats, r.Step)
	SHLQ(Imm(2), r.Step)
	LEAQ(Mem{Base: r.Step, Index: r.Step, Scale: 2}, r.Step3)
}

// Derive emits the bases of later rows from the first.
func (r Rows) Derive() {
	for i := 1; 5*i < r.Count; i++ {
		LEAQ(Mem{Base: r.Base[i-1], Index: r.Step, Scale: 4}, r.Base[i])
		ADDQ(r.Step, r.Base[i])
	}
}

// Advance emits the addition of by to every base.
func (r Rows) Advance(by Register) {
	for i := 0; 5*i < r.Count; i++ {
		ADDQ(by, r.Base[i])
	}
}

// At is the address of row i.
func (r Rows) At(i int) Mem {
	m := Mem{Base: r.Base[i/5]}
	switch i % 5 {
	case 0:
	case 3:
		m.Index, m.Scale = r.Step3, 1
	default:
		m.Index, m.Scale = r.Step, uint8(i%5)
	}
	return m
}
