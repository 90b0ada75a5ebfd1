package writefiles_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/headersfile"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/writefiles"
)

func start(h processor.Processor) error {
	s, ok := h.(stack.Starter)
	if !ok {
		return errors.New("it has no Start")
	}
	return s.Start(context.Background())
}

func stop(h processor.Processor) error {
	s, ok := h.(stack.Stopper)
	if !ok {
		return errors.New("it has no Stop")
	}
	return s.Stop(context.Background())
}

const token = `[A-Z2-7]{26}`

func TestNames(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		"${routing_key}/${date}/${msgid}-${unique}.xml": `example\.route/2011-04-07/asdf998-` + token + `\.xml`,
		"{routing_key}/{date}/{msgid}-{unique}.xml":     `example\.route/2011-04-07/asdf998-` + token + `\.xml`,
		writefiles.DefaultPattern:                       `example\.route-` + token,
		"${xfilename}":                                  `bill\.pdf`,
		"{xfilename}.${date}":                           `bill\.pdf\.2011-04-07`,
		"in/all, $$5":                                   `in/all, \$5`,
		"new/${unique}":                                 `new/` + token,
	} {
		t.Run(strings.ReplaceAll(pattern, "/", "|"), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(time.Date(2011, 4, 7, 12, 0, 0, 0, time.Local)))
				directory := t.TempDir()
				write(t, directory, pattern, message("example.route", "asdf998", "<xml/>", processortest.Header("X-Filename", "bill.pdf")))
				files := read(t, directory)
				require.Len(t, files, 1)
				require.Regexp(t, "^"+want+"$", files[0].name)
				require.Equal(t, "<xml/>", string(files[0].Body))
				require.Equal(t, processor.Destination{Exchange: "shop", RoutingKey: "example.route"}, files[0].to)
				require.Len(t, list(t, directory), 2, "nothing else is left")
			})
		})
	}
}

func TestWrongOptionsSayWhatToChange(t *testing.T) {
	t.Parallel()
	for text, opts := range map[string][]writefiles.Option{
		"the nearest is ${routing_key}":      {writefiles.Pattern("${rooting_key}")},
		"the nearest is ${unique}":           {writefiles.Pattern("a-{uniqe}")},
		"the nearest is ${msgid}":            {writefiles.Pattern("${message_id}")},
		"the nearest is ${xfilename}":        {writefiles.Pattern("${filename}")},
		"the brace of":                       {writefiles.Pattern("${unique")},
		"a } without a {":                    {writefiles.Pattern("unique}")},
		"a $ without a brace":                {writefiles.Pattern("$unique")},
		"begins or ends with a slash":        {writefiles.Pattern("/etc/${unique}")},
		"has two in a row":                   {writefiles.Pattern("a//${unique}")},
		"a name is empty":                    {writefiles.Pattern("")},
		"a name begins with a dot":           {writefiles.Pattern("../${unique}")},
		"a name ends with a dot":             {writefiles.Pattern("${unique}.")},
		`'\x00' cannot be part`:              {writefiles.Pattern("a\x00")},
		`'\\' cannot be part`:                {writefiles.Pattern(`a\b`)},
		"cannot be part":                     {writefiles.Pattern("\xff")},
		"longer than 242 bytes":              {writefiles.Pattern(strings.Repeat("x", 190) + "${unique}")},
		"longer than 255 bytes":              {writefiles.Pattern(strings.Repeat("{msgid}", 7) + "/${unique}")},
		"choose another ending":              {writefiles.Pattern("${unique}.headers.json")},
		"option 1 is nil":                    {nil},
		"writefiles: LeftoverAge":            {writefiles.LeftoverAge(0)},
		"0600 among them":                    {writefiles.Modes(0o400, 0o700)},
		"0700 among them":                    {writefiles.Modes(0o600, os.ModeSticky|0o700)},
		"writefiles: the directory is empty": {writefiles.Logger(nil)},
	} {
		directory := t.TempDir()
		if strings.Contains(text, "the directory is empty") {
			directory = ""
		}
		h := writefiles.Handler(directory, opts...)
		_, err := stack.New(ack.New()).Then(h)
		require.ErrorContains(t, err, text, text)
		require.Equal(t, processor.Requeued, processor.Decide(h.Process(t.Context(), message("k", "1", ""))).Action)
		require.Error(t, start(h))
	}
}

func TestARunDoesNotStartWhereNothingCanBeWritten(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	err := start(writefiles.Handler(filepath.Join(directory, "absent")))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "make it before")
	h := writefiles.Handler(directory)
	require.NoError(t, start(h))
	require.ErrorContains(t, start(h), "in a run already")
	require.NoError(t, stop(h))
	require.NoError(t, start(h), "it is in no run any more")
	require.NoError(t, stop(h))
	require.NoError(t, stop(h))
	require.Empty(t, list(t, directory))
}

func TestAMessageIsAckedWhenItsFilesAreThere(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	var early bool
	var msg *processortest.Message
	h := handler(t, directory, writefiles.Step(func(string, string) error {
		early = early || msg.Settled()
		return nil
	}))
	pipeline := must.Have(stack.New(ack.New()).Then(h))
	msg = message("key", "1", "body")
	require.NoError(t, pipeline.Process(t.Context(), msg))
	require.False(t, early)
	require.Equal(t, []processortest.Settlement{processortest.Acked}, msg.Settlements())
	require.Len(t, read(t, directory), 1)
}

func TestARedeliveredMessageIsWrittenOnce(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{"${unique}", "${routing_key}/${msgid}", "${xfilename}-${unique}"} {
		directory := t.TempDir()
		counted := processortest.Header("x-delivery-count", int64(1))
		write(t, directory, pattern, message("key", "1", "body"), again("key", "1", "body", counted), again("key", "1", "body"))
		require.Len(t, read(t, directory), 1, pattern)

		write(t, directory, pattern,
			message("key", "1", "body"),        // not redelivered: another message, whatever its id
			again("key", "1", "another body"),  // and so are these
			again("other key", "1", "body"),    //
			again("key", "", "body"),           // it cannot be known
			again("key", "", "body"),           //
			again("key", "2", "body", counted)) //
		require.Len(t, read(t, directory), 7, pattern)
	}
}

func TestARedeliveryFindsAFileOnlyWithWholeHeadersBesideIt(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	write(t, directory, "{msgid}", message("key", "1", "body"))
	require.NoError(t, os.WriteFile(filepath.Join(directory, "1"+headersfile.Suffix), []byte("{}"), 0o600))
	write(t, directory, "{msgid}", again("key", "1", "body"))
	require.Len(t, list(t, directory), 4)
}

func TestNoFileIsReplaced(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	for _, name := range []string{"a.txt", "b.txt" + headersfile.Suffix} {
		require.NoError(t, os.WriteFile(filepath.Join(directory, name), []byte("a stranger's"), 0o600))
	}
	require.NoError(t, os.Mkdir(filepath.Join(directory, "c.txt"), 0o700))
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(directory, "d.txt")))
	for _, id := range []string{"a", "b", "c", "d"} {
		for range 3 {
			write(t, directory, "${msgid}.txt", message("key", id, id), again("key", id, id))
		}
	}
	names := map[string]int{}
	for _, name := range list(t, directory) {
		content := must.Have(os.ReadFile(filepath.Join(directory, name)))
		if len(content) == 1 {
			require.Regexp(t, `^[a-d]-`+token+`\.txt$`, name)
			names[string(content)]++
		}
	}
	require.Equal(t, map[string]int{"a": 3, "b": 3, "c": 3, "d": 3}, names)
	require.Equal(t, "a stranger's", string(must.Have(os.ReadFile(filepath.Join(directory, "a.txt")))))
}

// Two processes are two handlers.
func TestManyWriteIntoOneDirectory(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	var all sync.WaitGroup
	for range 2 {
		h := handler(t, directory, writefiles.Pattern("{routing_key}/{msgid}"))
		for worker := range 4 {
			all.Go(func() {
				for i := range 50 {
					if err := h.Process(t.Context(), message(fmt.Sprint("dir ", i%3), fmt.Sprint(i), fmt.Sprint(worker))); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	all.Wait()
	require.Len(t, read(t, directory), 400)
	require.Len(t, list(t, directory), 800)
}

func TestAllOfAMessageIsWritten(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	headers := processor.Headers{"deep": processor.Headers{"list": []any{int8(1), []byte("\xff"), nil}}, "\xff": "no UTF-8"}
	properties := processor.Properties{
		ID: "<1@x>", CorrelationID: "c", ReplyTo: "r", Type: "t", AppID: "a", UserID: "u", ContentType: "text/plain", ContentEncoding: "gzip",
		Expiration: time.Second, Timestamp: time.Unix(1, 0).UTC(), Priority: 9, Transient: true,
	}
	opts := []processortest.Option{processortest.Properties(properties)}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		opts = append(opts, processortest.Header(name, headers[name]))
	}
	write(t, directory, "x", message("key", "", "\x00\xff", opts...))
	f := read(t, directory)[0]
	require.Equal(t, "\x00\xff", string(f.Body))
	require.Equal(t, headers, f.Headers)
	require.Equal(t, properties, f.Properties)
}

func TestPermissionsAreThoseOfModes(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	h := handler(t, directory, writefiles.Pattern("d/{msgid}"), writefiles.Modes(0o600, 0o700))
	require.NoError(t, h.Process(t.Context(), message("key", "1", "")))
	require.Equal(t, "drwx------", must.Have(os.Stat(filepath.Join(directory, "d"))).Mode().String())
	require.Equal(t, "-rw-------", must.Have(os.Stat(filepath.Join(directory, "d/1"))).Mode().String())
	require.Equal(t, "-rw-------", must.Have(os.Stat(filepath.Join(directory, "d/1"+headersfile.Suffix))).Mode().String())
}

func TestAMessageWhoseHeadersCannotBeWrittenIsRejected(t *testing.T) {
	t.Parallel()
	err := handler(t, t.TempDir()).Process(t.Context(), message("key", "1", "", processortest.Header("x", struct{}{})))
	require.ErrorIs(t, err, processor.ErrHeaderType)
	require.Equal(t, processor.Rejected, processor.Decide(err).Action)
}

func TestTheStackDescribesIt(t *testing.T) {
	t.Parallel()
	pipeline := must.Have(stack.New(ack.New()).Then(writefiles.Handler("/srv/x", writefiles.Pattern("{msgid}"))))
	require.Contains(t, pipeline.Describe().String(), "writefiles")
	require.Contains(t, pipeline.Describe().String(), "{msgid}")
}
