package writefiles

import "fmt"

// sample is what is written to see whether a directory can be used: files as large as those of a message, in the same
// place.
type sample struct {
	directory     string
	fixed         string // as much of it as no sender has chosen
	body, headers int
}

// elsewhere returns the same in the place that no sender has chosen.
func (s sample) elsewhere() sample {
	s.directory = s.fixed
	return s
}

// try writes the files and removes them.
func (s sample) try(d *disk) error {
	if err := d.makeDirectory(s.directory); err != nil {
		return err
	}
	t, second := newTemporary(s.directory), newTemporary(s.directory)
	defer d.remove(t.body, t.headers, second.body)
	if err := d.create(t.headers, make([]byte, s.headers)); err != nil {
		return err
	}
	if err := d.create(t.body, make([]byte, s.body)); err != nil {
		return err
	}
	if err := d.link(t.body, second.body); err != nil {
		return fmt.Errorf("a file cannot have a second name, as on a FAT file system; use a file system that has hard links: %w", err)
	}
	return d.sync(s.directory)
}
