package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// mutant is one small wrong change of a source file.
type mutant struct {
	file        string // absolute
	line        int
	function    string
	start, end  int // the bytes that are replaced
	old, text   string
	description string
	way         way
	missed      bool // no test comes to where it is
}

// name tells a mutant apart whatever lines are added above it.
func (m mutant) name() string {
	return fmt.Sprintf("%s: %s", m.function, m.description)
}

// place tells it apart among those of a package, whatever lines are added above it.
func (m mutant) place() string { return filepath.Base(m.file) + " " + m.name() }

// remark separates a survivor's name from what there is to say of it.
const remark = "  # "

// said is its name with what there is to say of a survivor.
func (m mutant) said() string {
	if m.missed {
		return m.name() + remark + "no test comes here"
	}
	return m.name()
}

// swaps are the operators that are easily taken for each other. The arithmetic ones of strings do not compile,
// which the run tells apart.
var swaps = map[token.Token]token.Token{
	token.EQL: token.NEQ, token.NEQ: token.EQL,
	token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR,
	token.LAND: token.LOR, token.LOR: token.LAND,
	token.ADD: token.SUB, token.SUB: token.ADD,
}

// mutants returns the wrong changes of a file in the order of their places.
func mutants(file string) ([]mutant, error) {
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, file, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	c := collector{file: file, src: src, set: set, listed: map[ast.Node]bool{}, spared: map[ast.Node]bool{}}
	for _, decl := range tree.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		c.function = functionName(f)
		ast.Inspect(f.Body, c.inspect)
	}
	slices.SortStableFunc(c.found, func(a, b mutant) int { return a.start - b.start })
	return c.found, nil
}

func functionName(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return f.Name.Name
	}
	receiver := f.Recv.List[0].Type
	if star, ok := receiver.(*ast.StarExpr); ok {
		receiver = star.X
	}
	if id, ok := receiver.(*ast.Ident); ok {
		return id.Name + "." + f.Name.Name
	}
	return f.Name.Name
}

type collector struct {
	file     string
	src      []byte
	set      *token.FileSet
	function string
	found    []mutant

	path   []ast.Node        // from the function's body to what is visited
	spared map[ast.Node]bool // nodes that are no rule
	listed map[ast.Node]bool // statements of a list, which an if can stand around
}

// inspect visits a node and knows what it stands in.
func (c *collector) inspect(n ast.Node) bool {
	if n == nil {
		c.path = c.path[:len(c.path)-1]
		return true
	}
	if !c.visit(n) {
		return false
	}
	c.path = append(c.path, n)
	return true
}

// add notes that the source of [from, to) becomes text, and how a build that has all
// mutants switches to it.
func (c *collector) add(from, to token.Pos, text string, w way) {
	start, end := c.set.Position(from).Offset, c.set.Position(to).Offset
	old := string(c.src[start:end])
	words := text
	if words == "" {
		words = "nothing"
	}
	c.found = append(c.found, mutant{
		file: c.file, line: c.set.Position(from).Line, function: c.function,
		start: start, end: end, old: old, text: text,
		description: fmt.Sprintf("%s becomes %s", oneLine(old), oneLine(words)),
		way:         w,
	})
}

// oneLine shortens source text to what fits in a table.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	const longest = 70
	if len(s) > longest {
		s = s[:longest-3] + "..."
	}
	return "`" + s + "`"
}

func (c *collector) text(n ast.Node) string {
	return string(c.src[c.set.Position(n.Pos()).Offset:c.set.Position(n.End()).Offset])
}

