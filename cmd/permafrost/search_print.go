package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/search"
)

// printSearch prints the result of a search, or what is known of one that has not ended.
func printSearch(w io.Writer, r *search.Result) error {
	var b strings.Builder
	fmt.Fprintf(&b, "trials      %s; %s\n", trialCounts(r), secondsText(r.Seconds))
	if r.State != search.Done {
		fmt.Fprintf(&b, "state       not ended: it runs, or was stopped; --resume goes on with it\n")
	}
	if r.Best != nil {
		fmt.Fprintf(&b, "best        trial %d: %s\n", r.Best.Number, r.Best.OptionsText())
		fmt.Fprintf(&b, "held out    %s %.4g on %d training examples that chose it\n", r.Metric, r.Best.ValAccuracy, r.HeldOut)
		if name, value, ok := testScore(r); ok {
			fmt.Fprintf(&b, "validation  %s %.4g, trained on all training examples; these examples chose nothing\n", name, value)
		}
	}
	printFront(&b, r)
	if len(r.Importance) > 1 {
		names := slices.SortedFunc(maps.Keys(r.Importance), func(a, b string) int {
			return cmp.Or(cmp.Compare(r.Importance[b], r.Importance[a]), cmp.Compare(a, b))
		})
		text := "no option shows more than chance would"
		if r.Importance[names[0]] > 0 {
			for i, name := range names {
				names[i] = fmt.Sprintf("%s %.0f%%", name, 100*r.Importance[name])
			}
			text = strings.Join(names, "  ")
		}
		fmt.Fprintf(&b, "importance  %s\n", text)
	}
	if r.Out != "" {
		fmt.Fprintf(&b, "written     %s: %s shows it\n", r.Out, search.PageFile)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printFront lists the trials that no other beats in all of several objectives, the fastest model
// first, and says how one of them becomes a model.
func printFront(b *strings.Builder, r *search.Result) {
	if len(r.Pareto) < 2 {
		return
	}
	var front []search.Trial
	for _, t := range r.Trials {
		if slices.Contains(r.Pareto, t.Number) {
			front = append(front, t)
		}
	}
	slices.SortStableFunc(front, func(a, b search.Trial) int { return cmp.Compare(a.LatencyMS, b.LatencyMS) })
	for i, t := range front {
		heading := ""
		if i == 0 {
			heading = "front"
		}
		fmt.Fprintf(b, "%-11s trial %3d: %s %.4g  %s ms  %s parameters  %s\n", heading, t.Number, r.Metric, t.ValAccuracy, digits(t.LatencyMS), thousands(t.ParamsTotal), t.OptionsText())
	}
	if r.Out != "" {
		fmt.Fprintf(b, "            permafrost search show %s --trial N --config N.yaml, then permafrost fit --config N.yaml --out NEW, makes the model of one\n", r.Out)
	}
}

// testScore is the metric of the best trial on the validation examples.
func testScore(r *search.Result) (name string, value float64, ok bool) {
	switch {
	case r.Best == nil:
	case r.Best.TestAccuracy != nil:
		return "accuracy", *r.Best.TestAccuracy, true
	case r.Best.TestMetric != nil:
		return r.Metric, *r.Best.TestMetric, true
	}
	return "", 0, false
}

// trialCounts says how the trials ended.
func trialCounts(r *search.Result) string {
	of := map[string]int{}
	for _, t := range r.Trials {
		of[t.State]++
	}
	s := fmt.Sprintf("%d went all the way, %d were stopped early, %d failed", of["done"], of["pruned"], of["failed"])
	if n := of["running"]; n > 0 {
		s += fmt.Sprintf(", %d had begun", n)
	}
	if len(r.Trials) < r.Planned {
		s += fmt.Sprintf("; %d of at most %d", len(r.Trials), r.Planned)
	}
	return s
}
