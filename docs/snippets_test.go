package docs_test

import (
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// blocks are the code of a language in a document.
func blocks(t *testing.T, document, language string) []string {
	t.Helper()
	text, err := os.ReadFile(document)
	require.NoError(t, err)
	var all []string
	for _, rest := range strings.Split(string(text), "```"+language+"\n")[1:] {
		code, _, found := strings.Cut(rest, "```")
		require.True(t, found)
		all = append(all, code)
	}
	return all
}

// given is what snippets use and do not declare: those of every document, and those of one.
var given = map[string]string{
	"": `
		var ctx context.Context
		var err error
		var b *rabbitmq.Broker
		var pipeline *stack.Pipeline
		var topology broker.Topology
		var body []byte
		var id, key string`,
	"CONTRIBUTING.md": `
		var deadline struct{ New func(time.Duration) processor.Middleware }`,
	"README.md": `
		var ErrBusy error
		type Order struct{}
		func sum(context.Context, []int, processor.Message) (int, error)
		func confirm(context.Context, Order, processor.Message) ([]respond.Result, error)
		var pub message.Publisher
		var sub message.Subscriber
		var router *message.Router
		func send(*message.Message) error`,
	"from-gocept.md": `
		type principal struct{}
		func importBody(context.Context, []byte) error
		func logMessageBody(context.Context, processor.Message) ([]respond.Result, error)`,
	"from-kombu.md": `
		var connection *failover.Connection
		var channel *amqp.Channel
		func publish(context.Context, *amqp.Channel) error
		func declare(context.Context, *amqp.Channel) error`,
	"from-nameko.md": `
		var pub processor.Publisher
		var opts []backoff.Option
		var ErrType, ErrValue, errNotReady error
		var notReadyYet bool`,
	"from-swarrot.md": `
		var handler processor.Processor
		var errMailbox error`,
	"from-watermill.md": `
		var pub message.Publisher
		var router *message.Router
		var url string`,
	"long-jobs.md": `
		var db *sql.DB
		var schedule []retry.Option
		var pool interface { Do(context.Context, []byte) <-chan error }
		var jobs interface { Wake() }`,
	"operations.md": `
		var describe *bool
		var handler service.Handler
		func serve(context.Context, func() error) error`,
}

// packageOf is which package of a name is meant, where several have it.
var packageOf = map[string]string{
	"from-kombu.md amqp":     "github.com/rabbitmq/amqp091-go",
	"from-watermill.md amqp": "github.com/ThreeDotsLabs/watermill-amqp/v2/pkg/amqp",
	"README.md rand":         "crypto/rand",
}

// elided is what snippets leave out.
var elided = strings.NewReplacer("\n...\n", "\n\n", "\n\t\t...\n", "\n\n", "{ ... }", "{ panic(0) }", ", ...)", ")")

// allowed is what a snippet may do besides leaving unused what it makes: be a value, and declare what is given.
var allowed = regexp.MustCompile("is not used$|redeclared in this block|other declaration of")

// variables stand before a dot in the text of documents, and are no packages that are known here.
var variables = strings.Fields("connection ctx middleware msg pipeline publish rabbitmqtest relay report")

// quoted is code in a line of text, and selector a name of a package in it.
var (
	quoted   = regexp.MustCompile("`[^`\n]+`")
	selector = regexp.MustCompile(`\b([a-z]\w+)\.([A-Z]\w*)`)
)

// compiler checks snippets against the packages that they name.
type compiler struct {
	set     *token.FileSet
	paths   map[string]string // of packages, by name
	imports types.Importer
}

func newCompiler(t *testing.T) *compiler {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-f", "{{.Name}} {{.ImportPath}} {{.Export}}", "../...").Output()
	require.NoError(t, err)
	c, exports := &compiler{set: token.NewFileSet(), paths: map[string]string{}}, map[string]string{}
	for line := range strings.Lines(string(out)) {
		var name, path, export string
		if _, err := fmt.Sscan(line, &name, &path, &export); err == nil {
			exports[path] = export
			if !strings.Contains(path, "internal/") && (c.paths[name] == "" || strings.HasPrefix(path, module)) {
				c.paths[name] = path
			}
		}
	}
	c.imports = importer.ForCompiler(c.set, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	return c
}

// path is that of the package which a document means by a name, or "".
func (c *compiler) path(document, name string) string {
	return cmp.Or(packageOf[document+" "+name], c.paths[name])
}

// parse reads a snippet: a file, declarations, or statements.
func (c *compiler) parse(document, code string) (*ast.File, error) {
	declared := given[""] + given[document]
	var file *ast.File
	var err error
	for _, source := range []string{code, "package p\n" + code + declared, "package p\nfunc _() {\n" + code + "}\n" + declared} {
		if file, err = parser.ParseFile(c.set, document, source, parser.SkipObjectResolution); err == nil {
			return file, nil
		}
	}
	return nil, err
}

// addImports has a file import the packages that it names.
func (c *compiler) addImports(document string, file *ast.File) {
	found := map[string]bool{}
	var imports []ast.Decl
	ast.Inspect(file, func(n ast.Node) bool {
		s, _ := n.(*ast.SelectorExpr)
		if s == nil {
			return true
		}
		if x, _ := s.X.(*ast.Ident); x != nil && !found[x.Name] && c.path(document, x.Name) != "" {
			found[x.Name] = true
			path := &ast.BasicLit{Kind: token.STRING, Value: strconv.Quote(c.path(document, x.Name))}
			imports = append(imports, &ast.GenDecl{Tok: token.IMPORT, Specs: []ast.Spec{&ast.ImportSpec{Name: ast.NewIdent(x.Name), Path: path}}})
		}
		return true
	})
	file.Decls = append(imports, file.Decls...)
}

// check compiles a snippet.
func (c *compiler) check(document, code string) error {
	file, err := c.parse(document, elided.Replace(code))
	if err != nil {
		return err
	}
	if len(file.Imports) == 0 {
		c.addImports(document, file)
	}
	var wrong []error
	config := types.Config{Importer: c.imports, Error: func(err error) {
		var e types.Error
		if errors.As(err, &e) && !e.Soft && !allowed.MatchString(e.Msg) {
			wrong = append(wrong, errors.New(e.Msg))
		}
	}}
	_, _ = config.Check("p", c.set, []*ast.File{file}, nil) // wrong has the errors
	return errors.Join(wrong...)
}

// exists reports what the text of a document names in code and no package has.
func (c *compiler) exists(document, text string) error {
	var wrong []error
	for _, code := range quoted.FindAllString(text, -1) {
		for _, m := range selector.FindAllStringSubmatch(code, -1) {
			if slices.Contains(variables, m[1]) {
				continue
			}
			if of, err := c.imports.Import(c.path(document, m[1])); err != nil || of.Scope().Lookup(m[2]) == nil {
				wrong = append(wrong, fmt.Errorf("%s does not exist", m[0]))
			}
		}
	}
	return errors.Join(wrong...)
}

func TestTheCodeInDocuments(t *testing.T) {
	t.Parallel()
	c := newCompiler(t)
	documents, err := filepath.Glob("*.md")
	require.NoError(t, err)
	var wrong []error
	for _, document := range append(documents, "../README.md", "../CONTRIBUTING.md") {
		text, err := os.ReadFile(document)
		require.NoError(t, err)
		name := filepath.Base(document)
		if err := c.exists(name, string(text)); err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", document, err))
		}
		for _, code := range blocks(t, document, "go") {
			if err := c.check(name, code); err != nil {
				wrong = append(wrong, fmt.Errorf("%s: %w\n%s", document, err, code))
			}
		}
	}
	require.NoError(t, errors.Join(wrong...))
}
