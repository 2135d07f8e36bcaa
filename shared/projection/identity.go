package projection

import (
	"regexp"
	"strings"

	"hotsync/shared/hotsync"
)

const (
	serviceLimio      = "limio"
	serviceSalesforce = "salesforce"
)

// ownerIdentity is what everything else belongs to. It may own several accounts,
// so nothing but its name, which is set once, depends on this one.
func (p *projector) ownerIdentity() Object {
	return Object{
		Kind: Identity,
		Key:  keyOwner,
		ID:   p.owner,
		Type: TypeOwner,
		Name: p.customerName(),
		Data: map[string]any{},
	}
}

// loginIdentity lets the login see what the owner owns. Limio makes its id when
// it is linked, so that the id here only tells it from other objects.
func (p *projector) loginIdentity(login hotsync.Identity) []Object {
	if !signedIn(login) {
		return nil
	}
	key := externalKey(login.Issuer, login.Subject)
	return []Object{
		{Kind: Identity, Key: key, ID: ID(p.opt.Tenant, Identity, "", key), Type: TypeExternal, Owner: p.owner,
			Data: map[string]any{"iss": login.Issuer, "sub": login.Subject}},
	}
}

func signedIn(login hotsync.Identity) bool { return login.Issuer != "" && login.Subject != "" }

// accountIdentities tie the customer to the systems that know the account: to
// Zuora, which is how it is found again, and to Salesforce.
func (p *projector) accountIdentities() []Object {
	zuora := p.serviceIdentity(hotsync.ServiceZuora, hotsync.IssuerZuora, hotsync.TypeAccount, p.account.ID)
	zuora.Data["accountNumber"] = p.account.Number
	out := []Object{zuora}

	value, ok := p.salesforceID()
	if ok {
		out = append(out, p.serviceIdentity(serviceSalesforce, serviceSalesforce, string(p.opt.SalesforceID), value))
	}
	return out
}

func (p *projector) serviceIdentity(service, issuer, typ, value string) Object {
	o := p.hanging(Identity, serviceIdentityKey(service, typ, value))
	o.Service, o.Type, o.Name = service, typ, value
	o.Data = map[string]any{"service": service, "issuer": issuer, "type": typ, "value": value}
	return o
}

// salesforcePattern is an id of a Salesforce Account (001) or Contact (003):
// https://help.salesforce.com/s/articleView?id=000385203 lists the key prefixes.
var salesforcePattern = regexp.MustCompile(`^(001|003)[0-9A-Za-z]{12}(?:[0-9A-Za-z]{3})?$`)

// salesforceID is the CRM ID in its form of 18 characters. The CRM ID is free
// text, so that it may be something else; and Zuora's own connector puts the
// Account's id there even where Limio is set up to look Contacts up, which is
// worth a finding; a Contact's id is no account's. An id that has 18 characters is kept as it is.
func (p *projector) salesforceID() (value string, ok bool) {
	crm := strings.TrimSpace(p.account.CRMID)
	if crm == "" {
		return "", false
	}
	match := salesforcePattern.FindStringSubmatch(crm)
	if match == nil {
		p.find(hotsync.Note(
			hotsync.FindingAccountCRMID,
			"",
			"The account's CRM ID is not the id of a Salesforce Account or Contact, so no Salesforce identity is kept.",
		), "")
		return "", false
	}
	names := map[string]hotsync.SalesforceID{"001": hotsync.SalesforceAccount, "003": hotsync.SalesforceContact}[match[1]]
	if names == hotsync.SalesforceContact && p.opt.SalesforceID == hotsync.SalesforceAccount {
		p.find(hotsync.Note(
			hotsync.FindingAccountCRMID,
			"",
			"The account's CRM ID names a Salesforce contact, but the settings say that CRM IDs name an account, so no "+
				"Salesforce identity is kept.",
		),
			"Correct the CRM ID in Zuora, or the setting.")
		return "", false
	}
	if names != p.opt.SalesforceID {
		p.find(
			hotsync.Note(
				hotsync.FindingAccountCRMID,
				"",
				"The account's CRM ID names a Salesforce %s, but the settings say that CRM IDs name a %s.",
				names,
				p.opt.SalesforceID,
			),
			"Correct the setting, or the CRM ID in Zuora.",
		)
	}
	if len(crm) == 15 {
		crm += salesforceSuffix(crm)
	}
	return crm, true
}

// salesforceSuffix are the three characters by which the case-sensitive id of 15
// becomes the case-insensitive one of 18: each tells which of five characters
// are upper case, the first one being the lowest bit.
// https://codebycody.com/salesforces-algorithm-for-converting-ids-from-15-to-18-characters
func salesforceSuffix(id string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
	var suffix [3]byte
	for chunk := range suffix {
		bits := 0
		for i, c := range []byte(id[chunk*5 : chunk*5+5]) {
			if 'A' <= c && c <= 'Z' {
				bits |= 1 << i
			}
		}
		suffix[chunk] = alphabet[bits]
	}
	return string(suffix[:])
}
