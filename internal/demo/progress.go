package demo

import (
	"fmt"
	"io"
	"time"

	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/terminal"
)

// progress shows one fit on one line: as it goes where the writer is a terminal, else when it is
// over.
type progress struct {
	live   *terminal.Live
	what   string
	epochs int
	shown  time.Time
}

func newProgress(w io.Writer, alphabet, thaw string) *progress {
	return &progress{live: terminal.NewLive(w), what: fmt.Sprintf("  %-9s %-7s", alphabet, thaw)}
}

// Emit shows e.
func (p *progress) Emit(at time.Time, e report.Event) {
	switch e := e.(type) {
	case *report.RunStart:
		p.epochs = e.Epochs
	case *report.EpochEvent:
		if at.Sub(p.shown) > 50*time.Millisecond {
			p.shown = at
			p.live.Show(fmt.Sprintf("%s epoch %3d of %3d  loss %.3f  accuracy %s", p.what, e.Epoch, p.epochs, float64(e.TrainLoss), percent(e.Val.Accuracy())))
		}
	}
}

// end closes the line; r is nil where the fit failed.
func (p *progress) end(r *run.Result) {
	p.live.Clear()
	if r != nil {
		p.live.Print(fmt.Sprintf("%s %3d epochs, best %3d  accuracy %s  %s", p.what, r.Epochs, r.BestEpoch, percent(r.ValAccuracy), secondsText(r.Seconds)))
	}
}
