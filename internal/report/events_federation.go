package report

// RoundEvent is a round of a federation. It holds nothing of single examples.
type RoundEvent struct {
	Round    int         `json:"round" doc:"from 1"`
	Attempt  int         `json:"attempt" doc:"from 1; earlier ones came to nothing"`
	Cohort   []string    `json:"cohort" doc:"clients that were asked"`
	Clients  []RoundPart `json:"clients" doc:"clients that counted: client, examples, from (the first unit of the plan that it trained, if not all), loss and accuracy on its examples while it trained (null where clients hide them), steps, norm (length of its change; 0 in secure sums), bytes_up, bytes_down, seconds"`
	Lost     []RoundWhy  `json:"lost,omitempty" doc:"clients that did not answer: client and why"`
	Rejected []RoundWhy  `json:"rejected,omitempty" doc:"clients whose answer did not count: client and why"`
	LeftOut  []string    `json:"left_out,omitempty" doc:"clients that the rule of the strategy left out"`
	Notes    []string    `json:"notes,omitempty" doc:"what else was particular"`
	Active   int         `json:"active" doc:"numbers that took part"`
	Numbers  int         `json:"numbers" doc:"numbers that the plan thaws, running statistics included"`
	LR       float64     `json:"lr" doc:"learning rate of the clients"`
	Step     float64     `json:"step" doc:"length of the change of the weights"`
	Loss     Number      `json:"train_loss" doc:"mean over the clients' examples, while they trained; null where clients hide them"`
	Accuracy Number      `json:"val_accuracy" doc:"on the server's examples, or the metric of other tasks"`
	ValLoss  Number      `json:"val_loss" doc:"on the server's examples"`
	Metric   string      `json:"metric" doc:"what val_accuracy is: accuracy, or the metric of the task"`
	Up       int64       `json:"bytes_up" doc:"that the clients sent"`
	Down     int64       `json:"bytes_down" doc:"that the clients got, without the base model"`
	Full     int64       `json:"bytes_full_model_exchange" doc:"if each client had got and sent the whole model in 32 bits"`
	Epsilon  float64     `json:"epsilon,omitempty" doc:"differential privacy: given away so far"`
	Seconds  float64     `json:"seconds" doc:"time it took, validation included"`
}

// Type is "round".
func (*RoundEvent) Type() string { return "round" }

// RoundPart is what a client did in a round.
type RoundPart struct {
	Client   string  `json:"client"`
	Examples int     `json:"examples"`
	From     int     `json:"from,omitempty"`
	Loss     Number  `json:"loss"`
	Accuracy Number  `json:"accuracy"`
	Steps    int     `json:"steps"`
	Norm     float64 `json:"norm"`
	Up       int64   `json:"bytes_up"`
	Down     int64   `json:"bytes_down"`
	Seconds  float64 `json:"seconds"`
}

// RoundWhy is a client, and why it did not count.
type RoundWhy struct {
	Client string `json:"client"`
	Why    string `json:"why"`
}

// ClientEvent says that a client of a federation joined or was refused.
type ClientEvent struct {
	Client   string `json:"client" doc:"its name"`
	Examples int    `json:"examples,omitempty" doc:"that it trains on"`
	Refused  string `json:"refused,omitempty" doc:"why it may not take part"`
	From     int    `json:"from,omitempty" doc:"the first unit of the plan that it can afford to train, if not all"`
	Why      string `json:"why,omitempty" doc:"with from: what it lacks"`
	Base     int64  `json:"bytes_base_model,omitempty" doc:"of the model that it was sent"`
}

// Type is "client".
func (*ClientEvent) Type() string { return "client" }
