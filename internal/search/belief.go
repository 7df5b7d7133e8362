package search

import (
	"math"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Choice is something that may be chosen in the end: how deep to thaw, at which rate.
type Choice struct {
	Depth   float64 // 0: the head alone; 1: everything; plans between by their place in the order
	Rate    float64 // learning rate over the usual one, as a logarithm to base 3
	Adapter bool    // trains beside frozen layers
	Probed  bool    // starts from a head that was trained alone
	Changes bool    // every epoch has its examples changed at random
	Mean    float64 // what is expected beforehand, over what is usual for the depth
	Work    float64 // of the fit that follows where it is chosen
}

// Reading is what a fit of a choice shows on the examples of one part.
type Reading struct {
	Choice int
	Part   int
	Share  float64   // of its epochs that the fit has trained, above 0 up to 1
	Each   []float64 // badness of every example, such as its loss; the mean is above 0
}

// Step is a fit that may go on, or begin.
type Step struct {
	Choice   int
	Part     int
	Share    float64 // of its epochs at the end
	Examples int     // of the part
	Work     float64
}

// Belief is what is known of the badness that every choice has in the end, from readings of all of
// them. It is a normal distribution of its logarithm. Choices of neighbouring depths and rates are
// alike, so each reading says something of all. A fit that goes on gets better by an amount that
// all fits share in part, so short fits say something of long ones. Readings on the same examples
// err together, so their differences are more certain than they are.
//
// The model of the curves follows Swersky, Snoek and Adams, Freeze-Thaw Bayesian Optimization, 2014.
// A Belief is for one goroutine at a time.
type Belief struct {
	Choices  []Choice
	Readings []Reading
	// Trained is the share of the training examples that fits of readings train on. They show as much
	// of what thawing gains with all of them.
	Trained float64

	level  []float64   // logarithm of the mean badness of each reading
	spread [][]float64 // what each example adds to the error of level
	solved []float64   // inverse covariance times what the readings differ from their means
	chol   mat.Cholesky
	mean   []float64 // of each choice
	cov    *mat.SymDense
}

// The numbers of the model are standard deviations of the logarithm of the badness, unless another
// meaning is given. Those of final results were fitted to the grids of docs/regret.json by maximum
// likelihood, those of curves to recorded fits; see docs/records.md.
const (
	headMean, headSD = -1.5, 3.0 // nothing is known of the head beforehand
	deepMean, deepSD = -0.6, 0.6
	deeper           = 1.5 // how much more of that everything has: where thawing gains, more gains more
	depthMean        = 0.7 // everything over the last block, but for that
	depthSD          = 0.2
	depthLength      = 0.5 // difference of depths over which plans are alike

	upMean, upDepthMean = 0.0, 0.2 // three times the rate, and the more the deeper
	upSD, upDepthSD     = 0.18, 0.2
	downMean, downSD    = 0.16, 0.12 // a third of the rate
	headRateSD          = 0.15
	adapterMean         = 0.6 // over thawing half of the way
	adapterSD           = 0.45
	probedMean          = 0.3
	probedSD            = 0.3
	ownSD               = 0.06 // of each choice by itself

	curveMean, curveSD = 1.6, 0.4 // what a fit gains from its start to its end, common to all
	upCurveMean        = 0.8      // more than that with three times the rate and everything thawed
	upCurveSD          = 0.4
	changedCurve       = 0.2  // more than that with examples that change, evenly to the end
	ownCurveSD         = 0.22 // of each choice by itself

	// what held-out training examples say of a choice is not all true of new ones: of each choice, and
	// of adapters together
	shiftSD, adapterShiftSD = 0.15, 0.35

	chance      = 0.005 // variance of a fit: another order of the examples
	chanceFew   = 0.5   // the same over the number of held-out examples: other examples
	ridge       = 0.3   // what examples err by themselves, as a variance over that of all
	jitter      = 0.002 // variance of every reading by itself
	usualSpread = 2.0   // variance of the relative badness of an example where nothing is known
	alike       = 0.6   // correlation of a new fit's errors with those of others on the same examples
)

// early is how much of the common gain a fit still has before it, from 1 at its start.
func early(share float64) float64 { return math.Exp(-9 * share) }

// load is how much of what thawing gains a depth has.
func load(depth float64) float64 { return 1 + deeper*depth }

// Usual is by how much the logarithm of the badness usually lies above that of the head.
func Usual(depth float64) float64 {
	if depth == 0 {
		return 0
	}
	return deepMean*load(depth) + depthMean*depth
}

// before is the mean that a choice has without readings.
func (c *Choice) before() float64 {
	m := headMean + c.Mean + Usual(c.Depth)
	switch {
	case c.Depth > 0 && c.Rate > 0:
		m += c.Rate * (upMean + upDepthMean*c.Depth)
	case c.Depth > 0 && c.Rate < 0:
		m -= c.Rate * downMean
	}
	if c.Adapter {
		m += adapterMean
	}
	if c.Probed {
		m += probedMean
	}
	return m
}

// kin is the covariance of two choices, of which such shares of what thawing gains are seen.
func kin(a, b *Choice, aSeen, bSeen float64, same bool) float64 {
	k := headSD * headSD
	if same {
		k += ownSD * ownSD
	}
	if a.Depth == 0 && b.Depth == 0 {
		return k + headRateSD*headRateSD*a.Rate*b.Rate
	}
	if a.Depth == 0 || b.Depth == 0 {
		return k
	}
	near := math.Exp(-math.Abs(a.Depth-b.Depth) / depthLength)
	k += deepSD * deepSD * aSeen * load(a.Depth) * bSeen * load(b.Depth)
	switch {
	case a.Adapter && b.Adapter:
		k += adapterSD*adapterSD + depthSD*depthSD
	case !a.Adapter && !b.Adapter:
		k += depthSD * depthSD * near
	}
	switch {
	case a.Rate > 0 && b.Rate > 0:
		k += a.Rate * b.Rate * (upSD*upSD + upDepthSD*upDepthSD*near)
	case a.Rate < 0 && b.Rate < 0:
		k += a.Rate * b.Rate * downSD * downSD
	case a.Rate*b.Rate < 0:
		k += a.Rate * b.Rate * upSD * downSD / 2
	}
	if a.Probed && b.Probed {
		k += probedSD * probedSD
	}
	return k
}

// place is where a reading was or will be taken.
type place struct {
	choice, part int
	share        float64
	examples     int // of the part
}

// related is the covariance of two readings without the error of the examples.
func (b *Belief) related(x, y place) float64 {
	p, q := &b.Choices[x.choice], &b.Choices[y.choice]
	k := kin(p, q, b.Trained, b.Trained, x.choice == y.choice)
	xs, ys := 1-x.share, 1-y.share
	if p.Depth > 0 && q.Depth > 0 {
		k += early(x.share) * early(y.share) * curveSD * curveSD
		if p.Rate > 0 && q.Rate > 0 {
			k += xs * ys * upCurveSD * upCurveSD * p.Rate * p.Depth * q.Rate * q.Depth
		}
	}
	if p.Adapter && q.Adapter {
		k += adapterShiftSD * adapterShiftSD
	}
	if x.choice == y.choice {
		k += shiftSD*shiftSD + xs*xs*ys*ys*ownCurveSD*ownCurveSD
		if x.part == y.part {
			k += chance + chanceFew/float64(x.examples)
		}
	}
	return k
}

// toChoice is the covariance of a reading with the end of a choice.
func (b *Belief) toChoice(x place, c int) float64 {
	return kin(&b.Choices[x.choice], &b.Choices[c], b.Trained, 1, x.choice == c)
}

func (b *Belief) expected(x place) float64 {
	c := &b.Choices[x.choice]
	m := c.before()
	if c.Depth > 0 {
		m -= (1 - b.Trained) * deepMean * load(c.Depth)
		if c.Changes {
			m += changedCurve * (1 - x.share)
		}
		m += curveMean*early(x.share) + upCurveMean*(1-x.share)*(1-x.share)*c.Depth*math.Max(0, c.Rate)
	}
	return m
}

func (r *Reading) place() place { return place{r.Choice, r.Part, r.Share, len(r.Each)} }

// Read adds a reading.
func (b *Belief) Read(r Reading) {
	n := float64(len(r.Each))
	mean := 0.0
	for _, x := range r.Each {
		mean += x / n
	}
	spread := make([]float64, len(r.Each))
	for i, x := range r.Each {
		spread[i] = (x/mean - 1) / n
	}
	b.Readings, b.level, b.spread = append(b.Readings, r), append(b.level, math.Log(mean)), append(b.spread, spread)
	b.cov = nil
}

// update works out what the readings say.
func (b *Belief) update() {
	if b.cov != nil {
		return
	}
	n, m := len(b.Readings), len(b.Choices)
	b.mean, b.cov = make([]float64, m), mat.NewSymDense(m, nil)
	for i := range m {
		b.mean[i] = b.Choices[i].before()
		for j := range i + 1 {
			b.cov.SetSym(i, j, kin(&b.Choices[i], &b.Choices[j], 1, 1, i == j))
		}
	}
	if n == 0 {
		return
	}
	all := mat.NewSymDense(n, nil)
	gap := mat.NewVecDense(n, nil)
	for i := range n {
		x := b.Readings[i].place()
		gap.SetVec(i, b.level[i]-b.expected(x))
		for j := range i + 1 {
			y := b.Readings[j].place()
			k := b.related(x, y)
			if x.part == y.part {
				k += dot(b.spread[i], b.spread[j])
			}
			if i == j {
				k += ridge*dot(b.spread[i], b.spread[i]) + jitter
			}
			all.SetSym(i, j, k)
		}
	}
	if !b.chol.Factorize(all) {
		panic("search: the covariance of readings is not positive definite")
	}
	var solved mat.VecDense
	must(b.chol.SolveVecTo(&solved, gap))
	b.solved = solved.RawVector().Data
	cross := mat.NewDense(n, m, nil)
	for i := range n {
		for c := range m {
			cross.Set(i, c, b.toChoice(b.Readings[i].place(), c))
			b.mean[c] += cross.At(i, c) * b.solved[i]
		}
	}
	var inner mat.Dense
	must(b.chol.SolveTo(&inner, cross))
	for i := range m {
		for j := range i + 1 {
			b.cov.SetSym(i, j, b.cov.At(i, j)-mat.Dot(cross.ColView(i), inner.ColView(j)))
		}
	}
}

// must panics on a system that cannot be solved: the covariance of readings has a solution.
func must(err error) {
	if _, condition := err.(mat.Condition); err != nil && !condition {
		panic(err)
	}
}

func dot(a, b []float64) float64 {
	s := 0.0
	for i := range min(len(a), len(b)) {
		s += a[i] * b[i]
	}
	return s
}

// Expected is the badness that a choice is expected to have in the end, and by which factor it may
// be off: the standard deviation of its logarithm.
func (b *Belief) Expected(c int) (badness, deviation float64) {
	b.update()
	v := math.Max(0, b.cov.At(c, c))
	return math.Exp(b.mean[c] + v/2), math.Sqrt(v)
}

// Difference is by how much the logarithm of the badness of one choice is expected to lie above that
// of another, and the standard deviation of that.
func (b *Belief) Difference(c, than int) (mean, deviation float64) {
	b.update()
	v := b.cov.At(c, c) + b.cov.At(than, than) - 2*b.cov.At(c, than)
	return b.mean[c] - b.mean[than], math.Sqrt(math.Max(0, v))
}

// Best is the choice whose expected badness, and price for each unit of work of its fit, is least.
// It looks at the choices that may be taken.
func (b *Belief) Best(price float64, may func(c int) bool) int {
	best, least := -1, math.Inf(1)
	for c := range b.Choices {
		if !may(c) {
			continue
		}
		if v, _ := b.Expected(c); v+price*b.Choices[c].Work < least {
			best, least = c, v+price*b.Choices[c].Work
		}
	}
	return best
}

// Gain is by how much a choice is expected to be better than another where it is better: the expected
// improvement of its badness.
func (b *Belief) Gain(c, than int) float64 {
	b.update()
	m, d := b.Difference(c, than)
	at, _ := b.Expected(than)
	if d == 0 {
		return 0
	}
	// of a normal distribution, in units of the other's badness
	z := -m / d
	return at * d * (z*normal.CDF(z) + normal.Prob(z))
}

var normal = distuv.UnitNormal

// tells is by how much a step makes the variance of the difference of two choices smaller.
func (b *Belief) tells(s Step, c, than int) float64 {
	n := len(b.Readings)
	x := place{s.Choice, s.Part, s.Share, s.Examples}
	along := b.toChoice(x, c) - b.toChoice(x, than)
	v := b.related(x, x)
	noise := usualSpread / float64(s.Examples)
	if n > 0 {
		with := mat.NewVecDense(n, nil)
		if near := b.nearest(x); near >= 0 { // errs with the readings on the same examples
			like := alike
			if b.Readings[near].Choice == s.Choice {
				like = (1 + alike) / 2
			}
			noise = dot(b.spread[near], b.spread[near])
			for i := range n {
				if b.Readings[i].Part == s.Part {
					with.SetVec(i, like*dot(b.spread[near], b.spread[i]))
				}
			}
		}
		for i := range n {
			with.SetVec(i, with.AtVec(i)+b.related(x, b.Readings[i].place()))
		}
		var inner mat.VecDense
		must(b.chol.SolveVecTo(&inner, with))
		v -= mat.Dot(with, &inner)
		for i := range n {
			along -= (b.toChoice(b.Readings[i].place(), c) - b.toChoice(b.Readings[i].place(), than)) * inner.AtVec(i)
		}
	}
	return along * along / math.Max(v+noise*(1+ridge)+jitter, 1e-6)
}

// nearest is the last reading of the same choice on the same examples, else the one of the nearest
// depth, -1 where there is none.
func (b *Belief) nearest(x place) int {
	best, distance := -1, math.Inf(1)
	for i, r := range b.Readings {
		if r.Part != x.part {
			continue
		}
		d := math.Abs(b.Choices[r.Choice].Depth-b.Choices[x.choice].Depth) + math.Abs(r.Share-x.share)/8
		if r.Choice == x.choice {
			d -= 10
		}
		if d <= distance {
			best, distance = i, d
		}
	}
	return best
}

// Next is the step to take. It tells most, for its work, of the difference between the best choice
// and its strongest challenger: the one that gains most over it, if it is better. It is false where
// no challenger gains as much as the price of the work to tell. These are the top two of expected
// improvement (Qin, Klabjan and Russo, Improving the Expected Improvement Algorithm, 2017), which
// puts the work where the decision is, however dear the plans are.
func (b *Belief) Next(steps []Step, best int, price float64, may func(c int) bool) (Step, bool) {
	b.update()
	var out Step
	most, found := 0.0, false
	for c := range b.Choices {
		if c == best || !may(c) {
			continue
		}
		gain := b.Gain(c, best)
		_, d := b.Difference(c, best)
		for _, s := range steps {
			if s.Choice != c && s.Choice != best {
				continue
			}
			told := b.tells(s, c, best) / (d * d)
			if w := gain * told / math.Pow(s.Work, costPower); w > most && gain*told > price*s.Work {
				out, most, found = s, w, true
			}
		}
	}
	return out, found
}

// costPower is the power of its work by which what a step tells is divided: the root lets a dear
// step that tells much go before cheap ones that tell little each.
const costPower = 0.5
