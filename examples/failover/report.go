package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/gowarren/warren/internal/ledger"
)

// report is the cost of each fault.
type report struct {
	books *ledger.Ledger
	rows  []row
	open  *row // of the current fault; nil if there is none

	again, lost int // before it
}

// row is one fault. If there was more than one of a kind, the gaps are the longest ones and
// the counts are sums.
type row struct {
	fault              string
	publish, consume   time.Duration
	again, lost, times int
}

// begin begins the row of a fault.
func (r *report) begin(fault string) {
	r.books.Mark()
	r.open = &row{fault: fault, times: 1}
	r.again = r.books.Books().Again
}

// end ends the row. missing is how many of the messages confirmed so far should have arrived and
// have not.
func (r *report) end(missing int) {
	if r.open == nil {
		return
	}
	b, row := r.books.Books(), r.open
	row.publish, row.consume = b.PublishGap, b.ProcessGap
	row.again, row.lost = b.Again-r.again, max(missing-r.lost, 0)
	r.lost, r.open = missing, nil
	for i := range r.rows {
		if r.rows[i].fault == row.fault {
			r.rows[i].add(*row)
			return
		}
	}
	r.rows = append(r.rows, *row)
}

func (r *row) add(other row) {
	r.publish, r.consume = max(r.publish, other.publish), max(r.consume, other.consume)
	r.again, r.lost, r.times = r.again+other.again, r.lost+other.lost, r.times+other.times
}

// print prints the table and the sum, and returns an error if a message is lost. Messages missing
// when the program was cut short are in the queue, or on a node that is down.
func (r *report) print(out io.Writer, cutShort bool) error {
	lost, left := r.books.Books().Missing, 0
	if cutShort {
		lost, left = min(lost, r.lost), max(lost-r.lost, 0)
	}
	r.end(lost)
	if len(r.rows) == 0 {
		return nil // it has not begun
	}
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "\nFAULT\tTIMES\tGAP PUBLISHING\tGAP CONSUMING\tAGAIN\tLOST")
	for _, row := range r.rows {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%d\t%d\n", row.fault, row.times, seconds(row.publish), seconds(row.consume), row.again, row.lost)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	b := r.books.Books()
	fmt.Fprintf(out, "\nfailover: sent=%d confirmed=%d processed=%d again=%d left=%d lost=%d\n",
		b.Sent, b.Confirmed, b.Processed, b.Again, left, lost)
	if lost > 0 {
		return fmt.Errorf("%d confirmed messages are lost", lost)
	}
	return nil
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }
