package kernel

//go:generate go run -C gen ./tile -out ../tile_amd64.s -stubs ../tile_stubs_amd64.go -pkg kernel
//go:generate go run -C gen ./peak -out ../peak_amd64.s -stubs ../peak_stubs_amd64.go -pkg kernel
//go:generate go run -C gen ./depthwise -out ../depthwise_amd64.s -stubs ../depthwise_stubs_amd64.go -pkg kernel
//go:generate go run -C gen ./transpose -out ../transpose_amd64.s -stubs ../transpose_stubs_amd64.go -pkg kernel
//go:generate go run -C gen ./winograd -out ../winograd_amd64.s -stubs ../winograd_stubs_amd64.go -pkg kernel
//go:generate go run -C gen ./tile -arch arm64 -out ../tile_arm64.s -stubs ../tile_stubs_arm64.go -pkg kernel
//go:generate go run -C gen ./peak -arch arm64 -out ../peak_arm64.s -stubs ../peak_stubs_arm64.go -pkg kernel
//go:generate go run -C gen ./depthwise -arch arm64 -out ../depthwise_arm64.s -stubs ../depthwise_stubs_arm64.go -pkg kernel
//go:generate go run -C gen ./winograd -arch arm64 -out ../winograd_arm64.s -stubs ../winograd_stubs_arm64.go -pkg kernel
//go:generate go run -C gen ./transpose -arch arm64 -out ../transpose_arm64.s -stubs ../transpose_stubs_arm64.go -pkg kernel
