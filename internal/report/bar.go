package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/permafrost-ml/permafrost/internal/terminal"
)

// bar is work under way, as the line that moves shows it.
type bar struct {
	what  string
	unit  unit
	marks []mark // where it stood, of the last barMemory
	shown time.Time
}

// mark is how far work was at some time.
type mark struct {
	at    time.Time
	done  int // steps, examples or bytes: what the share is of
	units int // of what the rate counts
}

// unit is what a rate counts.
type unit struct {
	name string
	per  float64 // units that are one of the name
}

var (
	inExamples = unit{"examples/s", 1}
	inMiB      = unit{"MiB/s", 1 << 20}
)

const (
	barWidth  = 16                     // columns
	barMemory = 30 * time.Second       // over which a rate is the mean
	barEvery  = 100 * time.Millisecond // the line moves
)

// advance records where the work stands, and reports whether it is time to show it.
func (b *bar) advance(m mark) bool {
	b.marks = append(b.marks, m)
	for len(b.marks) > 2 && m.at.Sub(b.marks[1].at) > barMemory {
		b.marks = b.marks[1:]
	}
	if m.at.Sub(b.shown) < barEvery {
		return false
	}
	b.shown = m.at
	return true
}

// speed is what was done a second over the last marks, and what the rate counts; 0 where it is not
// known yet.
func (b *bar) speed() (done, units float64) {
	first, last := b.marks[0], b.marks[len(b.marks)-1]
	seconds := last.at.Sub(first.at).Seconds()
	if seconds <= 0 {
		return 0, 0
	}
	return float64(last.done-first.done) / seconds, float64(last.units-first.units) / seconds
}

// move shows work that has no more to tell than how far it is.
func (p *Progress) move(at time.Time, u unit, what string, total, done int) {
	if p.start(what, u, total); p.bar == nil || !p.bar.advance(mark{at, done, done}) {
		return
	}
	p.show(total, done, what, "", "", "")
}

// train shows a step of training.
func (p *Progress) train(at time.Time, e *StepEvent) {
	p.start("training", inExamples, p.steps)
	if p.bar == nil {
		return
	}
	m := mark{at, e.Step, e.Examples}
	if n := len(p.bar.marks); n > 0 {
		m.units += p.bar.marks[n-1].units
	}
	if !p.bar.advance(m) {
		return
	}
	frozen := ""
	if p.thawed < p.params {
		frozen = part(p.params-p.thawed, p.params) + " frozen"
	}
	p.show(p.steps, e.Step, fmt.Sprintf("epoch %d/%d", e.Epoch, p.epochs), "loss "+number(float64(e.Loss), 4), p.metric, frozen)
}

// start begins a bar, unless the work has one. There is none where nothing moves.
func (p *Progress) start(what string, u unit, total int) {
	if !p.live.Is() || total <= 0 {
		p.bar = nil
	} else if p.bar == nil || p.bar.what != what {
		p.bar = &bar{what: what, unit: u}
	}
}

// show writes the line that moves: what fits the terminal of it.
func (p *Progress) show(total, done int, what, loss, metric, frozen string) {
	share := min(1, float64(done)/float64(total))
	full := int(share * barWidth)
	drawn := p.live.Warm(strings.Repeat("━", full)) + p.live.Ice(strings.Repeat("─", barWidth-full))
	speed, units := p.bar.speed()
	rates, left := "", ""
	if units > 0 {
		rates = rate(units/p.bar.unit.per) + " " + p.bar.unit.name
	}
	if speed > 0 {
		left = clock(float64(max(0, total-done))/speed) + " left"
	}
	fields := []field{
		{what, 0}, {drawn, 5}, {fmt.Sprintf("%3.0f%%", math.Floor(100*share)), 3}, {loss, 2}, {metric, 4}, {left, 1}, {rates, 7}, {p.live.Ice(frozen), 6},
	}
	p.live.Show(fit(fields, p.live.Width()-1))
}

// field is a part of the line that moves.
type field struct {
	text string
	drop int // what has the highest goes first
}

// fit joins the fields that there are. Where they are wider than the terminal, some are left out.
func fit(fields []field, width int) string {
	fields = slices.DeleteFunc(fields, func(f field) bool { return f.text == "" })
	for {
		var parts []string
		last := 0
		for i, f := range fields {
			parts = append(parts, f.text)
			if f.drop > fields[last].drop {
				last = i
			}
		}
		line := strings.Join(parts, "  ")
		if len(fields) < 2 || terminal.Columns(line) <= width {
			return line
		}
		fields = slices.Delete(fields, last, last+1)
	}
}

// endBar takes the line that moves away.
func (p *Progress) endBar() {
	p.live.Clear()
	p.bar = nil
}

// clock writes a duration as 0:07, 12:30 or 1:05:00.
func clock(seconds float64) string {
	s := int(math.Ceil(min(seconds, 359999)))
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}
