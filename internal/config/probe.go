package config

// Probe returns the configuration that trains only a head, with the default recipe, from which
// other fits can start.
func (c *Config) Probe() Config {
	p := DefaultConfig()
	p.Model, p.Data, p.Val, p.Task, p.TextColumn, p.LabelColumn = c.Model, c.Data, c.Val, c.Task, c.TextColumn, c.LabelColumn
	p.Preprocess, p.Layout, p.Size, p.Tokenizer, p.MaxLength, p.Augment = c.Preprocess, c.Layout, c.Size, c.Tokenizer, c.MaxLength, c.Augment
	p.Input, p.Shape, p.Group = c.Input, c.Shape, c.Group
	p.Cut, p.Skip = c.Cut, c.Skip
	p.Head, p.HeadActivation, p.HeadDropout, p.Attach, p.Pool = c.Head, c.HeadActivation, c.HeadDropout, c.Attach, c.Pool
	p.LabelSmoothing, p.ClassWeights, p.Keep = c.LabelSmoothing, c.ClassWeights, "last"
	p.Calibrate = "off"
	p.Seed, p.Threads, p.Memory = c.Seed, c.Threads, c.Memory
	p.Cache, p.CacheBudget, p.CachePrecision, p.CacheVariants = c.Cache, c.CacheBudget, c.CachePrecision, c.CacheVariants
	return p
}
