package limiosandbox

import (
	"encoding/json"
	"errors"
	"regexp"
	"slices"
)

// Some kinds are held to more than being objects: what Limio's pages would fail
// on, or read wrongly, is refused here.

// v1Words are what Zuora's v1 API calls methods whose CRUD word is another; the
// pages know the CRUD words alone.
var v1Words = []string{"Bacs", "SEPA", "Autogiro", "Betalingsservice", "Becs", "Becsnz", "PAD", "PayPalEC", "PayPalCP",
	"PayPalNativeEC", "PayPalAdaptive"}

var (
	amountText   = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)
	currencyCode = regexp.MustCompile(`^[A-Z]{3}$`)
	startsAsDate = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}`)
)

// scheduleData are the members of a schedule that the pages read.
type scheduleData struct {
	Type             any `json:"type"`
	Date             any `json:"date"`
	ScheduleDate     any `json:"schedule_date"`
	Amount           any `json:"amount"`
	AmountWithoutTax any `json:"amountWithoutTax"`
	UnitAmount       any `json:"unit_amount"`
	Currency         any `json:"currency"`
}

// checkData holds the data of an object to what is known of its kind. Of a patch
// only the members that are there count.
func checkData(kind string, raw json.RawMessage, patch bool) error {
	switch kind {
	case kindSchedule:
		return checkSchedule(raw, patch)
	case kindPaymentMethod:
		var d struct {
			Zuora struct {
				Result struct{ Type any }
			} `json:"zuora"`
		}
		err := json.Unmarshal(raw, &d)
		word, _ := d.Zuora.Result.Type.(string)
		if err != nil || slices.Contains(v1Words, word) {
			return errors.New("zuora.result.Type is no word of Zuora's CRUD API")
		}
	case kindOffer:
		return checkSnapshot(raw, "offer", patch)
	case kindAddOn:
		return checkSnapshot(raw, "add_on", patch)
	}
	return nil
}

func checkSchedule(raw json.RawMessage, patch bool) error {
	var d scheduleData
	err := json.Unmarshal(raw, &d)
	if err != nil {
		return errors.New("data is no schedule")
	}
	for _, m := range []struct {
		name  string
		value any
		form  *regexp.Regexp
	}{
		{"type", d.Type, regexp.MustCompile(`^(payment|refund)$`)}, {"date", d.Date, startsAsDate}, {"schedule_date",
			d.ScheduleDate, startsAsDate},
		{"amount", d.Amount, amountText}, {"amountWithoutTax", d.AmountWithoutTax, amountText}, {"currency", d.Currency,
			currencyCode},
	} {
		text, ok := m.value.(string)
		if m.value == nil && patch {
			continue
		}
		if !ok || !m.form.MatchString(text) {
			return errors.New("a schedule needs " + m.name + " as text")
		}
	}
	text, ok := d.UnitAmount.(string)
	if d.UnitAmount != nil && (!ok || !amountText.MatchString(text)) {
		return errors.New("unit_amount is no text")
	}
	return nil
}

// checkSnapshot wants the copy of a catalogue item to say what it is.
func checkSnapshot(raw json.RawMessage, member string, patch bool) error {
	var d map[string]json.RawMessage
	err := json.Unmarshal(raw, &d)
	if err != nil {
		return errors.New("data is no object")
	}
	if d[member] == nil {
		return nil
	}
	var snapshot struct {
		ID   string `json:"id"`
		Data *struct {
			RecordType string `json:"record_type"`
		} `json:"data"`
	}
	err = json.Unmarshal(d[member], &snapshot)
	switch {
	case err != nil:
		return errors.New(member + " is no copy of a catalogue item")
	case patch && snapshot.Data == nil:
		return nil
	case snapshot.Data == nil || !patch && snapshot.Data.RecordType == "":
		return errors.New(member + ".data.record_type is missing")
	}
	return nil
}
