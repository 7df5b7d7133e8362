package federate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/fed"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// training makes the options of a fit those of a federation. It errors on those that only a fit by
// itself can heed.
func training(cfg config.Config, s *fed.Settings) (config.Config, []string, error) {
	notes := s.Idle()
	for _, o := range []struct {
		name string
		set  bool
	}{
		{"tensorboard", cfg.TensorBoard}, {"auto", cfg.Auto}, {"schedule", cfg.Schedule != ""}, {"extends", cfg.Extends != ""}, {"start", cfg.Start == "probe"}, {"average", cfg.Average != ""},
		{"wise_ft", cfg.WiseFT != nil}, {"patience", cfg.Patience != 0}, {"rates", cfg.Rates != ""}, {"calibrate", cfg.Calibrate == "on"},
		{"class_weights", cfg.ClassWeights == "balanced"}, {"group", cfg.Group != ""},
	} {
		if o.set {
			return cfg, nil, option.Errorf(o.name, "it is for a fit of one's own: leave it out of a federation")
		}
	}
	if strings.HasPrefix(cfg.Adapter, "peft:") {
		return cfg, nil, option.Errorf("adapter", "%s: clients have no such folder; a model in which it is merged serves instead", cfg.Adapter)
	}
	cfg.Calibrate = "off"
	if s.Epsilon > 0 && cfg.BatchNorm != "frozen" {
		cfg.BatchNorm = "frozen"
		notes = append(notes, "batchnorm frozen: running statistics of the clients' examples cannot be made private")
	}
	return cfg, notes, nil
}

// settle chooses what is open in the options of training, with a session on the server's own examples,
// and writes it into them, so that server and clients have the same. It gives the notes on it.
func settle(ctx context.Context, cfg *config.Config, s *run.Session, f *fed.Settings) ([]string, error) {
	found := s.Config.Attach
	if err := s.ChoosePlace(ctx); err != nil {
		return nil, err
	}
	var notes []string
	if !slices.Equal(found, s.Config.Attach) {
		cfg.Attach = s.Config.Attach
		notes = append(notes, fmt.Sprintf("the head reads %d features at %s, as the server's own examples were weighed; option attach names another place", s.Net.Headed.Features, strings.Join(cfg.Attach, ", ")))
	}
	switch {
	case cfg.Epochs == 0 && f.OneShot():
		cfg.Epochs = 20
	case cfg.Epochs == 0:
		cfg.Epochs = 2
		if s.HeadOnly() { // frozen values are kept: an epoch costs nearly nothing
			cfg.Epochs = 5
		}
		notes = append(notes, fmt.Sprintf("each client trains for %d epochs in a round (option epochs)", cfg.Epochs))
	}
	open := *cfg
	open.Recipe(config.SubjectOf(s.Net.Headed, s.Net.Set, s.Net.Plan, s.Train.Len()))
	cfg.Epochs, cfg.LR, cfg.Batch, cfg.Task = open.Epochs, open.LR, open.Batch, s.Config.Task
	return notes, nil
}
