package a64

import (
	"fmt"
	"io"
	"strings"
)

// instruction is one line. In text {0} stands for the number of operand 0. With a word, text is the
// mnemonic in the comment.
type instruction struct {
	text   string
	word   uint32
	ops    []operand
	label  string // this is a label
	target string // of a branch
	ends   bool   // what follows is reached by its label only
	move   bool   // operand 1 to operand 0: left out where both are the same
}

type operand struct {
	reg      *Reg
	def, use bool
	shift    int // of its number in the word
}

func def(r *Reg) operand    { return operand{reg: r, def: true} }
func use(r *Reg) operand    { return operand{reg: r, use: true} }
func update(r *Reg) operand { return operand{reg: r, def: true, use: true} }

func (o operand) at(shift int) operand { o.shift = shift; return o }

func (i *instruction) write(w io.Writer, at []int) {
	if i.label != "" {
		fmt.Fprintf(w, "%s:\n", i.label)
		return
	}
	if i.move && at[i.ops[0].reg.id] == at[i.ops[1].reg.id] {
		return
	}
	text, word := i.text, i.word
	for n, o := range i.ops {
		text = strings.ReplaceAll(text, fmt.Sprintf("{%d}", n), fmt.Sprint(at[o.reg.id]))
		word |= uint32(at[o.reg.id]) << o.shift
	}
	if i.word != 0 {
		text = fmt.Sprintf("WORD $0x%08x // %s", word, text)
	}
	fmt.Fprintf(w, "\t%s\n", text)
}

func (f *Func) plain(text string, ops ...operand) {
	f.body = append(f.body, instruction{text: text, ops: ops})
}

func (f *Func) word(word uint32, text string, ops ...operand) {
	f.body = append(f.body, instruction{text: text, word: word, ops: ops})
}

// First has what g emits run before everything else.
func (f *Func) First(g func()) {
	body := f.body
	f.body = nil
	g()
	f.head = append(f.head, f.body...)
	f.body = body
}

// Label marks a place.
func (f *Func) Label(name string) { f.body = append(f.body, instruction{label: name}) }

// Align has the next instruction begin a block of 32 bytes.
func (f *Func) Align() { f.plain("PCALIGN $32") }

// Ret returns.
func (f *Func) Ret() { f.body = append(f.body, instruction{text: "RET", ends: true}) }

// B goes to a label.
func (f *Func) B(label string) {
	f.body = append(f.body, instruction{text: "B " + label, target: label, ends: true})
}

// Branch goes to a label if a condition of the flags holds: EQ, NE, LT, LE, GT or GE.
func (f *Func) Branch(cond, label string) {
	f.body = append(f.body, instruction{text: "B" + cond + " " + label, target: label})
}

// Zero goes to a label if r is 0.
func (f *Func) Zero(r *Reg, label string) {
	f.body = append(f.body, instruction{text: "CBZ R{0}, " + label, target: label, ops: []operand{use(r)}})
}

// NotZero goes to a label if r is not 0.
func (f *Func) NotZero(r *Reg, label string) {
	f.body = append(f.body, instruction{text: "CBNZ R{0}, " + label, target: label, ops: []operand{use(r)}})
}

// BitZero goes to a label if a bit of r is 0.
func (f *Func) BitZero(r *Reg, bit int, label string) {
	f.body = append(f.body, instruction{text: fmt.Sprintf("TBZ $%d, R{0}, %s", bit, label), target: label, ops: []operand{use(r)}})
}

// General registers.

// Param loads a parameter, "n", or a part of a slice, "x_base" or "x_len".
func (f *Func) Param(name string) *Reg {
	r := f.X()
	f.plain("MOVD "+f.place(name)+", R{0}", def(r))
	return r
}

func (f *Func) place(name string) string {
	p, ok := f.offset[name]
	if !ok {
		panic(f.name + " has no parameter " + name)
	}
	return p
}

// ParamByte loads a bool.
func (f *Func) ParamByte(name string) *Reg {
	r := f.X()
	f.plain("MOVBU "+f.place(name)+", R{0}", def(r))
	return r
}

