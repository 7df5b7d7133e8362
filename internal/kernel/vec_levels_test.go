package kernel

type vecLevel struct {
	name  string
	table vecTable
}

// vecLevels are the sets of kernels this machine can run.
func vecLevels() []vecLevel { return append([]vecLevel{{"generic", genericVec}}, archLevels()...) }
