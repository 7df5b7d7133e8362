package run

import "github.com/permafrost-ml/permafrost/internal/freeze"

// Plans are the plans of a fit. Without a schedule all three are the same.
type Plans struct {
	Reach *freeze.Plan // what may train in any stage
	Now   *freeze.Plan // what trains at present
	// what has trained in any stage so far; plan.json, the record and the seal describe it at the
	// end
	Ever *freeze.Plan
}
