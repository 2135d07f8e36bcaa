package limio

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"hotsync/shared/catalogue"
	"hotsync/shared/hotsync"
)

// The operations of the catalogue: https://docs.limio.com/api/catalog-api/catalog
// and, older, https://docs.limio.com/api-docs/catalog. Pages come only with
// opt.all. An answer holds at most 6 MB and an item was seen to have 6 KB, so
// that a hundred a page leave room for large ones.
const everyPage = "opt.all=true&opt.pageSize=100"

// catalogueList is one list of the catalogue.
type catalogueList struct {
	first, next operation
	optional    bool // a tenant without it has the lists that count
}

func listOf(path, query string, optional bool) catalogueList {
	first := path + "?" + query + everyPage
	return catalogueList{operation{http.MethodGet, first},
		operation{http.MethodGet, first + "&opt.queryMoreFrom={from}&opt.queryMoreAlias={alias}"}, optional}
}

var (
	// published holds what is live, by record type: documented, its parameters and
	// its answer assumed to be those of the older operations.
	published = []catalogueList{
		listOf("/published_catalog_items", "record_type=offers2&", false),
		listOf("/published_catalog_items", "record_type=offers&", false),
		listOf("/published_catalog_items", "record_type=add_on&", false),
		listOf("/published_catalog_items", "record_type=discount&", true),
		listOf("/published_catalog_items", "record_type=product&", true),
	}
	older = []catalogueList{listOf("/offers", "", false), listOf("/add_ons", "", false)}
)

// Bounds of a read: ten times the largest catalogue that was seen.
const (
	maxCataloguePages = 100
	maxCatalogueItems = 5000
)

// Catalogue reads what the merchant has published in Limio: offers, add-ons,
// discounts and products, from all pages. Items that cannot be read are left out
// and found in the notes; a list that is not whole is an error, since a rate
// plan whose offer is missing would be shown without one.
func (c *Client) Catalogue(ctx context.Context) (_ *catalogue.Index, notes []hotsync.Finding, err error) {
	defer hotsync.In(&err, "limio.Catalogue")
	for n, lists := range [][]catalogueList{published, older} {
		r := catalogueReader{client: c}
		err = r.read(ctx, lists)
		if n == 0 && isNotFound(err) {
			continue // a tenant that does not have the newer operation
		}
		if err != nil {
			return nil, nil, err
		}
		return r.built.Index(), r.notes, nil
	}
	return nil, nil, err
}

// catalogueReader adds up the items of a catalogue.
type catalogueReader struct {
	client *Client
	built  catalogue.Builder
	items  int
	notes  []hotsync.Finding
}

func (r *catalogueReader) read(ctx context.Context, lists []catalogueList) error {
	for _, l := range lists {
		err := r.list(ctx, l)
		if err != nil && !(l.optional && isRefused(err)) {
			return err
		}
	}
	return nil
}

// list reads one list to its end.
func (r *catalogueReader) list(ctx context.Context, l catalogueList) error {
	read, ids := l.first, []string(nil)
	for page, seen := 0, 0; page < maxCataloguePages; page++ {
		var a catalogueAnswer
		err := r.client.call(ctx, read, ids, nil, &a)
		if err != nil {
			return err
		}
		if a.Items == nil {
			return hotsync.Errorf(hotsync.CodeLimioAnswer, "Limio's answer has no list of catalogue items.")
		}
		seen += len(*a.Items)
		err = r.add(*a.Items)
		if err != nil {
			return err
		}
		more := a.QueryMore
		switch {
		case more == nil || more.From == "" && more.Alias == "":
			if seen < a.Hits.least {
				return hotsync.Errorf(
					hotsync.CodeLimioAnswer,
					"Limio's catalogue ended after %d of %d items.",
					seen,
					a.Hits.least,
				)
			}
			return nil
		case len(*a.Items) == 0 || ids != nil && ids[0] == string(more.From):
			return hotsync.Errorf(hotsync.CodeLimioAnswer, "Limio's catalogue does not come to an end.")
		}
		read, ids = l.next, []string{string(more.From), string(more.Alias)}
	}
	return tooLarge()
}

func tooLarge() error {
	return hotsync.Errorf(hotsync.CodeLimioAnswer, "Limio's catalogue is larger than %d items.", maxCatalogueItems)
}

// add takes items in, each decoded on its own: one that is odd hides no other.
func (r *catalogueReader) add(items []json.RawMessage) error {
	r.items += len(items)
	if r.items > maxCatalogueItems {
		return tooLarge()
	}
	for _, raw := range items {
		var item struct {
			Path    text           `json:"path"`
			ID      text           `json:"id"`
			Name    text           `json:"name"`
			Version text           `json:"version"`
			Type    text           `json:"type"`
			Data    map[string]any `json:"data"`
		}
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.UseNumber()
		err := dec.Decode(&item)
		if err != nil {
			r.notes = hotsync.AddFinding(r.notes, hotsync.Note(hotsync.FindingCatalogueItem, string(item.Path),
				"An item of the catalogue was left out: it is no object of path, id and data."))
			continue
		}
		r.built.Add(catalogue.Item{Path: string(item.Path), ID: string(item.ID), Name: string(item.Name),
			Version: string(item.Version), Type: string(item.Type), Data: item.Data})
	}
	return nil
}

// catalogueAnswer is an answer of the catalogue. A missing list is an error and
// not an empty one.
type catalogueAnswer struct {
	Items     *[]json.RawMessage `json:"items"`
	Hits      hits               `json:"hits"`
	QueryMore *queryMore         `json:"queryMore"`
}

// queryMore says how a list goes on. from is text, or a number.
type queryMore struct {
	From  scalar `json:"from"`
	Alias scalar `json:"alias"`
}

// hits is how many items a list has at least. It is documented as a number and
// was seen as {"value": n, "relation": "eq"}; anything else says nothing.
type hits struct{ least int }

// UnmarshalJSON implements json.Unmarshaler.
func (h *hits) UnmarshalJSON(raw []byte) error {
	*h = hits{}
	if json.Unmarshal(raw, &h.least) == nil {
		return nil
	}
	var seen struct {
		Value int `json:"value"`
	}
	if json.Unmarshal(raw, &seen) == nil {
		h.least = seen.Value
	}
	return nil
}

// scalar is a JSON string or number as text. Anything else is "".
type scalar string

// UnmarshalJSON implements json.Unmarshaler.
func (s *scalar) UnmarshalJSON(raw []byte) error {
	*s = ""
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var value any
	err := dec.Decode(&value)
	if err != nil {
		return err
	}
	switch v := value.(type) {
	case string, json.Number:
		*s = scalar(fmt.Sprint(v))
	}
	return nil
}
