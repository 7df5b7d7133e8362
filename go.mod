module github.com/permafrost-ml/permafrost

go 1.26.0

require (
	golang.org/x/image v0.47.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)
