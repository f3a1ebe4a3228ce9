package gctune

// Wasteful reports whether memory would be returned in this state.
func Wasteful(held, other, needed, lately int64) bool {
	return heap{held: held, other: other, needed: needed}.wasteful(lately)
}
