// Package writefiles writes each message into two files: one with its body, and one with all the rest.
//
//	stack.New(
//		ack.New(),
//		retry.New(b.Publisher(), "files_retry_%delay%", schedule...),
//		recovery.New(),
//	).Then(writefiles.Handler("/srv/invoices", writefiles.Pattern("${routing_key}/${date}/${msgid}-${unique}.xml")))
//
// A message with the key example.route and the id asdf998 becomes
//
//	/srv/invoices/example.route/2011-04-07/asdf998-KZJ5XE...HQ.xml                 the body, byte by byte
//	/srv/invoices/example.route/2011-04-07/asdf998-KZJ5XE...HQ.xml.headers.json    the rest
//
// Package publisher/readfiles makes the same message of the two again.
//
// # Whole or not at all
//
// Both files are written under temporary names (.warren-...) in the same directory and synced. Then the headers appear,
// and then the body, each by a link, which replaces no file. The directory is synced after each. So whoever sees a body
// finds its headers beside it, also after the machine has lost its power, and a headers file without a body is no
// message. The message is acked after that, by the layer that acks.
//
// When a process is killed, it leaves temporary files, and perhaps the headers of a body that never appeared. The next
// start, of any handler with the same pattern, removes them when they are old enough ([LeftoverAge]).
//
// # What is written twice
//
// A process may end after the files have appeared and before the ack. The message is then redelivered. If it has a
// message id, ${unique} is made of all that it has (id, body, properties, headers, exchange and key), and the
// redelivery finds its files and writes no others. It is written a second time if it has no id, if the files were
// changed or taken away by then, if the name has another ${date}, or if the broker does not mark it as redelivered. Two
// messages are never taken for one unless they are equal in all that, and the second is marked as redelivered.
//
// # Names
//
// Whatever a sender puts into a key, an id or a header, the files stay below the directory, and at the depth that the
// pattern has. A value is written like in a URL (%2F) where it has slashes, control characters, invalid UTF-8 or what
// Windows cannot have in a name, and so is the first or last character of a name that would be hidden, a device of
// Windows, or the name of a headers file. A value that is too long for a name is cut, and gets a hash. A name that is
// taken, on a file system that ignores case or accents also by another spelling, is made unique. The original values
// are in the headers file.
//
// # When the disk is full
//
// While the directory cannot be written to (the disk is full or broken, mounted read-only, permissions are missing),
// messages are requeued and the run is paused. It goes on when as much as the message has can be written in the same
// place; that is tried after 100 ms, and then at intervals that double up to 30 s. An error that is about one message,
// such as a body over the file system's limit, or a directory that its key names and nobody may write to while others
// can be used, is returned for the outer layers to retry or park.
//
// If the directory is moved away and another is put in its place, or a file system is mounted over it, that is written
// to a second later at most.
//
// # File systems
//
// While a disk or a file server hangs, so does the handler, whatever its context says: an operation of the file system
// cannot be cut short. Its message is redelivered when the consumer gives the handler up.
//
// The file system must have hard links, as those of Unix and NTFS do. A file server must keep what it has said is
// synced. On Windows directories are not synced, and headers without their body are not removed.
package writefiles
