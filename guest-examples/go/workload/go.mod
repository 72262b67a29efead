module count

go 1.25
