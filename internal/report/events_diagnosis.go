package report

// Verdicts of a diagnosis.
const (
	Underfitting = "underfitting" // the model fails on its training examples
	// the model does clearly worse on validation than on training examples
	Overfitting = "overfitting"
	Fine        = "fine"
	Unclear     = "unclear" // the numbers are inconclusive
)

// Diagnosis says what is wrong with a fit, judged by its numbers, and what to freeze or thaw next.
type Diagnosis struct {
	Verdict string `json:"verdict" doc:"underfitting, overfitting, fine or unclear"`
	Why     string `json:"why" doc:"the numbers in sentences"`
	Advice  string `json:"advice,omitempty" doc:"what to do about it"`
}

// Type is the event's name.
func (*Diagnosis) Type() string { return "diagnosis" }
