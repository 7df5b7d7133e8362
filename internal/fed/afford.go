package fed

import (
	"fmt"

	"github.com/permafrost-ml/permafrost/internal/report"
	"github.com/permafrost-ml/permafrost/internal/run"
)

// Affords gives the first unit from which a client can train with so many bytes of memory, 0 for
// any. Layers are frozen from the front, as there the activations of all that follows are needed
// (FedOLF: Federated Learning with Ordered Layer Freezing, 2024). It errors where even the last unit
// needs more.
func Affords(l *run.Local, bytes int64) (from int, why string, err error) {
	if bytes == 0 {
		return 0, "", nil
	}
	var whole int64
	units := l.Units()
	for from = range units {
		need, err := l.TrainBytes(from)
		if err != nil {
			return 0, "", err
		}
		if from == 0 {
			whole = need
		}
		if need <= bytes {
			if from > 0 {
				why = fmt.Sprintf("all of the plan takes %s, and it has %s", report.ByteCount(whole), report.ByteCount(bytes))
			}
			return from, why, nil
		}
		if from == len(units)-1 {
			return 0, "", fmt.Errorf("it can spend %s on training, and %s alone takes %s: let it have that much", report.ByteCount(bytes), units[from], report.ByteCount(need))
		}
	}
	return 0, "", nil
}
