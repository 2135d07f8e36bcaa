package template

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	typeFunction = "AWS::Serverless::Function"
	typeHTTPAPI  = "AWS::Serverless::HttpApi"
	typeQueue    = "AWS::SQS::Queue"
	typeTable    = "AWS::DynamoDB::Table"
	typeSecret   = "AWS::SecretsManager::Secret"
	typeTopic    = "AWS::SNS::Topic"
)

// ignoredTypes have no meaning on one computer: permissions, encryption,
// observation, and what the local sandboxes stand for.
var ignoredTypes = []string{
	"AWS::ApiGatewayV2::Api",
	"AWS::ApiGatewayV2::ApiMapping",
	"AWS::ApiGatewayV2::DomainName",
	"AWS::ApiGatewayV2::Stage",
	"AWS::CloudWatch::Alarm",
	"AWS::CloudWatch::CompositeAlarm",
	"AWS::CloudWatch::Dashboard",
	"AWS::Cognito::UserPool",
	"AWS::Cognito::UserPoolClient",
	"AWS::Cognito::UserPoolDomain",
	"AWS::Cognito::UserPoolIdentityProvider",
	"AWS::IAM::ManagedPolicy",
	"AWS::IAM::Policy",
	"AWS::IAM::Role",
	"AWS::KMS::Alias",
	"AWS::KMS::Key",
	"AWS::Lambda::Permission",
	"AWS::Logs::LogGroup",
	"AWS::Logs::MetricFilter",
	"AWS::Logs::QueryDefinition",
	"AWS::SNS::Subscription",
	typeTopic,
	"AWS::SNS::TopicPolicy",
	"AWS::SQS::QueuePolicy",
	"AWS::SecretsManager::ResourcePolicy",
	"AWS::SecretsManager::RotationSchedule",
	typeSecret,
}

// nameProperty says which property names a resource.
var nameProperty = map[string]string{
	typeFunction: "FunctionName",
	typeQueue:    "QueueName",
	typeTable:    "TableName",
	typeSecret:   "Name",
	typeTopic:    "TopicName",
}

// resource is an entry of Resources.
type resource struct {
	id, typ    string
	at         *yaml.Node
	absent     bool // its condition is false
	metadata   *object
	properties *object

	name   string
	naming namingState
}

type namingState int

const (
	unnamed namingState = iota
	beingNamed
	named
)

// template reads the whole document.
func (r *reader) template(n *yaml.Node) *Template {
	doc := r.object(n, "")
	// Rules only guard a deployment: they ask for secrets that the local system does without. Mappings are for what is
	// ignored below: nothing else may use them, since FindInMap is not understood.
	doc.ignore("AWSTemplateFormatVersion", "Description", "Mappings", "Metadata", "Outputs", "Rules")
	if transform, ok := doc.text("Transform"); ok && transform != "AWS::Serverless-2016-10-31" {
		r.fail(doc.at, "Transform", "is %q, want AWS::Serverless-2016-10-31", transform)
	}
	r.readParameters(doc.object("Parameters"))
	conditions := doc.object("Conditions")
	for _, name := range conditions.keys {
		r.conditions[name] = &condition{at: conditions.fields[name].value}
	}
	for _, name := range conditions.keys {
		r.holds(name, conditions.at, "Conditions")
	}
	globals := doc.object("Globals")
	r.collect(doc.object("Resources"))
	t := &Template{}
	r.queues(t)
	r.tables(t)
	r.functions(t, globals.object("Function"))
	globals.ignore("HttpApi")
	globals.done()
	doc.done()
	t.Notes, t.CORS = r.notes, r.cors
	return t
}

