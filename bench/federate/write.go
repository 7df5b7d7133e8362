package main

import (
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// write writes the page and its pictures.
func write(dir string, have map[string]outcome) error {
	p := &page{have: have}
	p.text("%s", "# Numbers of federated tuning\n\n`go run ./bench/federate` writes this page. docs/federated.md explains the terms. Bytes are those of the weights that travel, in\npercent of exchanging the whole model in 32 bits with the same clients in the same rounds. The base model, sent once to a client\nthat lacks it, is not counted. Unless stated otherwise: 10 clients, 20 rounds, 2 local epochs in a round (5 if only the head\ntrains), examples divided evenly. An empty cell was not measured; bulyan:4 needs 19 clients, more than are left if 30% drop.\n")
	p.central()
	p.table("bytes", "## Bytes by technique\n\nResNet-20 on sign-digits.", "technique")
	p.table("scale", "## Many clients\n\nThe 1,451 examples of sign-digits are divided among more and more clients. Memory is the most that the process took.", "clients")
	p.faults()
	p.privacy()
	p.table("secure", "## Secure sums\n\n20 clients, of which 6 fall silent in each round after they have agreed on masks.", "sum")
	p.table("weak", "## Weak clients\n\n12 clients; the plan thaws everything. A weak client freezes the first blocks, and has no say in them.", "who trains what")
	if p.err == nil {
		p.err = p.pictures(dir)
	}
	if p.err != nil {
		return p.err
	}
	return os.WriteFile(filepath.Join(dir, "federated-numbers.md"), []byte(p.b.String()), 0o666)
}

type page struct {
	b    strings.Builder
	have map[string]outcome
	err  error
}

func (p *page) text(format string, args ...any) { fmt.Fprintf(&p.b, format+"\n", args...) }

func percent(a, b int64) string {
	if b == 0 {
		return ""
	}
	return fmt.Sprintf("%.3g%%", 100*float64(a)/float64(b))
}

// mean is the mean accuracy over the seeds, in percent, and the spread; NaN if one is missing.
func (p *page) mean(section, name string) (mean, spread float64, o outcome) {
	var all []float64
	for _, s := range seeds {
		got, ok := p.have[fmt.Sprintf("%s: %s, seed %d", section, name, s)]
		if !ok {
			return math.NaN(), 0, o
		}
		o = got
		all = append(all, 100*got.Accuracy)
		mean += 100 * got.Accuracy / float64(len(seeds))
	}
	for _, v := range all {
		spread += (v - mean) * (v - mean) / float64(len(all)-1)
	}
	return mean, math.Sqrt(spread), o
}

func (p *page) central() {
	p.text("\n## Against one fit with all examples\n\nMeans of %d seeds; ± is the standard deviation.\n\n| plan | one fit | federation | accuracy | behind, points | bytes up and down |\n|---|---|---|---|---|---|", len(seeds))
	for _, c := range []struct{ plan, variants string }{
		{"sign-digits layer3,head", "iid|dirichlet:0.3"}, {"sign-digits last:1,head", "iid|dirichlet:0.3"}, {"sign-digits head", "iid|iid, int8"}, {"ants-bees head", "iid|iid, int8"},
	} {
		fit, fs, _ := p.mean("central", c.plan+", one fit")
		for v := range strings.SplitSeq(c.variants, "|") {
			m, s, o := p.mean("central", c.plan+", "+v)
			if !math.IsNaN(m) && !math.IsNaN(fit) {
				p.text("| %s | %.2f ± %.2f | %s | %.2f ± %.2f | %.2f | %s |", c.plan, fit, fs, v, m, s, fit-m, percent(o.Up+o.Down, o.Full))
			}
		}
		if strings.HasSuffix(c.plan, " head") {
			data := strings.TrimSuffix(c.plan, " head")
			if m, s, o := p.mean("oneshot", data+" fedpft"); !math.IsNaN(m) && !math.IsNaN(fit) {
				p.text("| %s | %.2f ± %.2f | fedpft, one round | %.2f ± %.2f | %.2f | %s, in all %d bytes |", c.plan, fit, fs, m, s, fit-m, percent(o.Up, o.Full), o.Up)
			}
		}
	}
}

// table lists the rows of a section.
func (p *page) table(section, heading, first string) {
	any := false
	for _, r := range rows() {
		o, ok := p.have[r.key()]
		if r.section != section || !ok {
			continue
		}
		if !any {
			more, line := "", ""
			if section == "scale" { // the others were not timed alone
				more, line = " seconds | clients a second | memory |", "---|---|---|"
			}
			p.text("\n%s\n\n| %s | accuracy | trained numbers | up | down |%s\n|---|---|---|---|---|%s", heading, first, more, line)
			any = true
		}
		times := ""
		if section == "scale" {
			times = fmt.Sprintf(" %.1f | %.0f | %d MiB |", o.Seconds, float64(o.Clients*o.Rounds)/o.Seconds, o.PeakRSS>>20)
		}
		p.text("| %s | %.2f | %d | %s | %s |%s", r.name, 100*o.Accuracy, o.Thawed, percent(2*o.Up, o.Full), percent(2*o.Down, o.Full), times)
	}
}

func (p *page) faults() {
	p.text("\n## Clients that drop out or lie\n\nResNet-20 on sign-digits, last:1 and head, 20 clients. Six of them drop out in each round, or four are malicious in every round: they\nsend the opposite of their change (flip), ten times the opposite (scale), or noise ten times as large (random). Accuracy in percent.\n\n| strategy | all are well | 30%% drop | flip | scale | random |\n|---|---|---|---|---|---|")
	for _, s := range robust {
		line := "| " + s
		for _, name := range []string{"nobody drops or lies", "30% drop", "20% lie: flip", "20% lie: scale", "20% lie: random"} {
			line += " | "
			if o, ok := p.have["faults: "+name+", "+s]; ok {
				line += fmt.Sprintf("%.1f", 100*o.Accuracy)
			}
		}
		p.text("%s |", line)
	}
}

func (p *page) privacy() {
	p.text("\n## Privacy\n\nResNet-20 on sign-digits, 100 clients of 14 or 15 examples, central noise, delta 1e-5, changes clipped to 0.5, batch normalisation frozen.\nEpsilon is that of all rounds together, for each client; smaller is more private. Accuracy in percent.\n\n| thawed | %s | none |\n|---|%s---|", strings.Join(epsilons, " | "), strings.Repeat("---|", len(epsilons)))
	for _, thaw := range depths {
		line := "| " + thaw
		for _, e := range append(epsilonNames(), "none") {
			line += " | "
			if o, ok := p.have["privacy: "+thaw+", "+e]; ok {
				line += fmt.Sprintf("%.1f", 100*o.Accuracy)
			}
		}
		p.text("%s |", line)
	}
	if p.drawn("privacy") {
		p.text("\n![accuracy against epsilon](federated-privacy.svg)")
	}
	if p.drawn("scale") {
		p.text("\n![time and memory against the number of clients](federated-scale.svg)")
	}
}

func epsilonNames() []string {
	var out []string
	for _, e := range epsilons {
		out = append(out, "epsilon "+e)
	}
	return out
}

var colors = []color.Color{color.NRGBA{0x1f, 0x77, 0xb4, 255}, color.NRGBA{0xd6, 0x72, 0x1e, 255}, color.NRGBA{0x55, 0x55, 0x55, 255}}

// drawn reports whether a section has a row: a logarithmic axis without points cannot be drawn.
func (p *page) drawn(section string) bool {
	for key := range p.have {
		if strings.HasPrefix(key, section+": ") {
			return true
		}
	}
	return false
}

// pictures draws accuracy against epsilon, and time and memory against clients.
func (p *page) pictures(dir string) error {
	if p.drawn("privacy") {
		if err := p.drawPrivacy(filepath.Join(dir, "federated-privacy.svg")); err != nil {
			return err
		}
	}
	if p.drawn("scale") {
		return p.drawScale(filepath.Join(dir, "federated-scale.svg"))
	}
	return nil
}

func (p *page) drawPrivacy(path string) error {
	privacy := plot.New()
	privacy.X.Label.Text, privacy.Y.Label.Text, privacy.Title.Text = "epsilon", "accuracy, %", "What privacy costs"
	privacy.X.Scale, privacy.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	for i, thaw := range depths {
		var xy plotter.XYs
		for k, e := range epsilonNames() {
			if o, ok := p.have["privacy: "+thaw+", "+e]; ok {
				var x float64
				fmt.Sscan(epsilons[k], &x)
				xy = append(xy, plotter.XY{X: x, Y: 100 * o.Accuracy})
			}
		}
		if err := addLine(privacy, thaw, xy, i); err != nil {
			return err
		}
	}
	return privacy.Save(16*vg.Centimeter, 10*vg.Centimeter, path)
}

func (p *page) drawScale(path string) error {
	scale := plot.New()
	scale.X.Label.Text, scale.Y.Label.Text, scale.Title.Text = "clients", "seconds a round, and GiB", "Time and memory against the number of clients"
	scale.Legend.Top, scale.Legend.Left = true, true
	scale.X.Scale, scale.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	for i, what := range []string{"last:1 and head, int8", "head"} {
		var seconds, memory plotter.XYs
		for _, n := range []int{10, 30, 100, 300, 1000} {
			if o, ok := p.have[fmt.Sprintf("scale: %d clients, %s", n, what)]; ok {
				seconds = append(seconds, plotter.XY{X: float64(n), Y: o.Seconds / float64(o.Rounds)})
				memory = append(memory, plotter.XY{X: float64(n), Y: float64(o.PeakRSS) / (1 << 30)})
			}
		}
		if err := addLine(scale, "seconds, "+what, seconds, i); err != nil {
			return err
		}
		if i == 0 {
			if err := addLine(scale, "memory, "+what, memory, 2); err != nil {
				return err
			}
		}
	}
	return scale.Save(16*vg.Centimeter, 10*vg.Centimeter, path)
}

func addLine(p *plot.Plot, name string, xy plotter.XYs, i int) error {
	if len(xy) == 0 {
		return nil
	}
	l, points, err := plotter.NewLinePoints(xy)
	if err != nil {
		return err
	}
	l.Color, points.Color, l.Width = colors[i], colors[i], vg.Points(1.5)
	p.Add(l, points)
	p.Legend.Add(name, l)
	return nil
}
