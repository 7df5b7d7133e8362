package page

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/permafrost-ml/permafrost/internal/chart"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// command is a command and what it does.
type command struct{ What, Line string }

// commands are what can be done with the run.
func (r *Run) commands() []command {
	line := []string{"permafrost fit"}
	for _, a := range r.Config.Args() {
		line = append(line, chart.Quoted(a))
	}
	of := func(name string) string { return chart.Quoted(filepath.Join(r.Out, name)) }
	out := []command{{"the run, with everything that was chosen for you", strings.Join(line, " ")}}
	switch r.State {
	case run.Done:
		out = append(out, command{"again, to the same bits", "permafrost fit --config " + of(run.RunFile) + " --out NEW"},
			command{"use the model", "permafrost predict --model " + of(run.ModelFile) + " FILE"},
			command{"prove what is frozen", "permafrost verify " + chart.Quoted(r.Config.Model) + " " + of(run.ModelFile)})
	default:
		if r.Checkpoint == 0 {
			out = append(out, command{"try it again", "permafrost fit --config " + of(run.RunFile) + " --out NEW"})
			break
		}
		out = append(out, command{"go on with it", "permafrost fit --resume --out " + chart.Quoted(r.Out)})
	}
	return out
}

// facts are versions, digests and sizes.
func (r *Run) facts() []chart.Fact {
	var out []chart.Fact
	add := func(name, value string) {
		if value != "" {
			out = append(out, chart.Fact{Name: name, Value: value})
		}
	}
	add("model", r.Config.Model)
	add("data", r.Config.Data)
	add("task", r.Task)
	if d := &r.Data; d.Task != "" {
		text := fmt.Sprintf("%d for training, %d for validation", d.Train, d.Val)
		if d.Damaged > 0 {
			text += fmt.Sprintf("; %s could not be read", count(d.Damaged, "file"))
		}
		add("examples", text)
	}
	if r.ParamsTotal > 0 {
		add("thawed", fmt.Sprintf("%s: %s of %s parameters (%s)", r.trains(), amountText(r.ParamsThawed), amountText(r.ParamsTotal), chart.Percent(float64(r.ParamsThawed)/float64(r.ParamsTotal))))
	}
	if r.Plan.Frontier != nil {
		add("frontier", strings.Join(r.Plan.Frontier, ", "))
	}
	if r.keeps() {
		add("kept", fmt.Sprintf("%s of frozen values, %s an example, in %s", sizeText(r.Cache.Bytes), sizeText(int64(r.Cache.BytesPerExample)), map[string]string{"ram": "memory", "disk": "the cache on disk"}[r.Cache.Where]))
	}
	add("began", r.Began.UTC().Format(time.RFC3339))
	add("time", chart.Seconds(r.Seconds))
	if r.End != nil && r.End.PeakRSS > 0 {
		add("memory of the process", sizeText(r.End.PeakRSS)+" at most, measured")
	}
	if r.Start.Version != "" {
		add("program", fmt.Sprintf("permafrost %s, %s", r.Start.Version, count(r.Start.Threads, "thread")))
	}
	add("SHA-256 of the base model", r.Base)
	add("digest of the training data", r.Data.Digest)
	add("digest of the plan", r.Plan.Digest)
	add("digest of what is frozen, before", r.Plan.FrozenDigest)
	if r.End != nil && r.End.FrozenDigest != "" {
		text := r.End.FrozenDigest
		if text == r.Plan.FrozenDigest {
			text += " (the same)"
		}
		add("digest of what is frozen, after", text)
	}
	return out
}

// trains says what the run trains, in the selectors of its options.
func (r *Run) trains() string {
	text := strings.Join(r.Config.Thaw, ", ")
	if text == "" {
		text = strings.Join(r.Plan.Thaw, ", ")
	}
	if len(r.Config.Freeze) > 0 {
		text += " without " + strings.Join(r.Config.Freeze, ", ")
	}
	if r.Config.Adapter != "" {
		text = strings.TrimPrefix(text+", adapters "+r.Config.Adapter, ", ")
	}
	if r.Config.Schedule != "" {
		text = strings.TrimPrefix(text+", schedule "+r.Config.Schedule, ", ")
	}
	return text
}
