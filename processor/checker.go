package processor

// Checker is implemented by layers that can tell, when the stack is built, that they
// cannot work, and by publishers and the like that a layer is given; see [Check]. The
// error says what to change.
type Checker interface {
	Check() error
}
