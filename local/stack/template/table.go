package template

import "slices"

func (r *reader) tables(t *Template) {
	for _, res := range r.present(typeTable) {
		p := res.properties
		table := Table{LogicalID: res.id, Name: r.physical(res), ARN: r.arn(res)}
		// Capacity and protection mean nothing in memory.
		p.ignore(
			"TableName",
			"BillingMode",
			"ContributorInsightsSpecification",
			"DeletionProtectionEnabled",
			"KinesisStreamSpecification",
			"OnDemandThroughput",
			"PointInTimeRecoverySpecification",
			"ProvisionedThroughput",
			"SSESpecification",
			"TableClass",
			"Tags",
		)
		for _, e := range p.list("AttributeDefinitions") {
			o := r.object(e.node, e.path)
			a := Attribute{Name: o.mustText("AttributeName"), Type: o.mustText("AttributeType")}
			if !slices.Contains([]string{"S", "N", "B"}, a.Type) {
				r.fail(e.node, e.path, "the type of a key attribute is S, N or B, not %q", a.Type)
			}
			o.done()
			table.Attributes = append(table.Attributes, a)
		}
		table.Key = r.key(p, table)
		for _, e := range p.list("GlobalSecondaryIndexes") {
			o := r.object(e.node, e.path)
			o.ignore("ContributorInsightsSpecification", "OnDemandThroughput", "ProvisionedThroughput")
			projection := o.object("Projection")
			table.Indexes = append(table.Indexes, Index{
				Name:       o.mustText("IndexName"),
				Key:        r.key(o, table),
				Projection: projection.mustText("ProjectionType"),
				NonKey:     projection.texts("NonKeyAttributes"),
			})
			projection.done()
			o.done()
		}
		ttl := p.object("TimeToLiveSpecification")
		if name, enabled := ttl.textOr("AttributeName", ""), ttl.boolean("Enabled", false); enabled {
			table.TTLAttribute = name
		}
		ttl.done()
		p.done()
		t.Tables = append(t.Tables, table)
	}
}

// key reads a KeySchema: the hash key, then perhaps the range key.
func (r *reader) key(o *object, table Table) Key {
	var k Key
	elements := o.list("KeySchema")
	for i, e := range elements {
		eo := r.object(e.node, e.path)
		name, typ := eo.mustText("AttributeName"), eo.mustText("KeyType")
		eo.done()
		switch {
		case i == 0 && typ == "HASH":
			k.Hash = name
		case i == 1 && typ == "RANGE":
			k.Range = name
		default:
			r.fail(e.node, e.path, "want HASH first, then at most one RANGE")
		}
		if !slices.ContainsFunc(table.Attributes, func(a Attribute) bool { return a.Name == name }) {
			r.fail(e.node, e.path, "the attribute %q is not among the AttributeDefinitions", name)
		}
	}
	if len(elements) == 0 {
		r.fail(o.at, o.to("KeySchema"), "is missing")
	}
	return k
}
