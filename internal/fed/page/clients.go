package page

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/chart"
	"github.com/permafrost-ml/permafrost/internal/fed"
	"github.com/permafrost-ml/permafrost/internal/report"
)

// state is what a client did in a round: a class of page.css.
type state string

// The states, the better ones first.
const (
	away     state = "away" // it was not asked
	counted  state = "counted"
	leftOut  state = "leftout"
	lost     state = "lost"
	rejected state = "rejected"
)

var states = []struct {
	state state
	name  string
}{{counted, "counted"}, {leftOut, "left out by the rule"}, {lost, "did not answer"}, {rejected, "rejected"}, {away, "not asked"}}

// client is one client as the page needs it.
type client struct {
	name   string
	member fed.Member
	did    []state // by round
	why    []string
	last   *report.RoundPart // of the last round in which it answered well
	up     int64
	down   int64
	time   float64
	of     map[state]int // number of rounds
}

// gather lists the members by name.
func gather(r *fed.Record) []*client {
	of := map[string]*client{}
	get := func(name string) *client {
		c := of[name]
		if c == nil {
			c = &client{name: name, member: r.Members[name], did: slices.Repeat([]state{away}, len(r.Rounds)), why: make([]string, len(r.Rounds)), of: map[state]int{}}
			of[name] = c
		}
		return c
	}
	for name := range r.Members {
		get(name)
	}
	for i := range r.Rounds {
		round := &r.Rounds[i]
		for j := range round.Clients {
			part := &round.Clients[j]
			c := get(part.Client)
			c.did[i], c.last = counted, part
			c.up, c.down, c.time = c.up+part.Up, c.down+part.Down, c.time+part.Seconds
		}
		for _, name := range round.LeftOut {
			c := get(name)
			c.did[i], c.why[i] = leftOut, "the rule of the strategy left it out"
		}
		for _, w := range round.Lost {
			c := get(w.Client)
			c.did[i], c.why[i] = lost, w.Why
		}
		for _, w := range round.Rejected {
			c := get(w.Client)
			c.did[i], c.why[i] = rejected, w.Why
		}
	}
	var out []*client
	for _, name := range slices.Sorted(maps.Keys(of)) {
		c := of[name]
		for _, s := range c.did {
			c.of[s]++
		}
		out = append(out, c)
	}
	return out
}

// problems is in how many rounds an answer came to nothing.
func (c *client) problems() int { return c.of[rejected] + c.of[lost] + c.of[leftOut] }

// tip says in a line what a client is.
func (c *client) tip() string {
	parts := []string{fmt.Sprintf("client %s: %d examples, counted in %d rounds", c.name, c.member.Examples, c.of[counted])}
	for _, s := range states[1:] {
		if n := c.of[s.state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s in %d", s.name, n))
		}
	}
	return strings.Join(parts, ", ")
}

// Limits of what is drawn of single clients.
const (
	mapClients = 60
	mapRounds  = 150
	tableRows  = 2000
)

func whoText(all []*client) string {
	text := "A row for each client, a column for each round. A pointer shows the reasons."
	if len(all) > mapClients {
		text = fmt.Sprintf("First the number of clients in each round, then a row for each of the %d, of %d, whose answers came to nothing most often. A pointer shows the reasons.", mapClients, len(all))
	}
	return text
}

// who draws who took part: with many clients their numbers by round, and the map of those with most
// problems.
func who(r *fed.Record, all []*client) []*chart.Plot {
	if len(all) <= mapClients {
		return []*chart.Plot{mapOf(r, all)}
	}
	var parts []chart.Stack
	for _, s := range states {
		values := make([]float64, len(r.Rounds))
		any := false
		for _, c := range all {
			for i, did := range c.did {
				if did == s.state {
					values[i]++
					any = true
				}
			}
		}
		if any {
			parts = append(parts, chart.Stack{Name: s.name, Class: "c-" + string(s.state), Values: values})
		}
	}
	worst := slices.Clone(all)
	slices.SortStableFunc(worst, func(a, b *client) int { return cmp.Compare(b.problems(), a.problems()) })
	worst = worst[:mapClients]
	slices.SortFunc(worst, func(a, b *client) int { return cmp.Compare(a.name, b.name) })
	return []*chart.Plot{chart.Stacks("All clients", "How many clients took part in each round, and how many did not.", 900, 260, "round", "clients", parts...), mapOf(r, worst)}
}

