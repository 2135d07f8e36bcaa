package template

import (
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits and defaults of functions:
// https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-function.html
const (
	defaultTimeoutSeconds = 3
	maxTimeoutSeconds     = 900
	defaultMemoryMB       = 128
	minMemoryMB           = 128
	maxMemoryMB           = 10240
	maxBatch              = 10 // without a batching window, which FIFO queues do not support
)

// ignoredFunctionProperties concern permissions, deployment and observation.
var ignoredFunctionProperties = []string{
	"Architectures",
	"AutoPublishAlias",
	"DeploymentPreference",
	"Description",
	"KmsKeyArn",
	"LoggingConfig",
	"PermissionsBoundary",
	"Policies",
	"PropagateTags",
	"ReservedConcurrentExecutions",
	"Role",
	"RuntimeManagementConfig",
	"SnapStart",
	"Tags",
	"Tracing",
}

var folder = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)

func (r *reader) functions(t *Template, globals *object) {
	globals.ignore(ignoredFunctionProperties...)
	common := r.environment(globals)
	for _, res := range r.present(typeFunction) {
		p := res.properties
		p.ignore("FunctionName")
		p.ignore(ignoredFunctionProperties...)
		f := Function{
			LogicalID: res.id,
			Name:      r.physical(res),
			ARN:       r.arn(res),
			Dir:       r.folder(res, globals),
			Timeout: time.Duration(
				p.number(
					"Timeout",
					globals.number("Timeout", defaultTimeoutSeconds, 1, maxTimeoutSeconds),
					1,
					maxTimeoutSeconds,
				),
			) * time.Second,
			MemorySize: p.number(
				"MemorySize",
				globals.number("MemorySize", defaultMemoryMB, minMemoryMB, maxMemoryMB),
				minMemoryMB,
				maxMemoryMB,
			),
			Environment: map[string]string{},
		}
		if runtime := p.textOr("Runtime", globals.textOr("Runtime", "")); runtime != "provided.al2023" {
			r.fail(res.at, p.to("Runtime"), "is %q; the local system runs provided.al2023 only", runtime)
		}
		if handler := p.textOr("Handler", globals.textOr("Handler", "")); handler != "bootstrap" {
			r.fail(res.at, p.to("Handler"), "is %q; a provided runtime's is bootstrap", handler)
		}
		for _, env := range []map[string]string{common, r.environment(p)} {
			for k, v := range env {
				f.Environment[k] = v
			}
		}
		r.events(t, res, &f)
		p.done()
		t.Functions = append(t.Functions, f)
	}
	globals.ignore("CodeUri", "Handler", "MemorySize", "Runtime", "Timeout") // also when there is no function
	globals.done()
}

// folder finds which folder below functions/ a function is built from: the
// build's Metadata.Directory, else the CodeUri.
func (r *reader) folder(res *resource, globals *object) string {
	uri := res.properties.textOr("CodeUri", globals.textOr("CodeUri", ""))
	dir := res.metadata.textOr("Directory", uri)
	parent, name := path.Split(path.Clean(dir))
	if parent != "functions/" || !folder.MatchString(name) {
		r.fail(res.at, res.properties.path, "Metadata.Directory, or else CodeUri, is %q, want functions/NAME", dir)
	}
	return name
}

func (r *reader) environment(p *object) map[string]string {
	env := p.object("Environment")
	all := env.object("Variables")
	env.done()
	values := map[string]string{}
	for _, name := range all.keys {
		if v, ok := all.text(name); ok {
			values[name] = v
		}
	}
	return values
}

func (r *reader) events(t *Template, res *resource, f *Function) {
	all := res.properties.object("Events")
	for _, name := range all.keys {
		e := all.object(name)
		p := e.object("Properties")
		switch typ := e.mustText("Type"); typ {
		case "HttpApi":
			f.Routes = append(f.Routes, r.route(p))
		case "SQS":
			if s, ok := r.source(t, f, p); ok {
				f.Sources = append(f.Sources, s)
			}
		case "Schedule":
			if s, ok := r.schedule(name, p); ok {
				f.Schedules = append(f.Schedules, s)
			}
		case "ScheduleV2", "Cognito":
			p.ignoreAll()
			r.notes = append(
				r.notes,
				e.path+": a "+typ+" event is not delivered locally; call the function through the invoke API",
			)
		default:
			p.ignoreAll()
			if typ != "" {
				r.fail(
					all.fields[name].key,
					e.to("Type"),
					"events of type %s are not understood by the local system; it knows HttpApi and SQS",
					typ,
				)
			}
		}
		p.done()
		e.done()
	}
}

var rate = regexp.MustCompile(`^rate\((\d+) (minute|hour|day)s?\)$`)

