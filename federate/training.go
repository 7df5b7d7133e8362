package federate

import (
	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/fed"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// training makes the options of a fit those of a federation. It errors on those that only a fit by
// itself can heed.
func training(cfg config.Config, s *fed.Settings) (config.Config, []string, error) {
	var notes []string
	for _, o := range []struct {
		name string
		set  bool
	}{
		{"auto", cfg.Auto}, {"schedule", cfg.Schedule != ""}, {"extends", cfg.Extends != ""}, {"start", cfg.Start == "probe"}, {"average", cfg.Average != ""},
		{"wise_ft", cfg.WiseFT != nil}, {"patience", cfg.Patience != 0}, {"rates", cfg.Rates != ""}, {"calibrate", cfg.Calibrate == "on"},
		{"class_weights", cfg.ClassWeights == "balanced"}, {"group", cfg.Group != ""},
	} {
		if o.set {
			return cfg, nil, option.Errorf(o.name, "it is for a fit of one's own: leave it out of a federation")
		}
	}
	cfg.Calibrate = "off"
	if cfg.Epochs == 0 && !s.OneShot() {
		cfg.Epochs = 1
	}
	if s.Epsilon > 0 && cfg.BatchNorm != "frozen" {
		cfg.BatchNorm = "frozen"
		notes = append(notes, "batchnorm frozen: running statistics of the clients' examples cannot be made private")
	}
	return cfg, notes, nil
}

// fix writes what was chosen for a session into its options, so that server and clients have the same.
func fix(cfg *config.Config, s *run.Session) {
	cfg.Epochs, cfg.LR, cfg.Task = s.Config.Epochs, s.Config.LR, s.Config.Task
	if cfg.Batch == 0 {
		r := *cfg
		r.Recipe(config.SubjectOf(s.Net.Headed, s.Net.Set, s.Net.Plan, s.Train.Len()))
		cfg.Batch = r.Batch
	}
}
