package stack

// OrderRules are the consequences of each order that is refused, by the two roles.
func OrderRules() map[[2]Role]string {
	rules := map[[2]Role]string{}
	for _, r := range orderRules {
		rules[[2]Role{r.outer, r.inner}] = r.consequence
	}
	return rules
}
