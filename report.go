package permafrost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
	"github.com/permafrost-ml/permafrost/internal/run/page"
)

// ReportOptions say what Report shows.
type ReportOptions struct {
	// NoExamples leaves out the examples with a wrong answer, for a page that others may see.
	NoExamples bool
	// Links are shown on the page of several runs, before them.
	Links []ReportLink
	// At is the folder in which the page will lie: links on the page of several runs are relative
	// to it. Default: the current one.
	At string
}

// ReportLink is a link to another page.
type ReportLink struct {
	Name string // of what the page shows
	Text string // what it came to, in a sentence
	Path string // of the page; empty for none
}

// Report writes the page of a run: the network with what was frozen, curves, mistakes, what freezing
// saved, and how the run was made. For several runs it writes one page that compares them. A page is
// one HTML file that needs no network, and holds small copies of up to 100 validation examples with
// a wrong answer.
//
// Fit writes the page of its run into the folder as report.html, also when it fails. Report makes it
// from the folder alone. A folder of compare is taken as well. Report errors with ErrBadInput on
// folders that hold neither, or that cannot be read.
//
// It may be called from several goroutines.
func Report(w io.Writer, folders []string, o ReportOptions) error {
	var runs []*page.Run
	var compared []*page.Compared
	for _, dir := range folders {
		c, err := page.ReadCompared(dir)
		if err == nil {
			compared = append(compared, c)
			continue
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return badInput(fmt.Errorf("%s: %w", dir, err))
		}
		r, err := page.Read(dir)
		if err != nil {
			return badInput(fmt.Errorf("%s: %w", dir, err))
		}
		runs = append(runs, r)
	}
	options := page.Options{Examples: page.ExamplesMost, At: o.At}
	if o.NoExamples {
		options.Examples = 0
	}
	if len(runs) == 1 && len(compared)+len(o.Links) == 0 {
		return page.Write(w, runs[0], options)
	}
	return page.WriteSeveral(w, runs, compared, each(o.Links, func(l ReportLink) page.Link { return page.Link(l) }), options)
}

// writeReport writes what the report of a fit in a folder shows beside its events, and the report.
// The session is that of the fit, nil if it is not known; the result is nil if the fit has none. A
// fit does not fail for its report: what goes wrong is a warning.
func writeReport(ctx context.Context, folder string, s *run.Session, r *run.Result, o *options) {
	if folder == "" {
		return
	}
	if _, err := os.Stat(filepath.Join(folder, RunFile)); err != nil { // it failed before it began
		return
	}
	if err := page.Leave(ctx, folder, s, r); err != nil {
		o.emit(&report.Warning{Message: err.Error()})
	}
}
