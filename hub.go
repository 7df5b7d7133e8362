package permafrost

import (
	"context"

	"github.com/permafrost-ml/permafrost/internal/config"
	"github.com/permafrost-ml/permafrost/internal/report"
)

// Fetch brings a model of the Hugging Face hub into its cache, as Config.Model has it, and returns the
// path. Any other path is returned as it is. Functions that take a model fetch it by themselves;
// those without a context cannot be ended while they do. The variables of huggingface_hub count:
// HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE. WithProgress shows the download.
func Fetch(ctx context.Context, model string, opts ...Option) (path string, err error) {
	err = fetched(ctx, optionsOf(opts).sinks, &model)
	return model, err
}

// FetchData is Fetch for a data set, as Config.Data has it.
func FetchData(ctx context.Context, data string, opts ...Option) (path string, err error) {
	err = config.FetchData(ctx, &data, optionsOf(opts).sinks...)
	return data, badInput(err)
}

// fetched replaces names of models on the Hugging Face hub by their paths in its cache.
func fetched(ctx context.Context, sinks []report.Sink, models ...*string) error {
	for _, m := range models {
		if err := config.FetchModel(ctx, m, sinks...); err != nil {
			return badInput(err)
		}
	}
	return nil
}
