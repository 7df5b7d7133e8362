package search

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/permafrost-ml/permafrost/internal/terminal"
	"github.com/permafrost-ml/permafrost/internal/trials"
)

// progress shows a search to a person. A nil one shows nothing.
type progress struct {
	live    *terminal.Live
	search  *trials.Search
	best    *Trial
	states  map[int]string // of the trials that have ended for good
	running map[int]bool
}

func newProgress(w io.Writer, s *trials.Search) *progress {
	return &progress{live: terminal.NewLive(w), search: s, states: map[int]string{}, running: map[int]bool{}}
}

// started shows that a task has started.
func (p *progress) started(e trials.Entry) {
	p.running[e.Trial] = true
	p.live.Show(p.line())
}

// ended shows the result of a task.
func (p *progress) ended(e trials.Entry, t Trial) {
	delete(p.running, e.Trial)
	mark := ""
	if t.State == "done" && (p.best == nil || t.ValAccuracy > p.best.ValAccuracy) {
		p.best, mark = &t, "  best"
	}
	if !p.live.Is() || mark != "" {
		p.live.Print(fmt.Sprintf("trial %3d  %s %s  %s  %s%s", t.Number, p.search.Header.Metric, t.score(), secondsText(t.Seconds), t.OptionsText(), mark))
	}
	p.states[e.Trial] = t.State
	p.live.Show(p.line())
}

// line says how the search stands.
func (p *progress) line() string {
	var parts []string
	if p.best != nil {
		parts = append(parts, fmt.Sprintf("best %.4g (trial %d)", p.best.ValAccuracy, p.best.Number))
	}
	of := map[string]int{}
	waiting := 0 // for the decision whether they go on
	for n, state := range p.states {
		switch {
		case p.running[n]:
		case state == "pruned" && !p.search.Over(n):
			waiting++
		default:
			of[state]++
		}
	}
	if left, ok := p.search.Left(len(p.running)); ok {
		parts = append(parts, secondsText(left)+" left")
	}
	state := fmt.Sprintf("%d trials: %d done, %d stopped early", p.search.Header.Trials, of["done"], of["pruned"])
	for _, more := range []struct {
		n    int
		what string
	}{{of["failed"], "failed"}, {len(p.running), "running"}, {waiting, "waiting"}} {
		if more.n > 0 {
			state += fmt.Sprintf(", %d %s", more.n, more.what)
		}
	}
	parts = append(parts, state)
	return strings.Join(parts, "  ")
}

// fit shows that the best trial is fitted on all training examples.
func (p *progress) fit(best trials.Entry) {
	if p != nil {
		p.live.Show(fmt.Sprintf("trial %d is fitted on all training examples", best.Trial))
	}
}

// note gives a remark to tell, without disturbing the line.
func (p *progress) note(text string, tell func(string)) {
	if tell == nil {
		return
	}
	p.end()
	tell(text)
	if p != nil {
		p.live.Show(p.line())
	}
}

// end takes the line away.
func (p *progress) end() {
	if p != nil {
		p.live.Clear()
	}
}

func secondsText(s float64) string {
	switch {
	case s < 0.1:
		return fmt.Sprintf("%.0f ms", 1000*s)
	case s < 10:
		return fmt.Sprintf("%.2g s", s)
	}
	return time.Duration(math.Round(s) * float64(time.Second)).String()
}
