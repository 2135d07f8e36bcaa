package projection

import (
	"slices"
	"strings"
	"unicode"

	"github.com/biter777/countries"
)

// spellings are names of ISO 3166, which Zuora's list follows, and a few
// customary ones that the library does not know: letters only, lower case. A
// merchant may rename countries in Zuora; a name nobody knows is warned about.
// https://docs.zuora.com/en/basics/set-up-countries-regions-and-subregions
var spellings = map[string]string{
	"bonairesainteustatiusandsaba":          "BQ",
	"congothedemocraticrepublicofthe":       "CD",
	"congodemocraticrepublicofthe":          "CD",
	"greatbritainandnorthernireland":        "GB",
	"hongkongsar":                           "HK",
	"hongkongsarchina":                      "HK",
	"irelandrepublicof":                     "IE",
	"koreademocraticpeoplesrepublicof":      "KP",
	"macaosar":                              "MO",
	"netherlandskingdomofthe":               "NL",
	"palestinestateof":                      "PS",
	"palestinianterritoryoccupied":          "PS",
	"republicofireland":                     "IE",
	"sainthelenaascensionandtristandacunha": "SH",
	"taiwanprovinceofchina":                 "TW",
	"thenetherlands":                        "NL",
	"uae":                                   "AE",
	"uk":                                    "GB",
	"venezuelabolivarianrepublicof":         "VE",
	"virginislandsbritish":                  "VG",
	"virginislandsus":                       "VI",
}

// withdrawn are codes of the library that are no countries any more.
var withdrawn = []string{"AN", "YU"}

// countryCode is the ISO 3166-1 alpha-2 code of a country that Zuora gives by
// name or by code. Kosovo has the code XK, which is user-assigned but used by
// everybody.
func countryCode(text string) (code string, ok bool) {
	letters := strings.Map(func(r rune) rune {
		if !unicode.IsLetter(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, text)
	code = spellings[letters]
	if code != "" {
		return code, true
	}
	// All the letters first: the library cuts a name at its bracket, so that
	// "Korea (Democratic People's Republic of)" would be the other Korea.
	for _, name := range []string{letters, text} {
		c := countries.ByName(name)
		code = c.Alpha2()
		switch {
		case len(code) != 2 || slices.Contains(withdrawn, code):
		case len(letters) <= 3 && !strings.EqualFold(letters, code) && !strings.EqualFold(letters, c.Alpha3()):
			// A number plate or sports code: too little to tell a country by.
		default:
			return code, true
		}
	}
	return "", false
}
