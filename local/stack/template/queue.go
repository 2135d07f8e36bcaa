package template

import (
	"encoding/json"
	"slices"
	"strings"
)

// queueAttributes are the properties that CreateQueue knows under the same name.
var queueAttributes = []string{
	"ContentBasedDeduplication", "DeduplicationScope", "DelaySeconds", "FifoThroughputLimit", "MaximumMessageSize",
	"MessageRetentionPeriod", "ReceiveMessageWaitTimeSeconds", "VisibilityTimeout",
}

func (r *reader) queues(t *Template) {
	for _, res := range r.present(typeQueue) {
		p := res.properties
		q := Queue{
			LogicalID:  res.id,
			Name:       r.physical(res),
			ARN:        r.arn(res),
			URL:        r.queueURL(res),
			Attributes: map[string]string{},
		}
		p.ignore("QueueName", "Tags", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled")
		for _, key := range queueAttributes {
			if v, ok := p.text(key); ok {
				q.Attributes[key] = v
			}
		}
		if p.boolean("FifoQueue", false) {
			q.Attributes["FifoQueue"] = "true" // SQS refuses the attribute when false
		}
		if q.FIFO() != strings.HasSuffix(q.Name, ".fifo") {
			r.fail(res.at, p.path, "a FIFO queue's name, and no other's, ends in .fifo; this is %q", q.Name)
		}
		if p.has("RedrivePolicy") {
			o := p.object("RedrivePolicy")
			q.redrive(o.mustText("deadLetterTargetArn"), o.number("maxReceiveCount", 0, 1, 1000))
			o.done()
		}
		p.done()
		t.Queues = append(t.Queues, q)
	}
	for _, q := range t.Queues {
		_, target, ok := q.deadLetters()
		if !ok {
			continue
		}
		i := slices.IndexFunc(t.Queues, func(o Queue) bool { return o.ARN == target })
		path := r.resources[q.LogicalID].properties.path + ".RedrivePolicy"
		switch {
		case i < 0:
			r.fail(r.resources[q.LogicalID].at, path, "the dead-letter queue %s is not in the template", target)
		case t.Queues[i].FIFO() != q.FIFO():
			r.fail(
				r.resources[q.LogicalID].at,
				path,
				"a FIFO queue, and no other, has a FIFO queue for its dead letters",
			)
		}
	}
}

type redrivePolicy struct {
	DeadLetterTargetARN string `json:"deadLetterTargetArn"`
	MaxReceiveCount     int    `json:"maxReceiveCount"`
}

func (q *Queue) redrive(target string, maxReceiveCount int) {
	b, err := json.Marshal(redrivePolicy{target, maxReceiveCount})
	if err != nil {
		panic(err) // a struct of a string and an int always encodes
	}
	q.Attributes["RedrivePolicy"] = string(b)
}

// deadLetters returns the redrive policy, if the queue has one.
func (q *Queue) deadLetters() (maxReceiveCount int, targetARN string, ok bool) {
	var p redrivePolicy
	if json.Unmarshal([]byte(q.Attributes["RedrivePolicy"]), &p) != nil {
		return 0, "", false
	}
	return p.MaxReceiveCount, p.DeadLetterTargetARN, true
}