func (c *collector) visit(n ast.Node) bool {
	if c.spared[n] {
		return false
	}
	switch n := n.(type) {
	case *ast.BlockStmt:
		c.list(n.List)
	case *ast.CaseClause:
		c.list(n.Body)
	case *ast.CommClause:
		c.list(n.Body)
	case *ast.IfStmt:
		// An error that is passed on is not a rule: tests of every call that can fail are not asked for. Nor is it one when
		// there is a line of the log.
		if onlyLogs(n) {
			c.spared[n.Cond] = true
		} else if !passesErrorOn(n) {
			c.add(n.Cond.Pos(), n.Cond.End(), "false && ("+c.text(n.Cond)+")", c.around(n.Cond, "!%[1]s(%[2]d) && (", ")"))
			c.add(n.Cond.Pos(), n.Cond.End(), "true || ("+c.text(n.Cond)+")", c.around(n.Cond, "%[1]s(%[2]d) || (", ")"))
		}
	case *ast.BinaryExpr:
		to, ok := swaps[n.Op]
		if ok && !isNil(n.Y) {
			w := way{}
			if n.Op != token.ADD && n.Op != token.SUB { // of strings there is no difference
				w = c.instead(n, n.OpPos, n.OpPos+token.Pos(len(n.Op.String())), to.String())
			}
			c.add(n.OpPos, n.OpPos+token.Pos(len(n.Op.String())), to.String(), w)
		}
	case *ast.UnaryExpr:
		if n.Op == token.NOT {
			c.add(n.OpPos, n.OpPos+1, "", c.instead(n, n.OpPos, n.OpPos+1, ""))
		}
	case *ast.Ident:
		if n.Name == "true" || n.Name == "false" {
			w := c.around(n, "(%[1]s(%[2]d) || ", ")")
			if n.Name == "true" {
				w = c.around(n, "(!%[1]s(%[2]d) && ", ")")
			}
			c.add(n.Pos(), n.End(), strconv.FormatBool(n.Name == "false"), w)
		}
	case *ast.BasicLit:
		if n.Kind == token.INT {
			i, err := strconv.Atoi(n.Value)
			if err == nil {
				more := strconv.Itoa(i + 1)
				c.add(n.Pos(), n.End(), more, c.value(n.Pos(), n.End(), more))
			}
		}
	case *ast.ExprStmt:
		if isLog(n) {
			return false // what a line of the log says is for people
		}
		c.add(n.Pos(), n.End(), "", c.without(n))
	case *ast.AssignStmt:
		if setsLog(n) {
			return false
		}
		if n.Tok != token.DEFINE {
			c.add(n.Pos(), n.End(), "", c.without(n))
		}
	case *ast.BranchStmt:
		if n.Tok == token.CONTINUE && n.Label == nil {
			c.add(n.Pos(), n.End(), "", c.without(n))
		}
	case *ast.DeferStmt, *ast.GoStmt:
		return false // error context and clean-up
	}
	return true
}

// isLog reports whether a statement writes a line of the log, and nothing else.
func isLog(n *ast.ExprStmt) bool {
	call, ok := n.X.(*ast.CallExpr)
	if !ok {
		return false
	}
	to, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	switch to.Sel.Name {
	case "DebugContext", "InfoContext", "WarnContext", "ErrorContext":
		return true
	}
	log, ok := to.X.(*ast.SelectorExpr)
	return ok && strings.EqualFold(log.Sel.Name, "log")
}

// onlyLogs reports whether a statement does nothing but write lines of the log, if at all.
func onlyLogs(n *ast.IfStmt) bool {
	for _, s := range n.Body.List {
		e, ok := s.(*ast.ExprStmt)
		if !ok || !isLog(e) {
			return false
		}
	}
	return n.Else == nil
}

// setsLog reports whether a statement says what lines of the log have in common.
func setsLog(n *ast.AssignStmt) bool {
	to, ok := n.Lhs[0].(*ast.SelectorExpr)
	return ok && len(n.Lhs) == 1 && strings.EqualFold(to.Sel.Name, "log")
}

func isNil(e ast.Expr) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == "nil"
}

// passesErrorOn reports whether a statement is "if err != nil" with nothing but a return.
func passesErrorOn(n *ast.IfStmt) bool {
	b, ok := n.Cond.(*ast.BinaryExpr)
	if !ok || b.Op != token.NEQ || !isNil(b.Y) || len(n.Body.List) != 1 {
		return false
	}
	_, ok = n.Body.List[0].(*ast.ReturnStmt)
	return ok
}
