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
	return sha256.Sum256(fmt.Appendf(nil, "%s %x %x %v", Engine(), value, pipeline, half))
}

// Engine identifies what determines the bits of a result: the program's version and the kernels in
// use, which round differently. Processes of one engine compute the same bits.
func Engine() string {
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
