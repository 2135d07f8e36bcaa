package main

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// A mutant by itself costs a build and a link of the tests, which is most of the time. So
// one build has all those of a package that syntax alone can make switchable, and each run
// of it switches one on. The others are built one by one.

// switched is the function that reports whether a mutant of the build is on, and the variable of the environment that
// says which is, from 1; 0 is none. reached names the file in which the mutants are listed that a run comes to.
const switched, reached = "hotsyncMutant", "hotsyncMutantsReached"

// switches is the file of the build that has them: of the package's name, for so many mutants.
const switches = `package %[1]s

import (
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
)

var (
	%[3]sOn, _      = strconv.Atoi(os.Getenv(%[3]q))
	%[3]sReached, _ = os.OpenFile(os.Getenv(%[4]q), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	%[3]sSeen       [%[2]d + 1]atomic.Bool
)

func %[3]s(n int) bool {
	if %[3]sReached != nil && !%[3]sSeen[n].Load() && !%[3]sSeen[n].Swap(true) {
		fmt.Fprintln(%[3]sReached, n)
	}
	return n == %[3]sOn
}
`

// way is how a build that has all mutants switches to one: text before and after a part of
// the source, in which %[1]s is the function and %[2]d the number of the mutant. The zero
// value is none.
type way struct {
	from, to      int
	before, after string
	value         bool // a number, which may not compile where another one stood
}

// with is the text for a number.
func (w way) with(text string, number int) string {
	if !strings.Contains(text, "%[") {
		return text
	}
	return fmt.Sprintf(text, switched, number)
}

// around puts text around a node.
func (c *collector) around(n ast.Node, before, after string) way {
	if c.inConst() {
		return way{}
	}
	return way{from: c.offset(n.Pos()), to: c.offset(n.End()), before: before, after: after}
}

// instead puts a condition beside the same with [from, to) as text.
func (c *collector) instead(n ast.Node, from, to token.Pos, text string) way {
	wrong := strings.ReplaceAll(c.changed(n, from, to, text), "%", "%%")
	return c.around(n, "(%[1]s(%[2]d) && ("+wrong+") || !%[1]s(%[2]d) && (", "))")
}

// without leaves a statement out.
func (c *collector) without(n ast.Stmt) way {
	if !c.listed[n] || isPanic(n) { // which a function may end with
		return way{}
	}
	return c.around(n, "if !%[1]s(%[2]d) { ", " }")
}

// value puts text in the place of a number: in the condition or the statement that it is
// part of, since the type of a number is not known here.
func (c *collector) value(from, to token.Pos, text string) way {
	for _, n := range slices.Backward(c.path) {
		w := way{}
		switch n := n.(type) {
		case *ast.IndexExpr, *ast.SliceExpr, *ast.ArrayType:
			return w // a constant index may be out of range
		case *ast.BinaryExpr:
			if isCondition(n.Op) {
				w = c.instead(n, from, to, text)
			}
		case *ast.ExprStmt, *ast.AssignStmt, *ast.IncDecStmt, *ast.ReturnStmt:
			if define, ok := n.(*ast.AssignStmt); !c.listed[n] || ok && define.Tok == token.DEFINE {
				return w
			}
			wrong := strings.ReplaceAll(c.changed(n, from, to, text), "%", "%%")
			if _, ok := n.(*ast.ReturnStmt); ok { // a function may end with it
				w = c.around(n, "if %[1]s(%[2]d) { "+wrong+" }; ", "")
			} else {
				w = c.around(n, "if %[1]s(%[2]d) { "+wrong+" } else { ", " }")
			}
		case ast.Stmt, *ast.FuncLit:
			return w
		}
		if w != (way{}) {
			w.value = true
			return w
		}
	}
	return way{}
}

// changed is the source of a node with [from, to) as text.
func (c *collector) changed(n ast.Node, from, to token.Pos, text string) string {
	return string(c.src[c.offset(n.Pos()):c.offset(from)]) + text + string(c.src[c.offset(to):c.offset(n.End())])
}

func (c *collector) offset(p token.Pos) int { return c.set.Position(p).Offset }

func (c *collector) list(statements []ast.Stmt) {
	for _, s := range statements {
		c.listed[s] = true
	}
}

func (c *collector) inConst() bool {
	return slices.ContainsFunc(c.path, func(n ast.Node) bool {
		d, ok := n.(*ast.GenDecl)
		return ok && d.Tok == token.CONST
	})
}

func isCondition(op token.Token) bool {
	switch op {
	case token.EQL, token.NEQ, token.LSS, token.LEQ, token.GTR, token.GEQ, token.LAND, token.LOR:
		return true
	}
	return false
}

func isPanic(n ast.Stmt) bool {
	s, ok := n.(*ast.ExprStmt)
	if !ok {
		return false
	}
	call, ok := s.X.(*ast.CallExpr)
	if !ok {
		return false
	}
	name, ok := call.Fun.(*ast.Ident)
	return ok && name.Name == "panic"
}

// together returns the source of a file with those of all mutants that are in. Mutant i of
// all is switched on by i+1.
func together(file string, src []byte, all []mutant, in []bool) []byte {
	var numbers []int
	for i, m := range all {
		if m.file == file && in[i] {
			numbers = append(numbers, i)
		}
	}
	slices.SortStableFunc(numbers, func(a, b int) int { // outer parts before what is in them
		return cmp.Or(all[a].way.from-all[b].way.from, all[b].way.to-all[a].way.to)
	})
	before, after := map[int]string{}, map[int]string{}
	for _, i := range numbers {
		w := all[i].way
		before[w.from] += w.with(w.before, i+1)
		after[w.to] = w.with(w.after, i+1) + after[w.to]
	}
	var out bytes.Buffer
	for i := range len(src) + 1 {
		out.WriteString(after[i] + before[i])
		if i < len(src) {
			out.WriteByte(src[i])
		}
	}
	return out.Bytes()
}
