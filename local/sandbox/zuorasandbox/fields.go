package zuorasandbox

import (
	"encoding/xml"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// accountFields are the standard fields of an account as Object Query names
// them.
var accountFields = slices.Sorted(
	slices.Values(slices.Concat(
		accountSame,
		billingSame,
		metricsSame,
		slices.Collect(maps.Values(accountRenamed)),
		[]string{
			"id",
			"vATId",
			"mrr",
			"lastInvoiceDate",
			"createdDate",
			"updatedDate",
			"additionalEmailAddresses",
			"billToId",
			"soldToId",
			"shipToId",
		},
	)),
)

// viewFields are the standard fields of what can be queried or expanded.
var viewFields = map[string][]string{
	"account":              accountFields,
	"billTo":               contactFields,
	"soldTo":               contactFields,
	"shipTo":               contactFields,
	"paymentMethods":       methodFields,
	"defaultPaymentMethod": methodFields,
	"subscriptions":        subscriptionFields,
	"subscription":         subscriptionFields,
}

var (
	contactFields = slices.Concat(contactSame, []string{"accountId", "postalCode", "createdDate", "updatedDate"})
	methodFields  = slices.Concat(methodSame, slices.Collect(maps.Keys(neverCopiedView)), []string{
		"accountId",
		"active",
		"paymentMethodStatus",
		"creditCardMaskNumber",
		"creditCardExpirationMonth",
		"creditCardExpirationYear",
		"achBankName",
		"achAccountNumberMask",
		"achAccountType",
		"bankName",
		"bankTransferAccountNumberMask",
		"bankTransferType",
		"paypalEmail",
		"paypalType",
		"createdDate",
		"updatedDate",
	})
	subscriptionFields = slices.Concat(subscriptionSame, slices.Collect(maps.Values(subscriptionRenamed)),
		[]string{"originalId", "previousSubscriptionId", "createdDate", "updatedDate", "quoteNumber__QT"})
)

// accountField returns the API name of an account's field, in any case.
func (s *Server) accountField(name string) (string, bool) {
	if isCustom(strings.ToLower(name)) {
		api, _, ok := s.store.field(name)
		return api, ok
	}
	i := slices.IndexFunc(accountFields, func(f string) bool { return strings.EqualFold(f, name) })
	if i < 0 {
		return "", false
	}
	return upperFirst(accountFields[i]), true
}

// hasField tells whether fields[] may ask for a field of a view. The custom
// fields of anything but accounts are not kept a list of.
func (s *Server) hasField(view, name string) bool {
	if view == accountSet.name && isCustom(name) {
		_, _, ok := s.store.field(name)
		return ok
	}
	known, ok := viewFields[view]
	return !ok || isCustom(name) ||
		slices.ContainsFunc(known, func(f string) bool { return strings.EqualFold(f, name) })
}

// described is the answer of GET /v1/describe/{object}.
type described struct {
	XMLName xml.Name         `xml:"object"`
	Name    string           `xml:"name"`
	Label   string           `xml:"label"`
	Fields  []describedField `xml:"fields>field"`
}

type describedField struct {
	Name       string   `xml:"name"`
	Label      string   `xml:"label"`
	Selectable bool     `xml:"selectable"`
	Createable bool     `xml:"createable"`
	Updateable bool     `xml:"updateable"`
	Filterable bool     `xml:"filterable"` // of a custom field: whether it is indexed
	Custom     bool     `xml:"custom"`
	MaxLength  string   `xml:"maxlength"`
	Required   bool     `xml:"required"`
	Type       string   `xml:"type"`
	Contexts   []string `xml:"contexts>context"`
}

func (s *Server) describe(w http.ResponseWriter, r *http.Request) {
	_, ok := parameters(w, r, "showCurrencyConversionInformation", "showRelationships")
	if !ok {
		return
	}
	if r.PathValue("object") != "Account" {
		send(
			w,
			r,
			http.StatusNotFound,
			"text/xml; charset=utf-8",
			[]byte(xml.Header+"<error>The object does not exist.</error>"),
		)
		return
	}
	d := described{Name: "Account", Label: "Account"}
	contexts := []string{"soap", "export"}
	for _, f := range accountFields {
		name := upperFirst(f)
		readOnly := slices.Contains(
			[]string{"Id", "CreatedDate", "UpdatedDate", "Balance", "Mrr", "LastInvoiceDate"},
			name,
		)
		d.Fields = append(
			d.Fields,
			describedField{
				Name:       name,
				Label:      label(name),
				Selectable: true,
				Createable: !readOnly,
				Updateable: !readOnly,
				Filterable: true,
				Required:   name == "Name" || name == "Currency",
				Type:       fieldType(name),
				Contexts:   contexts,
			},
		)
	}
	fields := s.store.allFields()
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		d.Fields = append(
			d.Fields,
			describedField{
				Name:       name,
				Label:      label(strings.TrimSuffix(name, "__c")),
				Selectable: true,
				Createable: true,
				Updateable: true,
				Filterable: fields[name].Indexed,
				Custom:     true,
				MaxLength:  "255",
				Type:       "text",
				Contexts:   contexts,
			},
		)
	}
	body, err := xml.MarshalIndent(d, "", "  ")
	if err != nil {
		refuse(w, r, http.StatusInternalServerError, 60, "no XML form")
		return
	}
	send(w, r, http.StatusOK, "text/xml; charset=utf-8", append([]byte(xml.Header), body...))
}

// label puts spaces before capitals: AccountNumber becomes Account Number.
func label(name string) string {
	var out strings.Builder
	for i, c := range name {
		if i > 0 && c >= 'A' && c <= 'Z' {
			out.WriteByte(' ')
		}
		out.WriteRune(c)
	}
	return out.String()
}

func fieldType(name string) string {
	switch {
	case strings.HasSuffix(name, "Date"):
		return "datetime"
	case strings.Contains(name, "Balance") || name == "Mrr" || name == "UnappliedCreditMemoAmount":
		return "decimal"
	case name == "AutoPay" || strings.HasPrefix(name, "InvoiceDelivery") || name == "PartnerAccount":
		return "boolean"
	case name == "BillCycleDay":
		return "integer"
	case name == "Status" || name == "Batch" || name == "Currency" || name == "PaymentTerm":
		return "picklist"
	default:
		return "text"
	}
}
