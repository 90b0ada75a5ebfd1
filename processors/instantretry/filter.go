package instantretry

import "github.com/gowarren/warren/internal/callback"

// wants asks [If].
func (r *instantRetry) wants(err error) (wanted bool, problem error) {
	if r.filter == nil {
		return true, nil
	}
	problem = callback.After("instantretry: the function given to If", err, func() { wanted = r.filter(err) })
	return wanted, problem
}
