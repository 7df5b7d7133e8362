package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/permafrost-ml/permafrost/search"
)

// printForecast prints the plan of a search.
func printForecast(w io.Writer, f *search.Forecast) error {
	var b strings.Builder
	points := "a space without end"
	if f.Points > 0 {
		points = fmt.Sprintf("a space of %s points", thousands(f.Points))
	}
	fmt.Fprintf(&b, "trials      %d at most, of %s; %d are known ahead, the others depend on results\n", f.Trials, points, f.Known)
	if len(f.Rungs) > 0 {
		var parts []string
		for _, p := range f.Rungs {
			parts = append(parts, fmt.Sprintf("%d%%", p))
		}
		fmt.Fprintf(&b, "rungs       after %s of its epochs; only the better trials go on, so one takes %.0f%% of a whole trial on average\n", strings.Join(parts, ", "), 100*f.Share)
	}
	fmt.Fprintf(&b, "measured    on %d of %d training examples, held out in %d parts\n", f.HeldOut, f.Examples, f.Parts)
	for i, g := range f.Groups {
		head := ""
		if i == 0 {
			head = "frontiers"
		}
		kept := "computed again in each epoch"
		if g.Bytes > 0 {
			kept = bytesText(g.Bytes) + " kept"
		}
		pass := "frozen pass once " + flopsText(int64(g.Pass))
		switch {
		case g.Frozen == 0:
			pass, kept = "nothing is frozen before it", "nothing kept"
		case g.Pass < g.Frozen:
			pass += " from what is kept before it, of " + flopsText(int64(g.Frozen))
		}
		fmt.Fprintf(&b, "%-11s %s (%s)\n", head, list(g.Values, 3), list(g.Settings, 4))
		fmt.Fprintf(&b, "%-11s   %s, %s; a whole trial %s; %d of the trials known ahead\n", "", pass, kept, flopsText(int64(g.Live)), g.Known)
	}
	fmt.Fprintf(&b, "work        frozen %s, live %s operations; %s kept\n", flopsText(int64(f.Frozen)), flopsText(int64(f.Live)), bytesText(f.Bytes))
	p := f.Predicted
	fmt.Fprintf(&b, "predicted   %s: frozen part %s, training %s, by a few passes on this machine", secondsText(p.Seconds), secondsText(p.Frozen), secondsText(p.Live))
	if f.Known < f.Trials {
		fmt.Fprintf(&b, "; up to %s where the results lead to the dearest trials", secondsText(p.Most))
	}
	b.WriteByte('\n')
	fmt.Fprintf(&b, "written     nothing\n")
	_, err := io.WriteString(w, b.String())
	return err
}
