package run

import "github.com/permafrost-ml/permafrost/internal/kernel"

// Release lets go of what the session has compiled, of optimiser states, and of the engine's working
// memory. Weights stay. A later use compiles again, and would train with fresh states.
func (s *Session) Release() {
	s.Net.Release()
	s.active.renew(&s.Config)
	s.kept, s.before = nil, nil
	kernel.ReleaseScratch()
	kernel.ReleaseMemory()
}
