package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatIsPrintedAndCounted(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	r := &report{out: &out}
	require.NoError(t, r.read(strings.NewReader(`{"ImportPath":"c","Action":"build-output","Output":"c.go:1: wrong\n"}
{"Action":"output","Package":"a","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"a","Test":"TestA","Output":"said by one that passes\n"}
{"Action":"output","Package":"b","Test":"TestB/sub","Output":"    b_test.go:1: why\n"}
{"Action":"pass","Package":"a","Test":"TestA"}
{"Action":"output","Package":"a","Output":"PASS\n"}
{"Action":"output","Package":"a","Output":"ok  \ta\t1.0s\n"}
{"Action":"pass","Package":"a"}
{"Action":"fail","Package":"b","Test":"TestB/sub"}
{"Action":"output","Package":"b","Test":"TestB","Output":"--- FAIL: TestB\n"}
{"Action":"fail","Package":"b","Test":"TestB"}
{"Action":"output","Package":"b","Test":"TestHangs","Output":"panic: test timed out\n"}
{"Action":"output","Package":"b","Output":"FAIL\tb\t2.0s\n"}
{"Action":"fail","Package":"b"}
{"Action":"output","Package":"d","Output":"?   \td\t[no test files]\n"}
{"Action":"skip","Package":"d"}
{"Action":"output","Package":"e","Test":"TestE","Output":"never ends\n"}
no event
`)))
	require.Equal(t, `c.go:1: wrong
ok  	a	1.0s
    b_test.go:1: why
--- FAIL: TestB
panic: test timed out
FAIL	b	2.0s
?   	d	[no test files]
no event
never ends
`, out.String())
	require.Equal(t, []int{2, 1, 2}, []int{r.packages, r.passed, r.failed})
}
