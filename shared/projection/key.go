package projection

import (
	"cmp"
	"slices"

	"hotsync/shared/hotsync"
)

const (
	keyOwner    = "owner"
	keyCustomer = "customer"

	// The two addresses of an account are keyed by their relationship_type.
	billingAddress  = "billing"
	deliveryAddress = "delivery"
)

// KeyOf finds the key of an object in what Limio shows of it:
//
//	customer            "customer": an account has one
//	subscription        its number, which is Limio's name and reference
//	subscription_offer  data.zuora.refId, the key of the rate plan
//	subscription_add_on data.zuora.refId likewise
//	schedule            data.zuora.refId, the subscription's number and the day
//	payment_method      data.zuora.refId, else data.zuora.result.Id: Zuora's id
//	address             "billing" or "delivery": its relationship_type
//	identity            "owner"; service/type/value; external/ and a hash of iss and sub
//
// It is "" for an object of Limio's own that stands for nothing in Zuora.
func KeyOf(o Object) string {
	switch o.Kind {
	case Customer:
		return keyCustomer
	case Subscription:
		if o.Name == "" {
			return o.Reference
		}
		return o.Name
	case SubscriptionOffer, SubscriptionAddOn, Schedule:
		zuora, _ := o.Data["zuora"].(map[string]any)
		return text(zuora, "refId")
	case PaymentMethod:
		zuora, _ := o.Data["zuora"].(map[string]any)
		result, _ := zuora["result"].(map[string]any)
		return cmp.Or(text(zuora, "refId"), text(result, "Id"))
	case Address:
		return addressKey(o)
	case Identity:
		return identityKey(o)
	default:
		return ""
	}
}

// addressKey falls back on the name, which hotsync makes the same: an address of
// an account without subscriptions has no relationships.
func addressKey(o Object) string {
	candidates := []string{o.RelationshipType, o.Name}
	list, _ := o.Data["relationships"].([]any)
	if len(list) > 0 {
		first, _ := list[0].(map[string]any)
		candidates = []string{text(first, "relationship_type"), o.RelationshipType, o.Name}
	}
	for _, c := range candidates {
		if slices.Contains([]string{billingAddress, deliveryAddress}, c) {
			return c
		}
	}
	return ""
}

func identityKey(o Object) string {
	switch o.Type {
	case TypeOwner:
		return keyOwner
	case TypeExternal:
		return externalKey(text(o.Data, "iss"), text(o.Data, "sub"))
	}
	value := text(o.Data, "value")
	if value == "" {
		return ""
	}
	return serviceIdentityKey(cmp.Or(text(o.Data, "service"), o.Service), cmp.Or(text(o.Data, "type"), o.Type), value)
}

func serviceIdentityKey(service, typ, value string) string {
	return service + "/" + typ + "/" + value
}

// externalKey hashes, since a subject is personal and keys may be shown.
func externalKey(issuer, subject string) string {
	if issuer == "" || subject == "" {
		return ""
	}
	return "external/" + hotsync.Digest(issuer, subject)
}

func text(data map[string]any, member string) string {
	s, _ := data[member].(string)
	return s
}
