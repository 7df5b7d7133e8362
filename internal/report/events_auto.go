package report

// TrialEvent reports how a candidate did in the automatic search for a plan, on examples held out
// of the training data.
type TrialEvent struct {
	Rung    int      `json:"rung" doc:"number of the trial, from 1"`
	Thaw    []string `json:"thaw" doc:"the candidate's selectors"`
	LR      float64  `json:"lr" doc:"its learning rate"`
	Epochs  int      `json:"epochs" doc:"passes that it trained for"`
	Folds   int      `json:"folds" doc:"held-out parts that it was measured on: 1"`
	Score   Number   `json:"score" doc:"accuracy on them, or the metric of another task, larger is better; null: its loss was not finite"`
	HeldOut int      `json:"held_out" doc:"examples that it was measured on"`
	Seconds float64  `json:"seconds" doc:"time it took"`
}

// ChoiceEvent ends the automatic search for a plan. It says what the following fit does.
type ChoiceEvent struct {
	Thaw    []string `json:"thaw" doc:"the chosen selectors"`
	LR      float64  `json:"lr" doc:"learning rate"`
	Epochs  int      `json:"epochs" doc:"passes of the fit that follows"`
	Text    string   `json:"text" doc:"the choice in a line"`
	Why     string   `json:"why" doc:"the reason in sentences"`
	Seconds float64  `json:"seconds" doc:"time that the choice took"`
}

func (*TrialEvent) Type() string  { return "trial" }
func (*ChoiceEvent) Type() string { return "choice" }
