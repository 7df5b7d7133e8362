package a64

import (
	"fmt"
	"slices"
)

// The registers that functions may use. The assembler or the runtime needs R16 to R18 and those
// from R26 on.
var (
	general = []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 19, 20, 21, 22, 23, 24, 25}
	vectors = []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31}
)

// ErrRegisters says that a function needs more registers than there are.
type ErrRegisters struct{ Vector bool }

func (e ErrRegisters) Error() string {
	return fmt.Sprintf("needs more registers than there are (vectors: %v)", e.Vector)
}

// assign gives every virtual register a number: registers that live at the same time get different
// ones, in the order of their first use.
func assign(all []instruction, regs []*Reg) ([]int, error) {
	live := liveAfter(all, len(regs))
	conflicts := make([]set, len(regs))
	for i := range conflicts {
		conflicts[i] = make(set, len(regs))
	}
	hints := make([][]int, len(regs)) // the other side of moves
	for i, ins := range all {
		for _, o := range ins.ops {
			if !o.def {
				continue
			}
			d := o.reg.id
			for _, p := range ins.ops {
				if p.def && p.reg != o.reg {
					conflicts[d][p.reg.id] = true
				}
			}
			for r := range live[i] {
				if r == d || regs[r].vector != o.reg.vector || !live[i][r] || ins.move && r == ins.ops[1].reg.id {
					continue
				}
				conflicts[d][r], conflicts[r][d] = true, true
			}
		}
		if ins.move {
			d, s := ins.ops[0].reg.id, ins.ops[1].reg.id
			hints[d], hints[s] = append(hints[d], s), append(hints[s], d)
		}
	}
	at := make([]int, len(regs))
	for i := range at {
		at[i] = -1
	}
	for _, ins := range all {
		for _, o := range ins.ops {
			r := o.reg.id
			if at[r] >= 0 {
				continue
			}
			var taken [32]bool
			for other, c := range conflicts[r] {
				if c && at[other] >= 0 {
					taken[at[other]] = true
				}
			}
			choice := general
			if o.reg.vector {
				choice = vectors
			}
			for _, h := range hints[r] {
				if n := at[h]; n >= 0 && !taken[n] {
					at[r] = n
				}
			}
			if at[r] >= 0 {
				continue
			}
			free := slices.IndexFunc(choice, func(n int) bool { return !taken[n] })
			if free < 0 {
				return nil, ErrRegisters{o.reg.vector}
			}
			at[r] = choice[free]
		}
	}
	return at, nil
}

type set []bool

// liveAfter finds, for every instruction, the registers whose values are read later.
func liveAfter(all []instruction, regs int) []set {
	labels := map[string]int{}
	for i, ins := range all {
		if ins.label != "" {
			if _, twice := labels[ins.label]; twice {
				panic("label " + ins.label + " stands twice")
			}
			labels[ins.label] = i
		}
	}
	before := make([]set, len(all)+1)
	after := make([]set, len(all))
	for i := range before {
		before[i] = make(set, regs)
	}
	for i := range after {
		after[i] = make(set, regs)
	}
	for changed := true; changed; {
		changed = false
		for i := len(all) - 1; i >= 0; i-- {
			ins := &all[i]
			join := func(next int) {
				for r, v := range before[next] {
					if v && !after[i][r] {
						after[i][r], changed = true, true
					}
				}
			}
			if !ins.ends {
				join(i + 1)
			}
			if ins.target != "" {
				next, ok := labels[ins.target]
				if !ok {
					panic("no label " + ins.target)
				}
				join(next)
			}
			copy(before[i], after[i])
			for _, o := range ins.ops {
				if o.def {
					before[i][o.reg.id] = false
				}
			}
			for _, o := range ins.ops {
				if o.use {
					before[i][o.reg.id] = true
				}
			}
		}
	}
	return after
}
