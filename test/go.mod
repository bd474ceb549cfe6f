module github.com/gigawatt-cloud/gigawatt/test

go 1.26.0

require github.com/gigawatt-cloud/gigawatt v0.0.0

replace github.com/gigawatt-cloud/gigawatt => ../
