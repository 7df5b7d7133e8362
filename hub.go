package permafrost

import (
	"context"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/report"
)

// fetched replaces names of models on the Hugging Face hub by their paths in its cache.
func fetched(ctx context.Context, sinks []report.Sink, models ...*string) error {
	for _, m := range models {
		if err := config.FetchModel(ctx, m, sinks...); err != nil {
			return badInput(err)
		}
	}
	return nil
}
