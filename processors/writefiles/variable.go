package writefiles

import (
	"fmt"
	"slices"
	"strings"
)

// variable is something that a pattern can have the value of.
type variable string

const (
	routingKey variable = "routing_key"
	date       variable = "date"
	msgID      variable = "msgid"
	unique     variable = "unique"
	fileName   variable = "xfilename"
)

var variables = []variable{date, msgID, routingKey, unique, fileName}

// named returns the variable with that name. The error names the one whose name is nearest.
func named(name string) (variable, error) {
	if slices.Contains(variables, variable(name)) {
		return variable(name), nil
	}
	nearest := slices.MinFunc(variables, func(a, b variable) int {
		return distance(name, string(a)) - distance(name, string(b))
	})
	all := make([]string, len(variables))
	for i, v := range variables {
		all[i] = "${" + string(v) + "}"
	}
	return "", fmt.Errorf("there is no variable ${%.40s}; the nearest is ${%s}, of %s", name, nearest, strings.Join(all, ", "))
}

// distance is how many letters have to be put in, left out or changed to make b of a, whatever their case. A long name
// is cut.
func distance(a, b string) int {
	a, b = strings.ToLower(a[:min(len(a), 40)]), strings.ToLower(b)
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
