package projection

import (
	"strings"

	"github.com/shopspring/decimal"
)

// fractions are the currencies whose amounts do not have two decimals:
// https://www.six-group.com/en/products-services/financial-information/data-standards.html (ISO 4217)
var fractions = map[int32]string{
	0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
	3: "BHD IQD JOD KWD LYD OMR TND",
}

func decimals(currency string) int32 {
	for n, list := range fractions {
		if currency != "" && strings.Contains(list, strings.ToUpper(currency)) {
			return n
		}
	}
	return 2
}

// money is an amount as text with the decimals of its currency: in schedules
// Limio has text, and takes the number 0 for no price.
func money(amount decimal.Decimal, currency string) string {
	return amount.StringFixed(decimals(currency))
}
