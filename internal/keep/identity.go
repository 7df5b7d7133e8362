package keep

import (
	"crypto/sha256"
	"fmt"
	"runtime/debug"

	"github.com/permafrost-ml/permafrost/internal/kernel"
	"github.com/permafrost-ml/permafrost/internal/split"
	"github.com/permafrost-ml/permafrost/internal/version"
)

// spaceID names the cache space for a value of examples prepared by pipeline.
func spaceID(value, pipeline split.Digest, half bool) split.Digest {
	return sha256.Sum256(fmt.Appendf(nil, "%s %x %x %v", engine(), value, pipeline, half))
}

// engine identifies what determines the bits of a result: the program's version and the kernels in
// use, which round differently.
func engine() string {
	revision := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value
			}
		}
	}
	return fmt.Sprintf("values/1 %s %s %s", version.Version, revision, kernel.Level())
}
