package demo

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
	"golang.org/x/term"
)

// progress shows one fit on one line: as it goes where the writer is a terminal, else when it is
// over.
type progress struct {
	w      io.Writer
	live   bool
	what   string
	epochs int
	shown  time.Time
}

func newProgress(w io.Writer, alphabet, thaw string) *progress {
	f, ok := w.(*os.File)
	return &progress{w: w, live: ok && term.IsTerminal(int(f.Fd())), what: fmt.Sprintf("  %-9s %-7s", alphabet, thaw)}
}

// Emit shows e.
func (p *progress) Emit(at time.Time, e report.Event) {
	switch e := e.(type) {
	case *report.RunStart:
		p.epochs = e.Epochs
	case *report.EpochEvent:
		if p.live && at.Sub(p.shown) > 50*time.Millisecond {
			p.shown = at
			fmt.Fprintf(p.w, "\r%s epoch %3d of %3d  loss %.3f  accuracy %s \x1b[K", p.what, e.Epoch, p.epochs, float64(e.TrainLoss), percent(e.Val.Accuracy()))
		}
	}
}

// end closes the line; r is nil where the fit failed.
func (p *progress) end(r *run.Result) {
	if p.live {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
	if r != nil {
		fmt.Fprintf(p.w, "%s %3d epochs, best %3d  accuracy %s  %s\n", p.what, r.Epochs, r.BestEpoch, percent(r.ValAccuracy), secondsText(r.Seconds))
	}
}
