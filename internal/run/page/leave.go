package page

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/permafrost-ml/permafrost/internal/atomicfile"
	"github.com/permafrost-ml/permafrost/internal/facts"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// ExamplesMost is how many mistakes a report shows at most.
const ExamplesMost = 100

// Leave writes the report of a fit that has ended into its folder, and the facts from which it can be
// made again. The session is that of the fit, nil if it is not known; the result is nil if it has
// none. A fit must not fail for its report, so even a mistake in the code is only an error here.
func Leave(ctx context.Context, dir string, s *run.Session, r *run.Result) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
		if err != nil {
			err = fmt.Errorf("the report %s could not be written: %w", filepath.Join(dir, run.ReportFile), err)
		}
	}()
	if s != nil {
		if err := facts.Gather(ctx, s, r).Write(&run.RunDir{Path: dir}); err != nil {
			return err
		}
	}
	all, err := Read(dir)
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, run.ReportFile), func(w io.Writer) error {
		return Write(w, all, Options{Examples: ExamplesMost})
	})
}