// ParamFloat spreads a float32 over the lanes.
func (f *Func) ParamFloat(name string) *Reg {
	s := f.V()
	f.plain("FMOVS "+f.place(name)+", F{0}", def(s))
	return f.Dup(s)
}

// Result stores lane 0 of a vector as a result.
func (f *Func) Result(v *Reg, name string) { f.plain("FMOVS F{0}, "+f.place(name), use(v)) }

// Int is a constant in a new register.
func (f *Func) Int(n int) *Reg {
	r := f.X()
	f.plain(fmt.Sprintf("MOVD $%d, R{0}", n), def(r))
	return r
}

// Symbol is the address of data of this file.
func (f *Func) Symbol(name string) *Reg {
	r := f.X()
	f.plain("MOVD $"+name+"<>(SB), R{0}", def(r))
	return r
}

// Load is the integer at p+off bytes.
func (f *Func) Load(p *Reg, off int) *Reg {
	r := f.X()
	f.plain(fmt.Sprintf("MOVD %d(R{1}), R{0}", off), def(r), use(p))
	return r
}

// LoadByte is the byte at p+off.
func (f *Func) LoadByte(p *Reg, off int) *Reg {
	r := f.X()
	f.plain(fmt.Sprintf("MOVBU %d(R{1}), R{0}", off), def(r), use(p))
	return r
}

// LoadWord is the four bytes at p+off.
func (f *Func) LoadWord(p *Reg, off int) *Reg {
	r := f.X()
	f.plain(fmt.Sprintf("MOVWU %d(R{1}), R{0}", off), def(r), use(p))
	return r
}

// Copy is r in a new register.
func (f *Func) Copy(r *Reg) *Reg {
	d := f.X()
	f.Set(d, r)
	return d
}

// Set is d = s.
func (f *Func) Set(d, s *Reg) {
	f.body = append(f.body, instruction{text: "MOVD R{1}, R{0}", move: true, ops: []operand{def(d), use(s)}})
}

// Plus is a+b in a new register.
func (f *Func) Plus(a, b *Reg) *Reg { return f.PlusShifted(a, b, 0) }

// PlusShifted is a + b<<shift in a new register.
func (f *Func) PlusShifted(a, b *Reg, shift int) *Reg {
	d := f.X()
	by := "R{2}"
	if shift > 0 {
		by = fmt.Sprintf("R{2}<<%d", shift)
	}
	f.plain("ADD "+by+", R{1}, R{0}", def(d), use(a), use(b))
	return d
}

// PlusInt is a+n in a new register.
func (f *Func) PlusInt(a *Reg, n int) *Reg {
	d := f.X()
	f.plain(fmt.Sprintf("ADD $%d, R{1}, R{0}", n), def(d), use(a))
	return d
}

// Add is d += by.
func (f *Func) Add(d, by *Reg) { f.plain("ADD R{1}, R{0}, R{0}", update(d), use(by)) }

// AddInt is d += n; n may be negative.
func (f *Func) AddInt(d *Reg, n int) {
	if n < 0 {
		f.plain(fmt.Sprintf("SUB $%d, R{0}, R{0}", -n), update(d))
		return
	}
	f.plain(fmt.Sprintf("ADD $%d, R{0}, R{0}", n), update(d))
}

// Sub is d -= by.
func (f *Func) Sub(d, by *Reg) { f.plain("SUB R{1}, R{0}, R{0}", update(d), use(by)) }

// SubsInt is d -= n and sets the flags.
func (f *Func) SubsInt(d *Reg, n int) { f.plain(fmt.Sprintf("SUBS $%d, R{0}, R{0}", n), update(d)) }

// Shl is r<<n in a new register.
func (f *Func) Shl(r *Reg, n int) *Reg {
	d := f.X()
	f.plain(fmt.Sprintf("LSL $%d, R{1}, R{0}", n), def(d), use(r))
	return d
}

// Cmp compares a to b.
func (f *Func) Cmp(a, b *Reg) { f.plain("CMP R{1}, R{0}", use(a), use(b)) }

// CmpInt compares a to n.
func (f *Func) CmpInt(a *Reg, n int) { f.plain(fmt.Sprintf("CMP $%d, R{0}", n), use(a)) }
