// Package template reads the SAM template, so that what runs on this computer
// is wired by the file that deploys. It understands the part that Hotsync uses:
// functions with their HTTP API routes and queues, SQS queues, DynamoDB tables,
// parameters, conditions and the intrinsic functions between them.
//
// It is strict. A property it does not know is an error that names the line,
// because a property left out would make the local system differ from AWS in
// silence. What has no meaning on one computer (IAM, alarms, log groups,
// encryption, …) is left out by explicit lists.
package template

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Pseudo parameters of the local system.
const (
	AccountID = "000000000000" // as the local SQS has it
	Region    = "us-east-1"
)

// Options are what a deployment would give beside the template.
type Options struct {
	// StackName is AWS::StackName. Empty: "hotsync".
	StackName string
	// Parameters are values for the template's parameters, over their defaults.
	Parameters map[string]string
	// SQSEndpoint is the address that queue URLs begin with. Template.Create
	// replaces them by the URLs that the engine itself gives.
	SQSEndpoint string
}

// Template is what the local system needs to know of the template. Resources
// keep the order of the file; those whose condition is false are left out.
type Template struct {
	Functions []Function
	Queues    []Queue
	Tables    []Table
	CORS      *CORS // nil: browsers of other origins are not answered
	// Notes name what the template declares and the local system does not do, such as schedules.
	Notes []string
}

// Function is an AWS::Serverless::Function.
type Function struct {
	LogicalID   string
	Name        string // FunctionName
	ARN         string
	Dir         string // folder below functions/, such as "login"
	Timeout     time.Duration
	MemorySize  int // MB
	Environment map[string]string
	Routes      []Route
	Sources     []Source
	Schedules   []Schedule
}

// Schedule is a Schedule event: how often the function is called, and with what.
type Schedule struct {
	Name  string
	Every time.Duration
	Input string // JSON
}

// Route is an HttpApi event: requests that reach the function.
type Route struct {
	Method string // upper case; ANY for every one
	Path   string // such as /api/{proxy+}; $default for whatever no other route takes
}

// Key is the route as API Gateway writes it, such as "POST /login".
func (r Route) Key() string {
	if r.Path == DefaultRoute {
		return DefaultRoute
	}
	return r.Method + " " + r.Path
}

// DefaultRoute is the path, and the key, of the route that takes what no other one does.
const DefaultRoute = "$default"

// CORS is the CorsConfiguration of the HTTP API: which pages may call it.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
type CORS struct {
	Origins, Methods, Headers []string
	MaxAge                    int // seconds
}

// Source is an SQS event: a queue that the function consumes.
type Source struct {
	Queue              string // logical id
	BatchSize          int
	MaximumConcurrency int  // batches at once; 0 when the template sets no limit
	ReportsFailures    bool // the function answers with batchItemFailures
}

// Queue is an AWS::SQS::Queue.
type Queue struct {
	LogicalID  string
	Name       string
	ARN        string
	URL        string
	Attributes map[string]string // as CreateQueue takes them
}

// FIFO reports whether the queue keeps order.
func (q Queue) FIFO() bool { return q.Attributes["FifoQueue"] == "true" }

// Table is an AWS::DynamoDB::Table.
type Table struct {
	LogicalID    string
	Name         string
	ARN          string
	Attributes   []Attribute
	Key          Key
	Indexes      []Index
	TTLAttribute string // empty: items do not expire
}

// Attribute is a key attribute of a table or of one of its indexes.
type Attribute struct {
	Name string
	Type string // S, N or B
}

// Key is a primary key.
type Key struct {
	Hash  string
	Range string // empty: none
}

// Index is a global secondary index.
type Index struct {
	Name       string
	Key        Key
	Projection string   // ALL, KEYS_ONLY or INCLUDE
	NonKey     []string // the attributes of INCLUDE
}

// Queue finds a queue by its logical id.
func (t *Template) Queue(logicalID string) (Queue, bool) {
	i := slices.IndexFunc(t.Queues, func(q Queue) bool { return q.LogicalID == logicalID })
	if i < 0 {
		return Queue{}, false
	}
	return t.Queues[i], true
}

// Load reads the template file at path.
func Load(path string, opt Options) (*Template, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	t, err := Parse(text, opt)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// Parse reads the text of a template. The error joins all problems found, each
// with its line and place.
func Parse(text []byte, opt Options) (*Template, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil, errors.New("the template is empty")
	}
	if opt.StackName == "" {
		opt.StackName = "hotsync"
	}
	opt.SQSEndpoint = strings.TrimSuffix(opt.SQSEndpoint, "/")
	r := newReader(opt)
	t := r.template(doc.Content[0])
	if err := r.err(); err != nil {
		return nil, err
	}
	return t, nil
}
