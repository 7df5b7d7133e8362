package kernel

//go:generate go run -C gen ./vec -level avx512 -out ../vec_avx512_amd64.s -stubs ../vec_avx512_stubs_amd64.go -pkg kernel
//go:generate go run -C gen ./vec -level avx2 -out ../vec_avx2_amd64.s -stubs ../vec_avx2_stubs_amd64.go -pkg kernel
//go:generate go run -C gen ./vec -level neon -out ../vec_arm64.s -stubs ../vec_stubs_arm64.go -pkg kernel