// mapOf draws a row for each client. Where there are many rounds, a column stands for several, and
// shows the worst of them.
func mapOf(r *fed.Record, all []*client) *chart.Plot {
	per := (len(r.Rounds) + mapRounds - 1) / mapRounds
	columns := (len(r.Rounds) + per - 1) / per
	const right, high, top = 14.0, 14.0, 2.0
	left := 40.0
	for _, c := range all {
		left = max(left, 20+7*float64(min(len([]rune(c.name)), 16)))
	}
	wide := min(28, (900-left-right)/float64(columns))
	bottom := top + high*float64(len(all))
	p := &chart.Plot{Width: 900, Height: bottom + 40, About: fmt.Sprintf("What each of %d clients did in each of %d rounds. The table has the sums.", len(all), len(r.Rounds))}
	for _, s := range states {
		if slices.ContainsFunc(all, func(c *client) bool { return c.of[s.state] > 0 }) {
			p.Legend = append(p.Legend, chart.Legend{Class: "c-" + string(s.state), Name: s.name})
		}
	}
	for i, c := range all {
		y := top + high*float64(i)
		p.Write("tick", "end", left-6, y+high-3.5, c.name, 16)
		plain := map[state]string{}
		for k := 0; k < columns; {
			s, why, at := c.cell(k, per)
			end := k + 1
			for end < columns { // the same, for the same reason
				if next, reason, _ := c.cell(end, per); next != s || reason != why {
					break
				}
				end++
			}
			shape := ""
			for ; k < end; k++ {
				shape += chart.Rectangle(left+wide*float64(k), y, max(wide-1, 0.6*wide), high-2)
			}
			if why == "" {
				plain[s] += shape
				continue
			}
			p.Items = append(p.Items, chart.Item{Class: "area c-" + string(s), Key: c.name, Path: shape, Tip: fmt.Sprintf("%s, round %d on: %s", c.name, at+1, short(why))})
		}
		for _, s := range states {
			if plain[s.state] != "" {
				p.Path("area c-"+string(s.state), c.name, plain[s.state])
			}
		}
	}
	x := chart.Axis{Low: 0, High: float64(len(r.Rounds)), Text: chart.Whole, Integer: true}.Between(left, left+wide*float64(columns)*float64(len(r.Rounds))/float64(columns*per))
	for _, t := range x.Ticks(max(2, int((x.To-x.From)/30))) {
		if n := t.At - wide/float64(per)/2; n > left {
			p.Write("tick", "middle", n, bottom+15, t.Text, 8)
		}
	}
	p.Write("label", "middle", (left+x.To)/2, bottom+34, "round", 20)
	return p
}

// cell is the worst of some rounds, and the first that has it.
func (c *client) cell(column, per int) (s state, why string, at int) {
	rank := func(s state) int {
		return slices.Index([]state{away, counted, leftOut, lost, rejected}, s)
	}
	at = column * per
	for i := at; i < min((column+1)*per, len(c.did)); i++ {
		if i == column*per || rank(c.did[i]) > rank(s) {
			s, why, at = c.did[i], c.why[i], i
		}
	}
	return s, why, at
}

// short cuts a reason off.
func short(text string) string {
	if r := []rune(text); len(r) > 240 {
		return string(r[:239]) + "…"
	}
	return text
}

// tableOf lists the clients with their numbers.
func tableOf(r *fed.Record, all []*client) chart.Table {
	t := chart.Table{ID: "clients", Title: "Clients", Example: all[0].name, First: chart.Column{Name: "client"}}
	if len(all) > tableRows {
		t.Title = fmt.Sprintf("The first %d of %d clients", tableRows, len(all))
		all = all[:tableRows]
	}
	open := !r.Settings.Secure && !r.Settings.LocalDP && !r.Settings.OneShot()
	deep := slices.ContainsFunc(all, func(c *client) bool { return c.member.From > 0 })
	names := []string{"examples", "rounds", "no answer", "rejected", "left out"}
	if open {
		names = append(names, "last loss", "last accuracy", "last change")
	}
	for _, name := range append(names, "up", "down", "time") {
		t.Columns = append(t.Columns, chart.Column{Name: name, Number: true})
	}
	if deep {
		t.Columns = append(t.Columns, chart.Column{Name: "trains only a part"})
	}
	of := func(v float64, text func(float64) string) chart.Cell {
		if !chart.Finite(v) {
			return chart.Cell{}
		}
		return chart.Cell{Text: text(v), Value: fmt.Sprint(v)}
	}
	for _, c := range all {
		w := chart.Row{Key: c.name, Tip: c.tip()}
		if c.of[rejected] > 0 {
			w.Class = "failed"
		}
		for _, n := range []int{c.member.Examples, c.of[counted] + c.of[leftOut], c.of[lost], c.of[rejected], c.of[leftOut]} {
			w.Cells = append(w.Cells, of(float64(n), chart.Whole))
		}
		if open {
			loss, accuracy, norm := math.NaN(), math.NaN(), math.NaN()
			if c.last != nil {
				loss, accuracy, norm = float64(c.last.Loss), float64(c.last.Accuracy), c.last.Norm
			}
			w.Cells = append(w.Cells, of(loss, chart.Number), of(accuracy, chart.Percent), of(norm, chart.Number))
		}
		w.Cells = append(w.Cells, of(float64(c.up), chart.Size), of(float64(c.down), chart.Size), of(c.time, chart.Seconds))
		if deep {
			text := ""
			if c.member.From > 0 {
				text = "yes"
				if c.member.Why != "" {
					text = c.member.Why
				}
			}
			w.Cells = append(w.Cells, chart.Cell{Text: text})
		}
		t.Rows = append(t.Rows, w)
	}
	return t
}
