package main

import (
	"errors"
	"fmt"
	"log"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/kernel/gen/a64"
)

// neon is the machine of arm64. It has no masks for loads and stores: what fills no register is
// done number by number, in lane 0.
type neon struct {
	file *a64.File
	f    *a64.Func
	turn func() // lets the other copies of a body go on, or nil
	*plan
}

// plan is how a kernel uses its registers.
type plan struct {
	wide   bool                // four copies of a body, if all constants stay in registers
	inTurn bool                // copies of a body go on in turn
	loose  map[uint32]bool     // constants that are read from memory where they are needed
	kept   map[uint32]*a64.Reg // those that stay in registers
	uses   map[uint32]int
	table  *a64.Reg // address of the constants
	fields map[int]*a64.Reg
}

// constant is a pattern in every lane.
type constant uint32

func (c constant) Asm() string { return fmt.Sprintf("constant %08x", uint32(c)) }

// shared is a register that is not to be written over.
type shared struct{ *a64.Reg }

func newNEON() *neon { return &neon{file: a64.NewFile("vecNEON")} }

// kernel emits a function. If there are not enough registers, it has fewer copies of a body, then
// those constants go to memory that are read least, then copies of a body follow each other.
func (s *neon) kernel(name, signature, doc string, emit func()) {
	s.plan = &plan{wide: true, inTurn: true, loose: map[uint32]bool{}}
	for {
		s.f = a64.NewFunc(name+"NEON", signature, doc)
		s.kept, s.uses, s.table, s.fields = map[uint32]*a64.Reg{}, map[uint32]int{}, nil, map[int]*a64.Reg{}
		emit()
		err := s.file.Add(s.f)
		switch {
		case err == nil:
			return
		case !errors.Is(err, a64.ErrRegisters{Vector: true}):
			log.Fatal(err)
		case s.wide:
			s.wide = false
		case s.loosen():
		case s.inTurn:
			s.inTurn, s.loose = false, map[uint32]bool{}
		default:
			log.Fatal(err)
		}
	}
}

func (s *neon) loosen() bool {
	var least []uint32
	for c := range s.kept {
		least = append(least, c)
	}
	if len(least) == 0 {
		return false
	}
	slices.SortFunc(least, func(a, b uint32) int {
		if s.uses[a] != s.uses[b] {
			return s.uses[a] - s.uses[b]
		}
		return int(int64(a) - int64(b))
	})
	s.loose[least[0]] = true
	return true
}

func (s *neon) either(wide, narrow int) int { return wide }
func (s *neon) maxKeepsNaN() bool           { return true }

func (s *neon) interleave(n int, body func(s *isa, i int)) {
	if !s.inTurn {
		for i := range n {
			body(&isa{s}, i)
		}
		return
	}
	takeTurns(n, func(i int, turn func()) {
		c := *s
		c.turn = turn
		body(&isa{&c}, i)
	})
}

// next lets the other copies go on.
func (s *neon) next() {
	if s.turn != nil {
		s.turn()
	}
}

// constants is the register that points to them.
func (s *neon) constants() *a64.Reg {
	if s.table == nil {
		s.f.First(func() { s.table = s.f.Symbol(s.file.Data()) })
	}
	return s.table
}

// fresh is a constant in a register that may be written over.
func (s *neon) fresh(c constant) *a64.Reg {
	t, r := s.constants(), s.f.V()
	s.f.Load4(r, t, s.file.Constant(uint32(c)))
	return r
}

// in is the register of a value that is only read.
func (s *neon) in(a v) *a64.Reg {
	var b uint32
	switch a := a.(type) {
	case *a64.Reg:
		return a
	case shared:
		return a.Reg
	case constant:
		b = uint32(a)
	}
	s.uses[b]++
	if s.loose[b] {
		return s.fresh(constant(b))
	}
	if s.kept[b] == nil {
		s.constants()
		s.f.First(func() { s.kept[b] = s.fresh(constant(b)) })
	}
	return s.kept[b]
}

func (s *neon) bits(b uint32) v { return constant(b) }

func (s *neon) field(p v, i int) v {
	if s.fields[i] == nil {
		s.f.First(func() { s.fields[i] = s.f.Spread(p.(*a64.Reg), 4*i) })
	}
	return shared{s.fields[i]}
}

func (s *neon) zero() v {
	s.next()
	r := s.f.V()
	s.f.Clear(r)
	return r
}

// load is a copy. What is not to be written over is copied later, where that happens.
func (s *neon) load(a v) v {
	if _, ok := a.(*a64.Reg); !ok {
		return a
	}
	return s.copy(a)
}

func (s *neon) copy(a v) *a64.Reg {
	s.next()
	if c, ok := a.(constant); ok {
		return s.fresh(c)
	}
	r := s.f.V()
	s.f.Move(r, s.in(a))
	return r
}

func (s *neon) set(d, a v) { s.next(); s.f.Move(d.(*a64.Reg), s.in(a)) }

