package kernel

type vecLevel struct {
	name  string
	table vecTable
}

// vecLevels are the sets of kernels this machine can run.
func vecLevels() []vecLevel {
	all := []vecLevel{{"generic", genericVec}}
	for _, l := range levels() {
		if t, ok := vecTables[l.name]; ok {
			all = append(all, vecLevel{l.name, t})
		}
	}
	return all
}
