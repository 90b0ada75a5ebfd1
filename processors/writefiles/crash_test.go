package writefiles_test

func child(string) int { return 1 }

const childTask = "WRITEFILES_TEST_CHILD"
