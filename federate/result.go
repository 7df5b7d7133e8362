package federate

import (
	"github.com/permafrost-ml/permafrost"
	"github.com/permafrost-ml/permafrost/internal/fed"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// Result is what a federation came to. Its JSON form is what federate simulate --json and federate
// server --json print.
type Result struct {
	State        string  `json:"state"`           // permafrost.RunDone and so on
	Error        string  `json:"error,omitempty"` // why it failed
	Rounds       int     `json:"rounds"`          // that were made
	Planned      int     `json:"rounds_planned"`
	Clients      int     `json:"clients"` // that took part
	ValAccuracy  float64 `json:"val_accuracy"`
	ValLoss      float64 `json:"val_loss"`
	Metric       string  `json:"metric"` // what val_accuracy is
	BytesUp      int64   `json:"bytes_up"`
	BytesDown    int64   `json:"bytes_down"`
	BytesBase    int64   `json:"bytes_base_model"`
	BytesFull    int64   `json:"bytes_full_model_exchange"`
	Epsilon      float64 `json:"epsilon"` // 0 without differential privacy
	Delta        float64 `json:"delta,omitempty"`
	Seconds      float64 `json:"seconds"`
	BestRound    int     `json:"best_round"` // whose weights were written
	ParamsTotal  int     `json:"params_total"`
	ParamsThawed int     `json:"params_thawed"`
	PeakRSS      int64   `json:"peak_rss_bytes"`
	Rejected     int     `json:"rejected"` // answers that did not count
	Lost         int     `json:"lost"`     // answers that did not come

	Members map[string]Member `json:"members"`
	Refused map[string]string `json:"refused,omitempty"` // clients that could not join, and why
	History []Round           `json:"history,omitempty"`
	// Settings are the options of the federation in words, and Seen what its server sees of clients.
	Settings []Setting `json:"settings,omitempty"`
	Seen     string    `json:"server_sees"`
	Notes    []string  `json:"notes,omitempty"`
	Out      string    `json:"out"`
}

// Setting is an option of a federation.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Member is a client that joined.
type Member struct {
	Examples int    `json:"examples"`
	Rounds   int    `json:"rounds"`         // in which it counted
	From     int    `json:"from,omitempty"` // the first unit of the plan that it could afford to train
	Why      string `json:"why,omitempty"`  // with From
	Base     int64  `json:"bytes_base_model,omitempty"`
}

func resultOf(o *fed.Outcome, s *run.Session, settings *fed.Settings) *Result {
	r := &Result{State: permafrost.RunDone, Refused: o.Refused, BestRound: o.BestRound, Metric: "accuracy",
		ValAccuracy: o.Val.Accuracy(), ValLoss: o.Val.Loss(), ParamsTotal: s.ParamsTotal(), ParamsThawed: s.Plans.Ever.Thawed(s.Net.Set).Elements()}
	if named := o.Val.Named(); named != nil {
		r.Metric, r.ValAccuracy = named.Name, 0
		if named.Value != nil {
			r.ValAccuracy = *named.Value
		}
	}
	r.add(settings, o.Members, o.Records)
	return r
}

// add sums up members and rounds.
func (r *Result) add(s *fed.Settings, members map[string]fed.Member, rounds []report.RoundEvent) {
	r.Rounds, r.Planned, r.Seen, r.Members = len(rounds), s.Rounds, s.Seen(), map[string]Member{}
	for _, w := range s.Words() {
		r.Settings = append(r.Settings, Setting(w))
	}
	for name, m := range members {
		r.Members[name] = Member(m)
		r.BytesBase += m.Base
		if m.Rounds > 0 {
			r.Clients++
		}
	}
	for _, round := range rounds {
		r.BytesUp, r.BytesDown, r.BytesFull = r.BytesUp+round.Up, r.BytesDown+round.Down, r.BytesFull+round.Full
		r.Rejected, r.Lost = r.Rejected+len(round.Rejected), r.Lost+len(round.Lost)
		r.Epsilon = round.Epsilon
		r.History = append(r.History, roundOf(&round, s))
	}
	if s.Epsilon > 0 {
		r.Delta = s.Delta
	}
}

// Round is a round that was made.
type Round struct {
	Number   int     `json:"round"`        // from 1
	Rounds   int     `json:"-"`            // in all
	Clients  int     `json:"clients"`      // that counted
	Asked    int     `json:"asked"`        // that were to take part
	Accuracy float64 `json:"val_accuracy"` // or the metric of the task, on the server's examples; 0 where it is undefined
	Metric   string  `json:"metric"`       // what val_accuracy is
	Up       int64   `json:"bytes_up"`
	Down     int64   `json:"bytes_down"`
	Epsilon  float64 `json:"epsilon,omitempty"` // given away so far
	Seconds  float64 `json:"seconds"`
}

func roundOf(r *report.RoundEvent, s *fed.Settings) Round {
	return Round{Number: r.Round, Rounds: s.Rounds, Clients: len(r.Clients), Asked: len(r.Cohort), Accuracy: finite(float64(r.Accuracy)), Metric: r.Metric, Up: r.Up, Down: r.Down, Epsilon: r.Epsilon, Seconds: r.Seconds}
}
