package writefiles

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/gowarren/warren/internal/option"
)

// Option changes how files are written.
type Option func(*config)

// DefaultPattern is the pattern of a handler without [Pattern].
const DefaultPattern = "${routing_key}-${unique}"

type config struct {
	directory   string
	text        string
	pattern     pattern
	fileMode    fs.FileMode
	dirMode     fs.FileMode
	leftoverAge time.Duration
	log         *slog.Logger
	step        step
}

// Pattern sets the names of the files, below the directory; slashes make directories. It has text, and variables in the
// form ${name} or {name}; $$ is a dollar:
//
//	${routing_key}  the key that the message was published with
//	${msgid}        its message id
//	${xfilename}    its header X-Filename
//	${date}         when it is written, as 2006-01-02 in local time
//	${unique}       26 letters and digits that make the name unique
//
// A value that is absent is "_". Where a name is taken, "-" and such letters are put before its ending, also without
// ${unique}. Default: [DefaultPattern].
func Pattern(text string) Option { return func(c *config) { c.text = text } }

// Modes sets the permissions of files and of the directories that are made, before the umask. The owner must be able to
// read and write files, and to enter directories. Default: 0640 and 0750.
func Modes(file, directory fs.FileMode) Option {
	return func(c *config) { c.fileMode, c.dirMode = file, directory }
}

// LeftoverAge sets how old temporary files of a process that was killed are when another start removes them, by the
// clocks of the machine and of the file server. It must be longer than a message takes to be written. Default: an hour.
func LeftoverAge(d time.Duration) Option { return func(c *config) { c.leftoverAge = d } }

// Logger sets where the handler reports what is wrong with the directory. Default and nil: slog.Default().
func Logger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

func newConfig(directory string, opts []Option) (config, error) {
	c := config{directory: directory, text: DefaultPattern, fileMode: 0o640, dirMode: 0o750, leftoverAge: time.Hour}
	if err := option.Apply("writefiles", &c, opts); err != nil {
		return c, err
	}
	var errs []error
	if directory == "" {
		errs = append(errs, errors.New("writefiles: the directory is empty: name one"))
	}
	if c.fileMode&^fs.ModePerm != 0 || c.fileMode&0o600 != 0o600 {
		errs = append(errs, fmt.Errorf("writefiles: Modes has %v for files: it needs permissions alone, and 0600 among them", c.fileMode))
	}
	if c.dirMode&^fs.ModePerm != 0 || c.dirMode&0o700 != 0o700 {
		errs = append(errs, fmt.Errorf("writefiles: Modes has %v for directories: it needs permissions alone, and 0700 among them", c.dirMode))
	}
	var err error
	c.pattern, err = parse(c.text)
	return c, errors.Join(append(errs, option.Positive("writefiles: LeftoverAge", c.leftoverAge), err)...)
}
