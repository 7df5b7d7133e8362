module github.com/permafrost-ml/permafrost

go 1.26
