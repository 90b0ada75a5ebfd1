package writefiles

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path"

	"github.com/gowarren/warren/internal/headersfile"
	"github.com/gowarren/warren/internal/regular"
	"github.com/gowarren/warren/processor"
)

// pair is a message that is to be two files.
type pair struct {
	disk     *disk
	pattern  pattern
	values   values
	body     []byte
	headers  []byte
	identity string // a token that the message has each time that it is delivered; "" if it has no id
}

func newPair(d *disk, p pattern, v values, msg processor.Message) (*pair, error) {
	to := processor.Destination{Exchange: msg.Origin().Exchange, RoutingKey: msg.Origin().RoutingKey}
	e := processor.Envelope{Body: msg.Body(), Headers: msg.Headers(), Properties: msg.Properties()}
	headers, err := headersfile.Write(to, e)
	if err != nil {
		return nil, err
	}
	identity, err := identify(to, e)
	return &pair{disk: d, pattern: p, values: v, body: e.Body, headers: headers, identity: identity}, err
}

// identify returns a token made of all that is the same when the message is delivered again.
func identify(to processor.Destination, e processor.Envelope) (string, error) {
	sum, err := headersfile.Identity(to, e)
	if errors.Is(err, headersfile.ErrNoIdentity) {
		return "", nil
	}
	return token(sum), err
}

func token(sum [sha256.Size]byte) string {
	return base32.StdEncoding.EncodeToString(sum[:])[:tokenLength]
}

// names yields the names of the body, best first. Those that a message has each time that it is delivered come before
// those that it has once.
func (p *pair) names() iter.Seq[string] {
	return func(yield func(string) bool) {
		_ = p.steady(yield) && p.random(yield)
	}
}

func (p *pair) steady(yield func(string) bool) bool {
	if !p.pattern.unique && !yield(p.name("", "")) {
		return false
	}
	if p.identity == "" {
		return true
	}
	for n := range steadyNames {
		token := token(sha256.Sum256(fmt.Append(nil, p.identity, n)))
		if !yield(p.name(token, token)) {
			return false
		}
	}
	return true
}

// steadyNames is how many names a message has each time that it is delivered: the headers of a process that was killed may
// have the first, so that its files are under the second.
const steadyNames = 4

// random yields so few names since none of them is taken: each has 130 random bits.
func (p *pair) random(yield func(string) bool) bool {
	for range 5 {
		if !yield(p.name(rand.Text(), rand.Text())) {
			return false
		}
	}
	return true
}

// name returns the name of the body, as a path.
func (p *pair) name(unique, addition string) string {
	p.values["unique"] = unique
	names := p.pattern.path(p.values)
	last := len(names) - 1
	if !p.pattern.unique && addition != "" {
		names[last] = addUnique(names[last], addition)
	}
	return path.Join(names...)
}

// written reports whether the message has been written before, and is where it was written to.
func (p *pair) written() (bool, error) {
	if p.identity == "" {
		return false, nil
	}
	found := ""
	p.steady(func(name string) bool {
		if p.is(name) {
			found = name
		}
		return found == ""
	})
	if found == "" {
		return false, nil
	}
	return true, p.disk.sync(path.Dir(found)) // whoever wrote it may not have come so far
}

// is reports whether the files with that name hold this message.
func (p *pair) is(name string) bool {
	written, _, err := regular.Read(p.disk.root, name+headersfile.Suffix, headersfile.MaxSize)
	if err != nil {
		return false
	}
	body, _, err := regular.Read(p.disk.root, name, int64(len(p.body)))
	if err != nil {
		return false
	}
	to, e, err := headersfile.Read(written, body)
	if err != nil {
		return false
	}
	identity, err := identify(to, e)
	return err == nil && identity == p.identity
}

// fixed returns the directories at the beginning of the name that are the same whatever a sender does.
func (p *pair) fixed() string {
	directory := "."
	for _, c := range p.pattern.components[:len(p.pattern.components)-1] {
		if !c.isFixed() {
			break
		}
		directory = path.Join(directory, c.name(p.values))
	}
	return directory
}

// errNoName cannot happen by chance.
var errNoName = errors.New("all names are taken")

// write writes both files, and has them on the disk when it returns. The body appears last, so that who sees it finds
// the headers. No file of that name is replaced.
func (p *pair) write() error {
	for name := range p.names() {
		err := p.writeAs(name)
		if errors.Is(err, fs.ErrNotExist) {
			err = p.writeAs(name) // somebody has removed the directory, which was empty
		}
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return errNoName
}

// writeAs writes both files with that name, or none. A crash leaves temporary files; see leftovers.
func (p *pair) writeAs(name string) error {
	if p.disk.taken(name) || p.disk.taken(name+headersfile.Suffix) {
		return fmt.Errorf("%q: %w", name, fs.ErrExist) // it saves writing them in vain
	}
	directory := path.Dir(name)
	if err := p.disk.makeDirectory(directory); err != nil {
		return err
	}
	t := newTemporary(directory)
	defer p.disk.remove(t.body, t.headers)
	if err := p.disk.create(t.headers, p.headers); err != nil {
		return err
	}
	if err := p.disk.create(t.body, p.body); err != nil {
		return err
	}
	if err := p.disk.link(t.headers, name+headersfile.Suffix); err != nil {
		return err
	}
	if err := p.publishBody(t, name, directory); err != nil {
		return err
	}
	return p.disk.sync(directory)
}

// publishBody makes the body appear. The headers must be on the disk before: else a machine that loses its power may
// come up with the body alone.
func (p *pair) publishBody(t temporary, name, directory string) error {
	err := p.disk.sync(directory)
	if err == nil {
		err = p.disk.link(t.body, name)
	}
	if err != nil {
		p.disk.remove(name + headersfile.Suffix)
	}
	return err
}
