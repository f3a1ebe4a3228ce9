// Tests of the real program from outside. They import nothing of it, and nothing but the standard library.
module key-value/e2e

go 1.26.0
