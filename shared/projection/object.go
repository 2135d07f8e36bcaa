package projection

// Kind is Limio's record_type.
type Kind string

// The kinds that hotsync reads or writes.
const (
	Identity          Kind = "identity"
	Customer          Kind = "customer"
	Subscription      Kind = "subscription"
	SubscriptionOffer Kind = "subscription_offer"
	SubscriptionAddOn Kind = "subscription_add_on"
	Schedule          Kind = "schedule"
	PaymentMethod     Kind = "payment_method"
	Address           Kind = "address"
)

// The types of identity that Limio itself defines.
const (
	TypeOwner    = "@limio/id"          // on top: owns customer, subscriptions and all else
	TypeExternal = "@limio/external-id" // a login at an identity provider; belongs to an owner
)

// The statuses that hotsync writes besides those of subscriptions.
const (
	StatusActive   = "active"
	StatusInactive = "inactive"

	statusCancelled = "cancelled"
	statusSuspended = "suspended"

	// StatusExternal is that of a payment that is taken elsewhere than in Limio.
	StatusExternal = "pending-external"
)

// Object is a Limio object: one that should exist (made by Project) or one that
// does (read by package limio).
type Object struct {
	Kind Kind
	// Key is what names the object within its account whatever its id: the
	// subscription number, the payment-method id, … as KeyOf finds it. It is ""
	// for an object of Limio's own that hotsync knows nothing about.
	Key string
	// Aliases are keys it may have had before Zuora sent the one that counts.
	Aliases []string `json:",omitempty"`
	// ID is Limio's id, prefix and 32 hex digits. A wanted object has the id
	// hotsync would create it with (see ID); convergence replaces it by the id
	// of the object found under the same Key.
	ID        string
	Service   string // owning system: limio, zuora or salesforce
	Type      string // of an identity: @limio/id, @limio/external-id, account or contact; of a payment method: zuora
	Name      string
	Reference string
	Status    string
	Owner     string // id of the owner identity
	Customer  string // id of the customer
	Related   string // id of the object it hangs on: the subscription of an offer
	// RelationshipType is billing or delivery on an address as Limio's rows have it.
	RelationshipType string         `json:",omitempty"`
	Data             map[string]any // JSON values; numbers are json.Number
}

// IsLogin reports whether the object is a login at an identity provider.
func (o Object) IsLogin() bool { return o.Kind == Identity && o.Type == TypeExternal }
