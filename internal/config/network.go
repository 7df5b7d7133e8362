package config

// Network returns c without the options that decide neither a network with its training step nor the
// values that go into it: where files lie, how weights move and how long, threads, and what is kept.
func (c Config) Network() Config {
	c.Model, c.Data, c.Val, c.Out, c.TensorBoard, c.Extends = "", "", "", "", false, ""
	c.Epochs, c.LR, c.LRSchedule, c.Warmup, c.WeightDecay, c.Calibrate = 0, 0, "", 0, nil, ""
	c.Clip, c.Patience, c.Keep = 0, 0, ""
	c.Threads, c.Cache, c.CacheBudget = 0, "", 0
	return c
}