// schedule reads when a function is called by the clock. A schedule that is off is
// left out, and so is one of cron's kind, with a note.
func (r *reader) schedule(name string, p *object) (Schedule, bool) {
	p.ignore("Description", "Name", "RetryPolicy", "DeadLetterConfig")
	s := Schedule{Name: name, Input: p.textOr("Input", "{}")}
	expression, state := p.mustText("Schedule"), p.textOr("State", "ENABLED")
	m := rate.FindStringSubmatch(expression)
	switch {
	case state != "ENABLED":
		return s, false
	case strings.HasPrefix(expression, "cron("):
		r.notes = append(
			r.notes,
			p.path+": "+expression+" is not kept locally; call the function through the invoke API",
		)
		return s, false
	case m == nil:
		r.fail(p.at, p.to("Schedule"), "is %q, want rate(…) or cron(…)", expression)
		return s, false
	}
	n, err := strconv.Atoi(m[1])
	if err != nil || n == 0 {
		r.fail(p.at, p.to("Schedule"), "is %q, want a number above 0", expression)
		return s, false
	}
	s.Every = time.Duration(
		n,
	) * map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[m[2]]
	return s, true
}

var methods = []string{"ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}

func (r *reader) route(p *object) Route {
	p.ignore("ApiId", "RouteSettings")
	if format := p.textOr("PayloadFormatVersion", "2.0"); format != "2.0" {
		r.fail(p.at, p.to("PayloadFormatVersion"), "is %q; the local system knows 2.0 only", format)
	}
	if !p.has("Method") && !p.has("Path") {
		return Route{Method: "ANY", Path: DefaultRoute}
	}
	route := Route{Method: strings.ToUpper(p.mustText("Method")), Path: p.mustText("Path")}
	if !slices.Contains(methods, route.Method) && route.Method != "" {
		r.fail(p.at, p.to("Method"), "is %q, want one of %s", route.Method, strings.Join(methods, ", "))
	}
	if err := checkPath(route.Path); err != "" && route.Path != "" {
		r.fail(p.at, p.to("Path"), "%q %s", route.Path, err)
	}
	return route
}

var parameterName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// checkPath says what is wrong with the path of a route, if anything.
func checkPath(route string) string {
	if route == DefaultRoute {
		return ""
	}
	if !strings.HasPrefix(route, "/") {
		return "does not begin with /"
	}
	segments := strings.Split(route[1:], "/")
	for i, s := range segments {
		name, opened := strings.CutPrefix(s, "{")
		if !opened {
			if strings.ContainsAny(s, "{}") {
				return "has a brace inside a segment"
			}
			continue
		}
		name, closed := strings.CutSuffix(name, "}")
		name, greedy := strings.CutSuffix(name, "+")
		if !closed || !parameterName.MatchString(name) {
			return "has a malformed parameter " + strconv.Quote(s)
		}
		if greedy && i != len(segments)-1 {
			return "has something after a greedy parameter"
		}
	}
	return ""
}

func (r *reader) source(t *Template, f *Function, p *object) (Source, bool) {
	arn := p.mustText("Queue")
	s := Source{BatchSize: p.number("BatchSize", maxBatch, 1, maxBatch)}
	p.number("MaximumBatchingWindowInSeconds", 0, 0, 0)
	for _, kind := range p.texts("FunctionResponseTypes") {
		if kind != "ReportBatchItemFailures" {
			r.fail(p.at, p.to("FunctionResponseTypes"), "%q is not understood", kind)
		}
		s.ReportsFailures = true
	}
	scaling := p.object("ScalingConfig")
	s.MaximumConcurrency = scaling.number("MaximumConcurrency", 0, 2, 1000)
	scaling.done()
	enabled := p.boolean("Enabled", true)

	i := slices.IndexFunc(t.Queues, func(q Queue) bool { return q.ARN == arn })
	if i < 0 {
		if arn != "" {
			r.fail(p.at, p.to("Queue"), "%s is the ARN of no queue in the template", arn)
		}
		return s, false
	}
	q := t.Queues[i]
	s.Queue = q.LogicalID
	// Lambda refuses such a mapping: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
	visibility, err := strconv.Atoi(q.Attributes["VisibilityTimeout"])
	if _, given := q.Attributes["VisibilityTimeout"]; !given {
		visibility, err = 30, nil
	}
	if err != nil || time.Duration(visibility)*time.Second < f.Timeout {
		r.fail(
			p.at,
			p.path,
			"the visibility timeout of %s, %q, is below the function's timeout of %s",
			q.LogicalID,
			q.Attributes["VisibilityTimeout"],
			f.Timeout,
		)
	}
	return s, enabled
}