func (s *neon) two(op func(a, b *a64.Reg) *a64.Reg, a, b v) v {
	s.next()
	return op(s.in(a), s.in(b))
}

func (s *neon) add(a, b v) v      { return s.two(s.f.FAdd, a, b) }
func (s *neon) sub(a, b v) v      { return s.two(s.f.FSub, a, b) }
func (s *neon) mul(a, b v) v      { return s.two(s.f.FMul, a, b) }
func (s *neon) div(a, b v) v      { return s.two(s.f.FDiv, a, b) }
func (s *neon) max(a, b v) v      { return s.two(s.f.FMax, a, b) }
func (s *neon) min(a, b v) v      { return s.two(s.f.FMin, a, b) }
func (s *neon) greatest(a, b v) v { return s.two(s.f.FMax, a, b) }
func (s *neon) least(a, b v) v    { return s.two(s.f.FMin, a, b) }
func (s *neon) and(a, b v) v      { return s.two(s.f.And, a, b) }
func (s *neon) or(a, b v) v       { return s.two(s.f.Or, a, b) }
func (s *neon) both(a, b v) v     { return s.two(s.f.And, a, b) }
func (s *neon) only(mask, a v) v  { return s.two(s.f.And, mask, a) }

func (s *neon) without(mask, a v) v { return s.two(s.f.AndNot, a, mask) }

func (s *neon) pick(mask, a, b v) v {
	r := s.copy(mask)
	x, y := s.in(a), s.in(b)
	s.next()
	s.f.Select(r, x, y)
	return r
}

func (s *neon) ifNegative(x, a, b v) v {
	s.next()
	return s.pick(s.f.IShr(s.in(x), 31), a, b)
}

func (s *neon) test(a, b v, how uint8) v {
	f := s.f
	greater := func(a, b v) *a64.Reg { return s.two(f.Greater, a, b).(*a64.Reg) }
	not := func(r *a64.Reg) v { s.next(); return f.Not(r) }
	switch how {
	case cmpLT:
		return greater(b, a)
	case cmpGT:
		return greater(a, b)
	case cmpLE:
		return s.two(f.GreaterOrEqual, b, a)
	case cmpNotGE:
		return not(s.two(f.GreaterOrEqual, a, b).(*a64.Reg))
	case cmpNaN:
		if a != b {
			log.Fatal("NEON finds the NaN of one operand")
		}
		return not(s.two(f.Equal, a, a).(*a64.Reg))
	case cmpNotNE:
		return not(s.or(greater(a, b), greater(b, a)).(*a64.Reg))
	}
	log.Fatalf("NEON has no comparison %#x", how)
	return nil
}

func (s *neon) sqrt(a v) v { s.next(); return s.f.FSqrt(s.in(a)) }

// 1.5 * 2**23: a sum with it is an integer, in the lower bits of the float.
const magic = 0x4b400000

// nearest lets the addition round, which costs less than an instruction that rounds and one that
// converts.
func (s *neon) nearest(a, b v) (n, k v) {
	k = s.fma(a, b, constant(magic))
	return s.sub(k, constant(magic)), k
}

// scale takes two steps: 2**n alone may be out of range.
func (s *neon) scale(a, k v) v {
	i := s.two(s.f.ISub, k, constant(magic)).(*a64.Reg)
	s.next()
	h := s.f.IShr(i, 1)
	s.next()
	i = s.f.ISub(i, h)
	return s.mul(s.mul(a, s.pow2(h)), s.pow2(i))
}

// pow2 is 2**i for integers of the exponent's range.
func (s *neon) pow2(i *a64.Reg) v {
	e := s.two(s.f.IAdd, i, constant(127)).(*a64.Reg)
	s.next()
	return s.f.IShl(e, 23)
}

func (s *neon) fma(a, b, c v) v {
	r, ok := c.(*a64.Reg)
	if !ok {
		r = s.copy(c)
	}
	x, y := s.in(a), s.in(b)
	s.next()
	s.f.FMla(r, x, y)
	return r
}

func (s *neon) fnma(a, b, c v) v {
	r, ok := c.(*a64.Reg)
	if !ok {
		r = s.copy(c)
	}
	x, y := s.in(a), s.in(b)
	s.next()
	s.f.FMls(r, x, y)
	return r
}

func (s *neon) horner(a, x, c v) v { return s.fma(a, x, s.copy(c)) }

func (s *neon) mulSub(x, a, b v) v {
	s.next()
	r := s.f.FNeg(s.in(b))
	return s.fma(x, a, r)
}

func (s *neon) addTo(acc, x v) {
	s.next()
	a := acc.(*a64.Reg)
	s.f.Into(a, a64.FADD, "fadd", a, s.in(x))
}

func (s *neon) maxTo(acc, x v) {
	s.next()
	a := acc.(*a64.Reg)
	s.f.Into(a, a64.FMAX, "fmax", a, s.in(x))
}
