package limio

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"hotsync/shared/hotsync"
	"hotsync/shared/projection"
)

// related is the answer that lists objects. A missing list is an error and not
// an empty one: what is not in it would be created again.
type related struct {
	Items *[]object `json:"items"`
}

// objects returns the objects of the kinds hotsync knows, each once: Limio also
// lists orders, events and, for an object that hangs on several
// subscriptions, a row for each.
func (r related) objects() ([]projection.Object, error) {
	if r.Items == nil {
		return nil, hotsync.Errorf(hotsync.CodeLimioAnswer, "Limio's answer has no list of items.")
	}
	out := make([]projection.Object, 0, len(*r.Items))
	seen := make(map[string]bool, len(*r.Items))
	for _, item := range *r.Items {
		if !known(item.kind()) || seen[string(item.ID)] {
			continue
		}
		o, err := item.decode()
		if err != nil {
			return nil, err
		}
		seen[o.ID] = true
		out = append(out, o)
	}
	return out, nil
}

// object is the envelope that all of Limio's objects share.
type object struct {
	ID         text `json:"id"`
	RecordType text `json:"record_type"`
	Name       text `json:"name"`
	Status     text `json:"status"`
	Service    text `json:"service"`
	Type       text `json:"type"`
	Owner      text `json:"owner"`
	Customer   text `json:"customer"`
	Related    text `json:"related"`
	Reference  text `json:"reference"`
	// RelationshipType is there on an address alone.
	RelationshipType text `json:"relationship_type"`
	Data             any  `json:"data"` // with numbers as they are written: see call
}

// kind is the object's kind. The record type of an add-on was seen to begin with
// subscription_add_on.
func (o object) kind() projection.Kind {
	if strings.HasPrefix(string(o.RecordType), string(projection.SubscriptionAddOn)) {
		return projection.SubscriptionAddOn
	}
	return projection.Kind(o.RecordType)
}

// decode makes a value of an object of a known kind. It fails when the object
// has no id, or data that is no object: taken for empty, it would be written
// over.
func (o object) decode() (projection.Object, error) {
	out := projection.Object{
		Kind:             o.kind(),
		ID:               string(o.ID),
		Service:          string(o.Service),
		Type:             string(o.Type),
		Name:             string(o.Name),
		Reference:        string(o.Reference),
		Status:           string(o.Status),
		Owner:            string(o.Owner),
		Customer:         string(o.Customer),
		Related:          string(o.Related),
		RelationshipType: string(o.RelationshipType),
	}
	if out.ID == "" {
		return projection.Object{}, hotsync.Errorf(
			hotsync.CodeLimioAnswer,
			"Limio's answer has a %s without id.",
			out.Kind,
		)
	}
	if o.Data != nil {
		data, ok := o.Data.(map[string]any)
		if !ok {
			return projection.Object{}, hotsync.Errorf(
				hotsync.CodeLimioAnswer,
				"Limio's answer has a %s whose data is no object.",
				out.Kind,
			)
		}
		out.Data = data
	}
	out.Key = projection.KeyOf(out)
	return out, nil
}

func known(kind projection.Kind) bool {
	switch kind {
	case projection.Identity, projection.Customer, projection.Subscription,
		projection.SubscriptionOffer, projection.SubscriptionAddOn, projection.Schedule,
		projection.PaymentMethod, projection.Address:
		return true
	default:
		return false
	}
}

// text is a JSON string. Anything else counts as "": Limio's envelope is not
// published, so that an odd member must not hide the whole account.
type text string

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(raw []byte) error {
	*t = ""
	if raw[0] != '"' {
		return nil
	}
	if inner := raw[1 : len(raw)-1]; utf8.Valid(inner) && bytes.IndexByte(inner, '\\') < 0 {
		*t = text(inner) // nothing to unescape
		return nil
	}
	var s string
	err := json.Unmarshal(raw, &s)
	if err != nil {
		return err
	}
	*t = text(s)
	return nil
}