// collect reads what all resources have in common, so that they can name each other.
func (r *reader) collect(all *object) {
	for _, id := range all.keys {
		o := all.object(id)
		res := &resource{id: id, at: all.fields[id].key, typ: o.mustText("Type")}
		if name, ok := o.text("Condition"); ok {
			res.absent = !r.holds(name, res.at, o.to("Condition"))
		}
		o.ignore("DeletionPolicy", "UpdateReplacePolicy", "DependsOn")
		res.metadata, res.properties = o.object("Metadata"), o.object("Properties")
		o.done()
		switch res.typ {
		case typeFunction, typeQueue, typeTable:
		case typeHTTPAPI:
			r.httpAPI(res)
		default:
			if res.typ != "" && !slices.Contains(ignoredTypes, res.typ) {
				r.fail(
					res.at,
					o.path,
					"resources of type %s are not understood by the local system, nor known to mean nothing there",
					res.typ,
				)
			}
		}
		r.resources[id] = res
		r.order = append(r.order, id)
	}
}

// present returns the resources of a type whose condition holds, in the order of the file.
func (r *reader) present(typ string) []*resource {
	var all []*resource
	for _, id := range r.order {
		if res := r.resources[id]; res.typ == typ && !res.absent {
			all = append(all, res)
		}
	}
	return all
}

// httpAPI checks an HTTP API: its routes stand at the functions.
func (r *reader) httpAPI(res *resource) {
	p := res.properties
	if stage := p.textOr("StageName", "$default"); stage != "$default" {
		r.fail(p.at, p.to("StageName"), "is %q; the local system serves $default only", stage)
	}
	p.ignore("AccessLogSettings", "DefaultRouteSettings", "Description", "DisableExecuteApiEndpoint", "Domain", "Name",
		"PropagateTags", "RouteSettings", "StageVariables", "Tags")
	r.cors = r.corsOf(p)
	p.done()
}

// corsOf reads which browsers may call an HTTP API.
func (r *reader) corsOf(api *object) *CORS {
	c := api.object("CorsConfiguration")
	if len(c.keys) == 0 {
		return nil
	}
	out := &CORS{Origins: c.texts("AllowOrigins"), Methods: c.texts("AllowMethods"), Headers: c.texts("AllowHeaders"),
		MaxAge: c.number("MaxAge", 0, 0, 86400)}
	for _, origin := range out.Origins {
		if strings.Contains(origin, "*") {
			r.fail(c.at, c.to("AllowOrigins"), "is %q; the local system knows exact origins only", origin)
		}
	}
	c.done()
	return out
}

// physical returns the resource's name in AWS. Where the template gives none, AWS
// would make one up from the stack's name and the logical id, and so does this.
func (r *reader) physical(res *resource) string {
	switch res.naming {
	case beingNamed:
		r.fail(res.at, res.properties.path, "the resource's name refers to itself")
		return ""
	case unnamed:
		res.naming = beingNamed
		res.name = r.opt.StackName + "-" + res.id
		if res.typ == typeQueue && res.properties.boolean("FifoQueue", false) {
			res.name += ".fifo"
		}
		if property, ok := nameProperty[res.typ]; ok {
			res.name = res.properties.textOr(property, res.name)
		}
		res.naming = named
	}
	return res.name
}

// refTo is what !Ref gives for a resource.
func (r *reader) refTo(res *resource, at *yaml.Node, path string) (string, bool) {
	if res.absent {
		r.fail(at, path, "%s does not exist: its condition is false", res.id)
		return "", false
	}
	switch res.typ {
	case typeQueue:
		return r.queueURL(res), true
	case typeSecret, typeTopic:
		return r.arn(res), true
	}
	return r.physical(res), true
}

// attributeOf is what !GetAtt gives for a resource.
func (r *reader) attributeOf(res *resource, attribute string, at *yaml.Node, path string) (string, bool) {
	if res.absent {
		r.fail(at, path, "%s does not exist: its condition is false", res.id)
		return "", false
	}
	switch {
	case attribute == "Arn" && (res.typ == typeFunction || res.typ == typeQueue || res.typ == typeTable):
		return r.arn(res), true
	case attribute == "QueueName" && res.typ == typeQueue:
		return r.physical(res), true
	case attribute == "QueueUrl" && res.typ == typeQueue:
		return r.queueURL(res), true
	}
	r.fail(at, path, "the attribute %s of %s (%s) has no value in the local system", attribute, res.id, res.typ)
	return "", false
}

