package config

import (
	"fmt"
	"slices"

	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/schedule"
)

// ResolveSchedule sets the options that follow from a schedule, before the plan is made. It returns
// notes for the user.
func (c *Config) ResolveSchedule() (notes []string) {
	if c.Schedule == "" {
		return nil
	}
	if slices.Equal(c.Thaw, []string{"head"}) {
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
	return nil
}

// peak is the highest learning rate, relative to the rate at which all thawed weights train.
func (c *Config) peak() float64 {
	if spec, err := schedule.Parse(c.Schedule); err == nil {
		return spec.Peak()
	}
	return 1
}
