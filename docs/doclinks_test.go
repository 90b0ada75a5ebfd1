package docs_test

import (
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/gowarren/warren"

// packages are the module's packages with their comments, by import path.
func packages(t *testing.T) map[string]*doc.Package {
	t.Helper()
	files, set := map[string][]*ast.File{}, token.NewFileSet()
	require.NoError(t, filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && name != ".." && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(set, name, nil, parser.ParseComments)
		at := path.Join(module, filepath.ToSlash(filepath.Dir(strings.TrimPrefix(name, "../"))))
		files[at] = append(files[at], file)
		return err
	}))
	all := map[string]*doc.Package{}
	for at, of := range files {
		p, err := doc.NewFromFiles(set, of, at, doc.AllDecls)
		require.NoError(t, err, at)
		all[at] = p
	}
	return all
}

// comments are all that the package's comments say.
func comments(p *doc.Package) []string {
	texts := []string{p.Doc}
	values := func(all ...[]*doc.Value) {
		for _, some := range all {
			for _, v := range some {
				texts = append(texts, v.Doc)
			}
		}
	}
	functions := func(all ...[]*doc.Func) {
		for _, some := range all {
			for _, f := range some {
				texts = append(texts, f.Doc)
			}
		}
	}
	values(p.Consts, p.Vars)
	functions(p.Funcs)
	for _, one := range p.Types {
		texts = append(texts, one.Doc)
		values(one.Consts, one.Vars)
		functions(one.Funcs, one.Methods)
		ast.Inspect(one.Decl, func(n ast.Node) bool {
			if f, ok := n.(*ast.Field); ok {
				texts = append(texts, f.Doc.Text(), f.Comment.Text())
			}
			return true
		})
	}
	return texts
}

// names are what can be linked to in a package, such as "New" and "Broker.Close".
func names(p *doc.Package) map[string]bool {
	found := map[string]bool{}
	values := func(all []*doc.Value) {
		for _, v := range all {
			for _, name := range v.Names {
				found[name] = true
			}
		}
	}
	values(p.Consts)
	values(p.Vars)
	for _, f := range p.Funcs {
		found[f.Name] = true
	}
	for _, one := range p.Types {
		found[one.Name] = true
		values(one.Consts)
		values(one.Vars)
		for _, f := range one.Funcs {
			found[f.Name] = true
		}
		for _, m := range one.Methods {
			found[one.Name+"."+m.Name] = true
		}
		ast.Inspect(one.Decl, func(n ast.Node) bool {
			if f, ok := n.(*ast.Field); ok {
				for _, name := range f.Names {
					found[one.Name+"."+name.Name] = true
				}
			}
			return true
		})
	}
	return found
}

// unlinked is a link in plain text: go doc has found nothing of that name.
var unlinked = regexp.MustCompile(`\[\*?([a-z][a-z0-9]*\.)?[A-Z]\w*(\.[A-Z]\w*)?\]`)

// visit calls f for each link and each plain text of a comment.
func visit(v reflect.Value, f func(any)) {
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			return
		}
		if _, code := v.Interface().(*comment.Code); code {
			return
		}
		f(v.Interface())
		visit(v.Elem(), f)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				visit(v.Field(i), f)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			visit(v.Index(i), f)
		}
	}
}

// What comments link to exists: go doc shows a link to what was renamed as text, and pkgsite one that leads nowhere.
func TestWhatCommentsLinkToExists(t *testing.T) {
	t.Parallel()
	all := packages(t)
	require.Greater(t, len(all), 50)
	links := 0
	for at, p := range all {
		for _, text := range comments(p) {
			visit(reflect.ValueOf(p.Parser().Parse(text)), func(part any) {
				switch part := part.(type) {
				case comment.Plain:
					assert.NotRegexp(t, unlinked, string(part), "%s: nothing has that name", at)
				case *comment.DocLink:
					links++
					if part.ImportPath != "" && !strings.HasPrefix(part.ImportPath, module) {
						return
					}
					to := at
					if part.ImportPath != "" {
						to = part.ImportPath
					}
					name := strings.TrimPrefix(part.Recv+"."+part.Name, ".")
					require.NotNil(t, all[to], "%s: %s", at, to)
					assert.True(t, part.Name == "" || names(all[to])[name], "%s: %s has no %s", at, to, name)
				}
			})
		}
	}
	t.Logf("%d links", links)
}
