package report

// Verdicts of a diagnosis.
const (
	Underfitting = "underfitting" // the model fails on what it was trained on
	Overfitting  = "overfitting"  // it does clearly worse on what it was not trained on
	Fine         = "fine"
	Unclear      = "unclear" // the numbers do not tell
)

// Diagnosis says what ails a fit, by its numbers, and what to freeze or thaw next.
type Diagnosis struct {
	Verdict string `json:"verdict" doc:"underfitting, overfitting, fine or unclear"`
	Why     string `json:"why" doc:"the numbers in sentences"`
	Advice  string `json:"advice,omitempty" doc:"what to do about it"`
}

// Type is the event's name.
func (*Diagnosis) Type() string { return "diagnosis" }
