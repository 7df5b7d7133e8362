package schedule

// The schedule that docs/extending.md adds: TestExtending runs it.

// zigzag trains the head and every second block, and after so many steps the other blocks. Without
// an argument it changes four times in a run.
type zigzag struct {
	base
	Turn int `json:"turn"`
}

func init() {
	register("zigzag", Kind{Make: newZigzag, Check: optional(wholeNumber)})
}

func newZigzag(r Run, arg string) (Schedule, error) {
	return &zigzag{base: base{r, number(arg, r.interval(4))}}, nil
}

func (z *zigzag) Next(Moment) (Decision, bool) {
	live := z.run.last(0) // the head
	for i := z.Turn % 2; i < z.run.blocks(); i += 2 {
		live[i] = true
	}
	z.Turn++
	return Decision{Live: live, Steps: z.every, Reason: "the blocks take turns"}, true
}
