package page

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/chart"
)

// metricName is what the run is measured by, as the files have it.
func (r *Run) metricName() string {
	if r.Val != nil {
		if n := r.Val.Named(); n != nil {
			return n.Name
		}
	}
	if r.Metric != nil {
		return r.Metric.Name
	}
	return "accuracy"
}

// metric is the metric of the written weights, or of the best epoch so far; NaN without one.
func (r *Run) metric() float64 {
	switch {
	case r.Accuracy != nil:
		return *r.Accuracy
	case r.Metric != nil && r.Metric.Value != nil:
		return *r.Metric.Value
	}
	return math.NaN()
}

func words(name string) string { return strings.ReplaceAll(name, "_", " ") }

// metricText writes a value of a metric.
func metricText(name string) func(float64) string {
	if name == "accuracy" || name == "error_rate" {
		return func(v float64) string { return fmt.Sprintf("%.1f%%", 100*v) }
	}
	return chart.Number
}

func sizeText(n int64) string { return chart.Size(float64(n)) }

func amountText(n int) string { return chart.Amount(float64(n)) }

func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// epochSeconds are the times of the first epoch and of a later one, the median of these. They are 0
// where there is none.
func (r *Run) epochSeconds() (first, later float64) {
	if len(r.Curve) == 0 {
		return 0, 0
	}
	var rest []float64
	for _, e := range r.Curve[1:] {
		rest = append(rest, e.Seconds)
	}
	slices.Sort(rest)
	if len(rest) > 0 {
		later = rest[len(rest)/2]
	}
	return r.Curve[0].Seconds, later
}

// epoch is the time of a typical epoch.
func (r *Run) epoch() float64 {
	first, later := r.epochSeconds()
	if later > 0 {
		return later
	}
	return first
}

// found reports whether frozen values were found in the cache of an earlier run, so that the measured
// time lacks them.
func (r *Run) found() bool { return r.Cache.Hits+r.Cache.Near > 0 }

// keeps reports whether frozen values were kept, so that the frozen part ran once.
func (r *Run) keeps() bool { return r.Cache.Where != "" && r.Cache.Where != "off" }
