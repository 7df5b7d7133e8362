package federate

import (
	"os"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/option"
	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// folder makes or opens the folder of a federation, and its log. Both are nil without a path.
func folder(cfg *config.Config, resume bool) (dir *run.RunDir, log *report.Log, err error) {
	switch {
	case cfg.Out == "" && resume:
		return nil, nil, option.Errorf("resume", "it needs option out: name the folder of the federation")
	case cfg.Out == "":
		return nil, nil, nil
	case resume:
		if dir, _, err = run.OpenRunDir(cfg.Out); err != nil {
			return nil, nil, err
		}
		if st, err := os.Stat(dir.File(run.EventsFile)); err == nil && st.Size() > 0 && !dir.Federation() {
			return nil, nil, option.Errorf("resume", "%s holds a fit, not a federation: name another folder", cfg.Out)
		}
	default:
		if dir, err = run.CreateRunDir(cfg.Out, cfg); err != nil {
			return nil, nil, err
		}
	}
	log, err = dir.OpenLog()
	return dir, log, err
}
