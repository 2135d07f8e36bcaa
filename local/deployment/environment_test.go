package deployment_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotsync/local/deployment"
)

// localOnly are variables that the template must not set.
var localOnly = map[string]string{
	"CONSOLE_GALLERY": "the gallery shows made-up data, on a developer's computer only",
}

var variable = regexp.MustCompile(`^[A-Z][A-Z0-9]+(_[A-Z0-9]+)*$`)

// reads finds which environment variables the source of a body names and which
// functions it calls. A variable is the upper-case text that a call begins with:
// Getenv("X"), env.Text("X", …), p.Queue("X"). A secret X is read from
// X_SECRET_ID. What Lambda itself sets (AWS_…) is left out.
func reads(body ast.Node) (variables, calls map[string]bool) {
	variables, calls = map[string]bool{}, map[string]bool{}
	ast.Inspect(body, func(n ast.Node) bool {
		c, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		name := ""
		switch f := c.Fun.(type) {
		case *ast.Ident:
			name = f.Name
		case *ast.SelectorExpr:
			name = f.Sel.Name
		}
		calls[name] = true
		if len(c.Args) == 0 {
			return true
		}
		lit, ok := c.Args[0].(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return true
		}
		text, err := strconv.Unquote(lit.Value)
		if err != nil || !variable.MatchString(text) || strings.HasPrefix(text, "AWS_") {
			return true
		}
		if name == "secret" || name == "Secret" || name == "OptionalText" || name == "client" || name == "NewSecret" {
			text += "_SECRET_ID"
		}
		variables[text] = true
		return true
	})
	return variables, calls
}

// source parses the Go files of a folder that are no tests.
func source(t *testing.T, dir string) []*ast.File {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// wiring gives, for each function of shared/lambdafn/wiring, the variables that a call of it reads.
func wiring(t *testing.T, root string) map[string]map[string]bool {
	t.Helper()
	direct, calls := map[string]map[string]bool{}, map[string]map[string]bool{}
	for _, f := range source(t, filepath.Join(root, "shared", "lambdafn", "wiring")) {
		for name, callee := range methodValues(f) {
			direct[name], calls[name] = map[string]bool{}, map[string]bool{callee: true}
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
				direct[fn.Name.Name], calls[fn.Name.Name] = reads(fn.Body)
			}
		}
	}
	for range direct { // as often as a chain of calls can be long
		for name := range direct {
			for callee := range calls[name] {
				maps.Copy(direct[name], direct[callee])
			}
		}
	}
	return direct
}

// methodValues finds the fields that hold a method to call later, as in
// p.limio = sync.OnceValues(p.newLimio).
func methodValues(f *ast.File) map[string]string {
	out := map[string]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		a, ok := n.(*ast.AssignStmt)
		if !ok || len(a.Lhs) != 1 || len(a.Rhs) != 1 {
			return true
		}
		field, ok := a.Lhs[0].(*ast.SelectorExpr)
		once, isCall := a.Rhs[0].(*ast.CallExpr)
		if !ok || !isCall || len(once.Args) != 1 {
			return true
		}
		if method, ok := once.Args[0].(*ast.SelectorExpr); ok {
			out[field.Sel.Name] = method.Sel.Name
		}
		return true
	})
	return out
}

// Every variable that a function reads is set by the template, and every one
// that is set is read: a variable left out stops the function at init, and one
// that nobody reads misleads whoever sets it.
func TestEnvironmentIsWhatFunctionsRead(t *testing.T) {
	t.Parallel()

	root, tmpl := load(t)
	parts := wiring(t, root)
	if len(parts["Zuora"]) < 3 {
		t.Fatalf("the variables of the wiring were not found: %v", parts)
	}
	for _, f := range tmpl.Of(typeFunction) {
		dir := deployment.Text(deployment.Object(f.Attributes["Metadata"])["Directory"])
		read := map[string]bool{}
		for _, file := range source(t, filepath.Join(root, dir)) {
			wired := slices.ContainsFunc(file.Imports,
				func(i *ast.ImportSpec) bool { return i.Path.Value == `"hotsync/shared/lambdafn/wiring"` })
			variables, calls := reads(file)
			maps.Copy(read, variables)
			for name := range calls {
				if wired {
					maps.Copy(read, parts[name])
				}
			}
		}
		for name := range localOnly {
			delete(read, name)
		}
		set := slices.Sorted(maps.Keys(tmpl.Environment(f)))
		if diff := cmp.Diff(slices.Sorted(maps.Keys(read)), set); diff != "" {
			t.Errorf("%s: variables read (-) and set (+) differ:\n%s", f.ID, diff)
		}
	}
}

// Secrets come from Secrets Manager by id and are never values of the template.
func TestNoSecretIsInTheEnvironment(t *testing.T) {
	t.Parallel()

	_, tmpl := load(t)
	for _, f := range tmpl.Of(typeFunction) {
		for name, value := range tmpl.Environment(f) {
			switch {
			case localOnly[name] != "":
				t.Errorf("%s sets %s: %s", f.ID, name, localOnly[name])
			case strings.HasSuffix(name, "_SECRET_ID"):
			case regexp.MustCompile(`(?i)secret|password|token|hmac`).MatchString(name + value):
				t.Errorf("%s: %s looks like a secret", f.ID, name)
			case slices.Contains([]string{"ZUORA", "LIMIO", "CALLOUT", "SESSION_KEY", "SEARCH_KEY"}, name):
				t.Errorf("%s: %s is the secret itself", f.ID, name)
			}
		}
	}
}
