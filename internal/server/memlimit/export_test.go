package memlimit

// FindIn is Find with another file system.
var FindIn = find
