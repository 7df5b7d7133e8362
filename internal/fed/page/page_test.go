package page

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/permafrost-ml/permafrost/internal/chart/charttest"
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/fed"
	"github.com/permafrost-ml/permafrost/internal/report"
)

// made is the record of a federation that is made up.
func made(clients, rounds int, edit func(r *fed.Record)) *fed.Record {
	c := config.DefaultConfig()
	c.Model, c.Data = "net.onnx", "photos"
	r := &fed.Record{Settings: fed.Defaults(), Config: c, Members: map[string]fed.Member{}, Refused: map[string]string{}, Seconds: 12}
	r.Settings.Rounds, r.Start.Epochs, r.Data.Val = rounds, rounds, 100
	for i := range clients {
		r.Members[fmt.Sprintf("c%04d", i)] = fed.Member{Examples: 10 + i, Rounds: rounds}
	}
	for n := 1; n <= rounds; n++ {
		e := report.RoundEvent{Round: n, Metric: "accuracy", Accuracy: 0.9, ValLoss: 1 / report.Number(n), Loss: 2 / report.Number(n), Up: 1000, Down: 900, Full: 1 << 20, Active: 10, Numbers: 20, Step: 1, Seconds: 0.5}
		for i := range clients {
			name := fmt.Sprintf("c%04d", i)
			switch (i + n) % 7 {
			case 0:
				e.Lost = append(e.Lost, report.RoundWhy{Client: name, Why: fmt.Sprintf("no answer in round %d", n)})
			case 1:
				e.Rejected = append(e.Rejected, report.RoundWhy{Client: name, Why: "its change is too long"})
			case 2:
			default:
				e.Clients = append(e.Clients, report.RoundPart{Client: name, Examples: 10 + i, Loss: 1, Accuracy: 0.5, Norm: 0.1, Up: 10, Down: 9, Seconds: 0.1})
			}
		}
		r.Rounds = append(r.Rounds, e)
		r.Epochs = append(r.Epochs, report.EpochEvent{Epoch: n, Best: n == 1})
	}
	if edit != nil {
		edit(r)
	}
	return r
}

// TestPage: every federation has a page that is well formed and needs no network, and that says what
// it must. It stays small with many clients and rounds.
func TestPage(t *testing.T) {
	for name, c := range map[string]struct {
		record *fed.Record
		rows   int
		has    []string
	}{
		"small":  {made(6, 5, nil), 6, []string{"5 of 5 rounds, 12 s so far", "its change is too long", "no answer in round 2", "whole model", "of round 1"}},
		"begun":  {made(0, 0, nil), 0, []string{"0 of 0 rounds", "32 bits a number"}},
		"joined": {made(3, 0, nil), 3, nil},
		"large":  {made(1000, 400, nil), 1000, []string{"60, of 1000"}},
		"done":   {made(4, 3, func(r *fed.Record) { r.End = &report.RunEnd{Status: "done"} }), 4, []string{"3 rounds in 12 s.", "permafrost predict"}},
		"failed": {made(4, 3, func(r *fed.Record) { r.End = &report.RunEnd{Status: "failed", Error: "nobody came"} }), 4, []string{"nobody came", "can be resumed"}},
		"private": {made(4, 3, func(r *fed.Record) {
			r.Settings.Epsilon = 8
			r.Rounds[2].Epsilon = 7.5
		}), 4, []string{"ε 7.5", "epsilon so far", "keep this page with the server"}},
		"secret": {made(4, 3, func(r *fed.Record) {
			r.Settings.Secure = true
			for i := range r.Rounds {
				r.Rounds[i].Loss = report.Number(math.NaN())
			}
		}), 4, []string{"only the sum of the clients&#39; changes"}},
		"no metric": {made(4, 3, func(r *fed.Record) {
			for i := range r.Rounds {
				r.Rounds[i].Metric, r.Rounds[i].Accuracy, r.Rounds[i].ValLoss = "r2", report.Number(math.NaN()), report.Number(math.Inf(1))
			}
		}), 4, nil},
		"freezing": {made(4, 3, func(r *fed.Record) { r.Settings.Freeze = "apf" }), 4, []string{"weights that took part"}},
		"hostile": {made(4, 3, func(r *fed.Record) {
			const name = `"><script>alert(1)</script>`
			r.Refused[name], r.Warnings = name, []string{name}
			r.Rounds[0].Lost = append(r.Rounds[0].Lost, report.RoundWhy{Client: name, Why: name})
		}), 5, []string{"Refused"}},
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := Write(&b, c.record, "runs/<b>a & b"); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(t.ArtifactDir(), "page.html"), b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			rows := 0
			for _, e := range charttest.Check(t, b.Bytes()) {
				if e.Name == "tr" && e.Attr["data-t"] != "" {
					rows++
				}
			}
			if rows != c.rows {
				t.Errorf("%d rows, want %d", rows, c.rows)
			}
			for _, text := range c.has {
				if !strings.Contains(b.String(), text) {
					t.Errorf("the page lacks %q", text)
				}
			}
			if b.Len() > 3<<20 {
				t.Errorf("the page has %d bytes", b.Len())
			}
		})
	}
}

// TestWorst: a column of several rounds shows the worst of them, and why.
func TestWorst(t *testing.T) {
	c := &client{did: []state{counted, lost, away, rejected, counted}, why: []string{"", "late", "", "too long", ""}}
	for column, want := range []string{"lost late 1", "rejected too long 3", "counted  4"} {
		s, why, at := c.cell(column, 2)
		if got := fmt.Sprint(s, " ", why, " ", at); got != want {
			t.Errorf("column %d: %s, want %s", column, got, want)
		}
	}
}
