// Package readfiles publishes the files of a Maildir: each that appears in the directory new, which is moved to cur
// when the broker has confirmed it.
//
//	reader, err := readfiles.New("/srv/invoices", b.Publisher(), processor.Destination{RoutingKey: "invoices"},
//		readfiles.ContentType("application/xml"))
//	...
//	err = reader.Run(ctx)
//
// The body is the content of the file, its name is in the header X-Filename as it is, byte by byte, and the timestamp
// is that of its last change.
//
// # What is promised
//
// A file in new is published at least once, whatever dies and whenever: it stays in new until it is confirmed. It is
// published twice if the process dies between the confirm and the move, or the answer of the broker is lost. The
// message id is made of the file (its name, inode, time of change and content), so that the second has the id of the
// first, and a consumer with processors/dedup, or the inbox of processors/sqltx, sees that. A file that comes again,
// also with the same name and content, is another message. A file in cur is never replaced: the name of the next one
// gets a token before its ending.
//
// # Headers
//
// If there is a file name.headers.json beside a file, as processors/writefiles leaves it, the message is the one that
// it describes: with the same body, headers and properties, and nothing is added but an id if it has none. It moves
// along with its body. It has to be there before the body is. It may be written by hand:
//
//	{"warren": 1, "message": {"id": "1", "type": "bill", "headers": {"table": [["shop", "Berlin"], ["items", {"int32": 3}]]}}}
//
// So a directory that is written by processors/writefiles with the pattern new/${routing_key}-${unique} is read by this
// package. No file whose name ends in .headers.json is ever a body. One that has no body for an hour is set aside.
//
// # Files that are still written
//
// Whoever writes a file elsewhere in the same file system and renames it into new is safe; that is what a Maildir is.
// It may replace a file that is in new; what is replaced may have been published or not. If the reader is killed in the
// moment of a replacement, the new file may be in cur unpublished, so a name for each file is better.
// Of a file that is written in new directly, none of it is read until it has not changed for a second ([Settle]) and,
// on Linux, no process of this machine has it open for writing. That is known of local file systems, and for files that
// belong to the user of this process, or if that is root. A file that changes while it is published stays, and is
// published again as another message. So what is lost is a part that is written later than that, by a writer that
// pauses longer than Settle: it is in cur, but was not published.
// A file whose last change lies in the future, as the clock of the file server is ahead, has settled when the reader has
// seen no change for as long. If that clock is behind, Settle has to be longer by as much.
//
// # Files that cannot be published
//
// A file that is larger than [MaxSize], or that no broker takes, is set aside: it moves to the directory failed, with a
// text beside it that says why. So is one that cannot be read, or whose headers file cannot be used, after 8 tries
// ([Tries]), the waits between which double from 1 s to a minute. One that this user may not publish is set aside after
// as many tries between which others were published; if none are, the file is not to blame. To have it tried again, move
// it, with its headers file first, back into new.
//
// While no queue takes the messages, or one that is full refuses them, the broker is away or blocked, or files cannot be
// moved, nothing is set aside.
// After a failure, files are tried one at a time, with pauses of up to 5 s, until one is confirmed.
//
// Waits and tries are remembered of 20,000 files, in 10 MB at most. If more fail, the others are tried one at a time, 20 a
// second, and not counted until there is room; the log is told once a minute for all of them. What was published and
// cannot be moved is always remembered. When that makes 40,000, no other file begins until some are moved.
//
// # Many readers
//
// Any number of readers may work on one directory. Each locks (flock) a file while it publishes it. The lock ends with
// its process, so that what a killed reader had in flight is published by another at once. Between machines that share
// a file server this holds only if the server has such locks for all of them: NFS needs version 4, or lockd and no mount
// with local_lock, and the reader must be allowed to write the files. Else there must be one reader. Where there are no
// locks at all, Run fails at once. It is tested on local file systems. Windows has one reader.
//
// # A directory that is replaced
//
// If the directory, or new in it, is moved away and another is put in its place, or a file system is mounted over it,
// that is read from the next poll on, when what is in flight is done. What lies in the old one is not read any more.
//
// # What is not read
//
// Directories, symbolic links, named pipes and devices in new are left alone, and so are files whose names begin with a
// dot. The directory is read in pieces, so that memory does not grow with the number of files.
package readfiles
