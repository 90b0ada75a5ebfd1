package readfiles_test

import "testing"

const childTask = "READFILES_TEST_CHILD"

func child(string) int { return 1 }

var _ testing.TB
