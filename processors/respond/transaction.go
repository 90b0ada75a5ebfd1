package respond

import "github.com/gowarren/warren/processor/stack"

// inTransaction is the layer whose publisher writes the results into the transaction of an outer layer.
type inTransaction struct{ *respond }

var (
	_ stack.Needer    = (*inTransaction)(nil)
	_ stack.Wrapper   = (*inTransaction)(nil)
	_ stack.Describer = (*inTransaction)(nil)
	_ stack.Predictor = (*inTransaction)(nil)
)

// Role is [stack.Stores].
func (*inTransaction) Role() stack.Role { return stack.Stores }

// Needs returns [stack.Transacts].
func (*inTransaction) Needs() (oneOf []stack.Role, remedy string) {
	return []stack.Role{stack.Transacts}, "its publisher writes into a transaction, and there is none: put sqltx.New(...) outside it"
}