func (r *reader) arn(res *resource) string {
	name := r.physical(res)
	switch res.typ {
	case typeFunction:
		return fmt.Sprintf("arn:aws:lambda:%s:%s:function:%s", Region, AccountID, name)
	case typeTable:
		return fmt.Sprintf("arn:aws:dynamodb:%s:%s:table/%s", Region, AccountID, name)
	case typeSecret:
		return fmt.Sprintf("arn:aws:secretsmanager:%s:%s:secret:%s-local0", Region, AccountID, name)
	case typeTopic:
		return fmt.Sprintf("arn:aws:sns:%s:%s:%s", Region, AccountID, name)
	default:
		return fmt.Sprintf("arn:aws:sqs:%s:%s:%s", Region, AccountID, name)
	}
}

func (r *reader) queueURL(res *resource) string {
	return r.opt.SQSEndpoint + "/" + AccountID + "/" + r.physical(res)
}

// readParameters settles the value of every parameter.
func (r *reader) readParameters(all *object) {
	for _, name := range all.keys {
		p := all.object(name)
		value, given := r.opt.Parameters[name]
		fallback, hasDefault := p.text("Default")
		if !given {
			value = fallback
		}
		if !given && !hasDefault {
			r.fail(all.fields[name].key, p.path, "has no default, so it needs a value")
		}
		r.checkParameter(p, value, given || hasDefault)
		p.ignore("Description", "ConstraintDescription", "NoEcho")
		p.done()
		r.parameters[name] = value
	}
	for name := range r.opt.Parameters {
		if !all.has(name) {
			r.fail(all.at, "Parameters", "a value was given for %s, which the template does not have", name)
		}
	}
}

// checkParameter holds a value to the parameter's own rules.
func (r *reader) checkParameter(p *object, value string, check bool) {
	refuse := func(format string, args ...any) {
		if check {
			r.fail(p.at, p.path, format, args...)
		}
	}
	switch typ := p.mustText("Type"); typ {
	case "String":
	case "Number":
		if _, err := strconv.ParseFloat(value, 64); err != nil {
			refuse("the value %q is no number", value)
		}
	default:
		r.fail(p.at, p.to("Type"), "is %q; the local system knows String and Number", typ)
	}
	if pattern, ok := p.text("AllowedPattern"); ok {
		re, err := regexp.Compile(`^(?:` + pattern + `)$`)
		if err != nil {
			r.fail(p.at, p.to("AllowedPattern"), "%v", err)
		} else if !re.MatchString(value) {
			refuse("the value %q does not match %s", value, pattern)
		}
	}
	if allowed := p.texts("AllowedValues"); p.has("AllowedValues") && !slices.Contains(allowed, value) {
		refuse("the value %q is not among %q", value, allowed)
	}
	number, err := strconv.ParseFloat(value, 64)
	for _, rule := range []struct {
		key     string
		measure float64
		sign    float64 // +1 for a lower limit
	}{
		{"MinValue", number, 1}, {"MaxValue", number, -1},
		{"MinLength", float64(len(value)), 1}, {"MaxLength", float64(len(value)), -1},
	} {
		text, ok := p.text(rule.key)
		if !ok {
			continue
		}
		limit, limitErr := strconv.ParseFloat(text, 64)
		if limitErr != nil {
			r.fail(p.at, p.to(rule.key), "is %q, want a number", text)
		} else if rule.sign*(rule.measure-limit) < 0 || (err != nil && strings.HasSuffix(rule.key, "Value")) {
			refuse("the value %q breaks %s %s", value, rule.key, text)
		}
	}
}
