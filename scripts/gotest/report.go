package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// event is a line of go test -json; see go doc test2json. Names match in either case.
type event struct {
	Action  string `json:"action"`
	Package string `json:"package"`
	Test    string `json:"test"`
	Output  string `json:"output"`
}

// report prints and counts what comes of the packages.
type report struct {
	out io.Writer

	packages, passed, failed int

	output map[string][]event // of the packages that run, what their tests that have not passed said
}

// read reports events until there are no more. What is no event is printed as it is.
func (r *report) read(events io.Reader) error {
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadString('\n')
		var e event
		if json.Unmarshal([]byte(line), &e) == nil {
			r.add(e)
		} else {
			r.print(line)
		}
		if err == io.EOF {
			r.printUnfinished()
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) add(e event) {
	switch {
	case e.Action == "build-output":
		r.print(e.Output)
	case e.Action == "output":
		r.keep(e)
	case e.Action == "pass" && e.Test != "":
		r.passed++
		r.forget(e)
	case e.Action == "fail" && e.Test != "":
		r.failed++
	case e.Test == "" && (e.Action == "pass" || e.Action == "fail" || e.Action == "skip"):
		r.finish(e)
	}
}

func (r *report) keep(e event) {
	if strings.HasPrefix(e.Output, "=== ") { // RUN, PAUSE, CONT and NAME
		return
	}
	if r.output == nil {
		r.output = map[string][]event{}
	}
	r.output[e.Package] = append(r.output[e.Package], e)
}

// forget drops what a test said that has passed.
func (r *report) forget(passed event) {
	var rest []event
	for _, e := range r.output[passed.Package] {
		if e.Test != passed.Test {
			rest = append(rest, e)
		}
	}
	r.output[passed.Package] = rest
}

// finish prints the closing line of a package, and before it all that is kept if it failed.
func (r *report) finish(end event) {
	if end.Action != "skip" {
		r.packages++
	}
	for _, e := range r.output[end.Package] {
		if end.Action == "fail" || closing(e.Output) {
			r.print(e.Output)
		}
	}
	delete(r.output, end.Package)
}

// closing reports whether a line is go test's own about a package.
func closing(line string) bool {
	return strings.HasPrefix(line, "ok  \t") || strings.HasPrefix(line, "?   \t")
}

// printUnfinished prints what is left of packages that have no end.
func (r *report) printUnfinished() {
	for _, events := range r.output {
		for _, e := range events {
			r.print(e.Output)
		}
	}
}

func (r *report) print(text string) { _, _ = fmt.Fprint(r.out, text) }
