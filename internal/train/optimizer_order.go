package train

// Has reports whether a parameter is in training.
func (o *Optimizer) Has(name string) bool { return o.state[name] != nil }

// arrange sets the order of the parameters in training, which are the given ones.
func (o *Optimizer) arrange(slots []*Slot) { o.slots = append(o.slots[:0:0], slots...) }
