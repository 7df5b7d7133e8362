package config

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/schedule"
)

// ResolvePlan sets the options that are left open for the plan: what trains, by default the head,
// under a schedule all weights, and with an adapter that alone besides the head. It returns notes
// for the user.
func (c *Config) ResolvePlan() (notes []string) {
	open := len(c.Thaw) == 0
	if open {
		c.Thaw = []string{"head"}
	}
	if c.Schedule == "" {
		return nil
	}
	switch {
	case open && c.Adapter != "":
		notes = append(notes, fmt.Sprintf("schedule %s chooses among the adapters and the head; option thaw names more", c.Schedule))
	case open:
		c.Thaw = []string{"all"}
		notes = append(notes, fmt.Sprintf("schedule %s chooses among all weights; option thaw names those that it may choose from", c.Schedule))
	}
	if spec, err := schedule.Parse(c.Schedule); err == nil && spec.Flat() && c.LRSchedule != "constant" {
		c.LRSchedule = "constant"
		notes = append(notes, fmt.Sprintf("schedule %s anneals the rate of each block by itself: the learning rate is constant apart from that", c.Schedule))
	}
	return notes
}

// checkSchedule errors on an unknown schedule.
func (c *Config) checkSchedule() error {
	if c.Schedule == "" {
		return nil
	}
	if _, err := schedule.Parse(c.Schedule); err != nil {
		return option.Errorf("schedule", "%w", err)
	}
	if c.Adapter == "" && slices.Equal(c.Thaw, []string{"head"}) {
		return option.Errorf("schedule", "%s has nothing to change with option thaw head; leave option thaw out for all weights, or name more, as all", c.Schedule)
	}
	return nil
}

// peak is the highest learning rate, relative to the rate at which all thawed weights train.
func (c *Config) peak() float64 {
	if spec, err := schedule.Parse(c.Schedule); err == nil {
		return spec.Peak()
	}
	return 1
}
