// Package billing holds a Zuora account as hotsync knows it: plain values, with
// only the members that a sync needs. What must never be copied (tokens, bank
// details, national ids) has no place here, so it cannot be carried on.
//
// The package knows neither HTTP nor Zuora's wire formats; package zuora
// decodes into it, package projection reads it.
package billing

import "github.com/shopspring/decimal"

// Account is a Zuora account with all that hangs on it.
type Account struct {
	ID                     string // 32 hex digits, stable
	Number                 string
	Name                   string
	Status                 string // Active, Draft or Canceled (one l)
	CRMID                  string // CRM account id, up to 100 characters of free text; "" when there is none
	Currency               string
	DefaultPaymentMethodID string
	// API name as in the settings (X__c) to text; null and absent fields are left out
	CustomFields   map[string]string
	BillTo         *Contact
	SoldTo         *Contact
	ShipTo         *Contact
	PaymentMethods []PaymentMethod // every status but scrubbed ones, by id
	Subscriptions  []Subscription  // latest version of each, by number
	Preview        Preview         // what Zuora would bill next
}

// Preview is what Zuora would bill next for all the account's subscriptions.
type Preview struct {
	Items   []PreviewItem
	Missing string // "" when it was read, else why not: off, refused, slow or invalid
}

// PreviewItem is one charge of one service period that is not billed yet.
type PreviewItem struct {
	SubscriptionNumber string
	ChargeNumber       string
	ChargeName         string
	ProductName        string
	Description        string
	ProcessingType     string          // Charge or Discount, in either case
	ServiceStart       string          // YYYY-MM-DD
	ServiceEnd         string          // the last day
	Amount             decimal.Decimal // without tax
	Tax                decimal.Decimal
	Quantity           decimal.NullDecimal
	UnitPrice          decimal.NullDecimal
}

// Contact is a postal address with a name. Country and State are as Zuora gives
// them: a name ("United Kingdom") or a code.
type Contact struct {
	ID         string
	FirstName  string
	LastName   string
	WorkEmail  string
	HomeEmail  string // personalEmail
	Address1   string
	Address2   string
	City       string
	State      string
	PostalCode string
	Country    string
}

// PaymentMethod is a payment method without anything that could be used to pay.
type PaymentMethod struct {
	ID               string
	Type             string // Zuora's CRUD word: CreditCard, PayPal, BankTransfer, ACH, …; an open set
	Kind             string // v1's word for the same: PayPalEC, Bacs, …
	BankTransferType string // DirectDebitUK, SEPA, …; "" on all but bank transfers
	Status           string // Active or Closed
	Brand            string // credit card type, or the bank's name
	Mask             string // number with all but the last four digits masked by Zuora
	ExpirationMonth  int    // 1 to 12; 0 when it has none
	ExpirationYear   int
}

// Subscription is the latest version of a subscription. Dates are YYYY-MM-DD in
// the tenant's time zone, "" when Zuora has none.
type Subscription struct {
	ID                string // changes with every version
	Number            string // stable: the key
	Version           int
	Status            string // Active, Cancelled, Suspended, Draft, Pending Activation, Pending Acceptance, Expired
	TermType          string // TERMED or EVERGREEN
	ContractEffective string
	Start             string
	End               string // first day after service; "" while evergreen
	TermStart         string
	TermEnd           string
	AutoRenew         bool
	Currency          string
	ScheduledCancel   string
	RatePlans         []RatePlan // by key; removed ones are kept, marked by LastChangeType
}

// RatePlan is a rate plan of a subscription.
type RatePlan struct {
	ID                string
	Number            string // subscription rate plan number, "" where Zuora does not send it
	Name              string
	ProductName       string
	ProductSKU        string
	ProductID         string
	ProductRatePlanID string
	LastChangeType    string // Add, Update or Remove
	Charges           []Charge
}

// Charge is a charge of a rate plan with the segments of its price.
type Charge struct {
	Number                string // stable: C-00000011
	Name                  string
	Type                  string // OneTime, Recurring or Usage
	Model                 string // FlatFee, PerUnit, Tiered, Volume, DiscountFixedAmount, …
	Currency              string
	UOM                   string
	BillingPeriod         string // Month, Annual, …; "" on one-time charges
	SpecificBillingPeriod int    // of Specific_Months and Specific_Weeks
	ListPriceBase         string // what the price is for: Per_Billing_Period, Per_Month, …; "" is the billing period
	SpecificListPriceBase int    // of Per_Specific_Months
	BillingTiming         string // IN_ADVANCE or IN_ARREARS
	EndDateCondition      string // Subscription_End, Fixed_Period, …
	DiscountLevel         string // of a discount: rateplan, subscription or account
	UpToPeriods           int
	UpToPeriodsType       string
	Segments              []Segment // by start; at least one
}

// Segment is the price of a charge from one day until before another.
type Segment struct {
	From               string              // YYYY-MM-DD; "" while a charge is pending
	Until              string              // first day it no longer holds; "" when open
	ChargedThrough     string              // first day that is not billed yet; "" when nothing was
	Price              decimal.NullDecimal // null for tiered and discount models
	Quantity           decimal.NullDecimal
	DiscountAmount     decimal.NullDecimal
	DiscountPercentage decimal.NullDecimal
	Tiers              []Tier
}

// Tier is one step of a tiered or volume price.
type Tier struct {
	StartingUnit decimal.Decimal
	EndingUnit   decimal.NullDecimal // null: open
	Price        decimal.Decimal
	FlatFee      bool // price for the whole tier instead of per unit
}
