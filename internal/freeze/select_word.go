package freeze

func init() {
	word("head", true, func(w *Weight) bool { return w.Head })
	word("all", false, func(*Weight) bool { return true })
	word("none", true, func(*Weight) bool { return false })
}

func word(name string, maybeNone bool, match func(w *Weight) bool) {
	RegisterSelector(Selector{
		Kind: name, Word: true, Examples: []string{name},
		Read: func(*Set, string) (Named, error) { return Named{Weights: match, None: maybeNone}, nil },
	})
}
